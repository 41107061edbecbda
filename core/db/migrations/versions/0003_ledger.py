"""Why: linked transfers, holds with expiry, reversal, and a seal for each market day."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
