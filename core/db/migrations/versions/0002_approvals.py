"""Why: proposals expire, wait, need more than one reviewer; the audit trail becomes a chain."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    pass
