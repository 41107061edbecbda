"""Why: pledge and judicial freeze, with documents and public notice."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    pass
