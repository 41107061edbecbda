"""Why: cap, pre-allocation, adjustment, take-back and withholding."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    pass
