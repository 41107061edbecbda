"""How a migration gives the application its tables: append-only ones, and ones that change."""

from __future__ import annotations

from alembic import op

from core.db.transaction import driver_of


def run(script: str) -> None:
    """Run a whole script of statements, which SQLAlchemy would prepare one by one."""
    driver_of(op.get_bind()).execute(script)


def append_only(*tables: str) -> None:
    """Let the application read and insert; refuse change twice, by privilege and by trigger."""
    for table in tables:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO registry_app")


def mutable(*tables: str) -> None:
    """Let the application read, insert and update; nothing is ever deleted."""
    for table in tables:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO registry_app")
