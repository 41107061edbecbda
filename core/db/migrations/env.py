"""Alembic's entry: four safety settings, so that a migration can stall nobody for long."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from core.db.engine import migration_engine

engine = migration_engine(context.config.attributes["dsn"])
with engine.connect() as connection:
    connection.execute(text("SELECT pg_advisory_lock(hashtext('registry migrations'))"))
    connection.commit()  # the lock belongs to the connection; each migration opens its own transaction
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
