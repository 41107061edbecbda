"""Why: verified emissions, obligations, surrender and its reversal, offset, carry-over."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass
