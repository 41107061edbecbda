"""Why: subjects, operators with rights, account states with reason and person, search."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    pass
