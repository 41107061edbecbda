"""Why: ledger and units are compared at every seal; a mismatch blocks the accounts concerned."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    pass
