"""The SQL that finds accounts, a page at a time in order of number."""

from __future__ import annotations

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
}
SHOWN_STATE = (
    """CASE WHEN pending_state IN ('RESTRICTED', 'SUSPENDED') THEN 'RESTRICTION_PENDING' ELSE state END = :state"""
)
# The index finds whoever has all the pairs of neighbouring characters; LIKE tells whether they stand side by side.
LIKE = "account_text(name, credit_code, number) LIKE '%' || lower(:pattern) || '%'"
GRAMS = "account_grams(account_text(name, credit_code, number)) @> account_grams(lower(:part))"
PLAIN = "lower(name || E'\\n' || coalesce(credit_code, '') || E'\\n' || number) LIKE '%' || lower(:pattern) || '%'"
"""The same without the index, for who sees a few accounts only and may not call its functions."""
PAIR = 2


def page(connection: Connection, wanted: Wanted, *, after: str, limit: int, indexed: bool = True) -> list[Account]:
    """Return subjects' accounts that are wanted, from the one after the cursor."""
    conditions = ["number > :after", "number !~ '^S'"]
    values: dict[str, object] = {"after": after, "limit": limit}
    for name, condition in FILTERS.items():
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(condition)
            values[name] = list(value) if name == "of" else value
    if wanted.state is not None:
        conditions.append(SHOWN_STATE)
        values["state"] = wanted.state
    if wanted.part:
        values |= {"part": wanted.part, "pattern": _literal(wanted.part)}
        conditions.append(LIKE if indexed else PLAIN)
        if indexed and len(wanted.part) >= PAIR:
            conditions.append(GRAMS)
    query = f"SELECT {COLUMNS} FROM account WHERE {' AND '.join(conditions)} ORDER BY number LIMIT :limit"  # noqa: S608  # constants of this file
    return [Account(**row) for row in connection.execute(text(query), values).mappings()]


def _literal(part: str) -> str:
    """Write a text so that LIKE takes every character of it as it is."""
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
