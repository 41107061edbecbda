"""Brings a database to the newest revision."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def upgrade(dsn: str) -> None:
    """Run every migration the database has not seen, as the role that owns the tables."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["dsn"] = dsn
    command.upgrade(config, "head")
