"""The tables explain themselves: constraints have names that say what holds, and tables say what they are for."""

from __future__ import annotations

import psycopg

UNNAMED = r"""
SELECT conname FROM pg_constraint
WHERE connamespace = 'registry'::regnamespace AND contype = 'c' AND conname ~ '_check[0-9]*$' ORDER BY conname
"""
UNEXPLAINED = """
SELECT relname FROM pg_class
WHERE relnamespace = 'registry'::regnamespace AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL
ORDER BY relname
"""
UNSEEN = """
SELECT t.table_name || '.' || t.column_name FROM information_schema.columns t
JOIN information_schema.views v ON v.table_schema = 'province' AND v.table_name = t.table_name
WHERE t.table_schema = 'registry' AND NOT EXISTS (
    SELECT FROM information_schema.columns c
    WHERE c.table_schema = 'province' AND c.table_name = t.table_name AND c.column_name = t.column_name)
ORDER BY 1
"""


def found(dsn: str, question: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [name for (name,) in connection.execute(question)]


def test_no_rule_of_a_table_goes_by_a_name_that_the_database_made_up(owner_dsn: str) -> None:
    assert found(owner_dsn, UNNAMED) == []


def test_every_table_and_view_says_what_it_is_for(owner_dsn: str) -> None:
    assert found(owner_dsn, UNEXPLAINED) == []


def test_what_a_province_sees_of_a_table_has_all_its_columns(owner_dsn: str) -> None:
    assert found(owner_dsn, UNSEEN) == []
