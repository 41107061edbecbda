"""The SQL that finds accounts, a page at a time in order of number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from core.accounts.rules import Account
from core.accounts.search.rules import Wanted
from core.accounts.store import COLUMNS

# Each condition stands only where it is asked for, so that the plan is made for what is asked.
FILTERS = {
    "kind": "substr(number, 1, 1) = :kind",
    "province": "substr(number, 2, 2) = :province",
    "sector": "sector = :sector",
    "of": "number = ANY(CAST(:of AS text[]))",
    "state": "CASE WHEN pending_state IN ('RESTRICTED', 'SUSPENDED') THEN 'RESTRICTION_PENDING' ELSE state END "
    "= :state",
}
LIKE = "search_text LIKE '%' || lower(:pattern) || '%'"
# The index finds whoever has all the pairs of neighbouring characters; LIKE tells whether they stand side by side.
GRAMS = "account_grams(search_text) @> account_grams(lower(:part))"
PAIR = 2
WINDOW = 2_000
"""Accounts that are looked at one by one first: what so many have that a page fills, no index finds faster."""


def page(connection: Connection, wanted: Wanted, *, after: str, limit: int, indexed: bool = True) -> list[Account]:
    """Return subjects' accounts that are wanted, from the one after the cursor.

    Without ``indexed`` no function of the index is called: for who may not call it, and sees a few accounts only.
    """
    conditions, values = _conditions(wanted)
    values |= {"after": after, "limit": limit, "window": WINDOW}
    if not wanted.part or not indexed or len(wanted.part) < PAIR:
        return _found(connection, EVERYTHING, conditions, values)
    near = _found(connection, NEAR, conditions, values)
    return near if len(near) == limit else _found(connection, EVERYTHING, [*conditions, GRAMS], values)


EVERYTHING = "SELECT * FROM account WHERE number > :after AND number !~ '^S'"
NEAR = f"{EVERYTHING} ORDER BY number LIMIT :window"


def _found(
    connection: Connection, among: str, conditions: Sequence[str], values: Mapping[str, object]
) -> list[Account]:
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT {COLUMNS} FROM ({among}) AS account {where} ORDER BY number LIMIT :limit"  # noqa: S608  # constants of this file
    return [Account(**row) for row in connection.execute(text(query), values).mappings()]


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    conditions: list[str] = []
    values: dict[str, object] = {}
    for name, condition in FILTERS.items():
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(condition)
            values[name] = list(value) if name == "of" else value
    if wanted.part:
        values |= {"part": wanted.part, "pattern": _literal(wanted.part)}
        conditions.append(LIKE)
    return conditions, values


def _literal(part: str) -> str:
    """Write a text so that LIKE takes every character of it as it is."""
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
