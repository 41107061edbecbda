"""What is history stays as it was written, whoever asks: shown for every table that the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

KINDS = """
SELECT c.relname,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = c.relname || '_append_only'),
       has_any_column_privilege('registry_app', c.oid, 'UPDATE')
           OR has_table_privilege('registry_app', c.oid, 'DELETE'),
       (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND attgenerated = '' AND attidentity = '' ORDER BY attnum LIMIT 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'registry' AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version' ORDER BY 1
"""
CHANGES = ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE")


@pytest.fixture
def tables(dsn: str) -> list[tuple[str, bool, bool, str]]:
    """Every table: its name, whether it is append-only, whether the application may change rows, one column."""
    with psycopg.connect(dsn.replace("registry_app@", "postgres@")) as admin:
        return admin.execute(KINDS).fetchall()


def changes(tables: list[tuple[str, bool, bool, str]]) -> Iterator[tuple[str, sql.Composed]]:
    for table, append_only, _, column in tables:
        if append_only:
            for change in CHANGES:
                yield table, sql.SQL(change).format(sql.Identifier(table), sql.Identifier(column))


def test_a_table_is_append_only_or_the_application_changes_its_rows(tables: list[tuple[str, bool, bool, str]]) -> None:
    """Nothing in between: no table was forgotten, none is protected in words only."""
    assert [table for table, append_only, mutable, _ in tables if append_only == mutable] == []
    protected = {table for table, append_only, _, _ in tables if append_only}
    assert {"transfer", "ledger_batch", "ledger_seal", "sealing_key", "unit_issue", "unit_move", "trade",
            "audit_event", "daily_report"} <= protected  # fmt: skip


@pytest.mark.parametrize("role", ["registry_app", "registry_owner"])
def test_no_history_can_be_changed_deleted_or_emptied(
    dsn: str, tables: list[tuple[str, bool, bool, str]], role: str
) -> None:
    passed: list[str] = []
    with psycopg.connect(dsn.replace("registry_app@", f"{role}@"), autocommit=True) as connection:
        for table, change in changes(tables):
            try:
                connection.execute(change)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation):
                continue
            passed.append(f"{table}: {change.as_string(connection)}")

    assert passed == []
