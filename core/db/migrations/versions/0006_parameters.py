"""Why: sector, product, trading mode, limits and calendar are effective-dated data changed by two people."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
