"""The tables of obligations and their history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.emissions.obligations.rules import Event, Obligation

FIELDS = "account, year, due, surrendered, offset_used, pending_surrender, pending_offset, deducted, state"

ENSURE = text("""
INSERT INTO compliance_obligation (account, year, state, changed_at)
SELECT account, :year, 'NONE', :at FROM unnest(CAST(:accounts AS text[])) AS a (account) ORDER BY account
ON CONFLICT (account, year) DO NOTHING
""")

# Every open emitter is asked for the year, whether anybody has reported for it or not.
ENSURE_EMITTERS = text("""
INSERT INTO compliance_obligation (account, year, state, changed_at)
SELECT number, :year, 'NONE', :at FROM account
WHERE number LIKE 'E%' AND state NOT IN ('APPLIED', 'REJECTED', 'CLOSED') AND extract(year FROM opened_at) <= :year + 1
ORDER BY number
ON CONFLICT (account, year) DO NOTHING
""")

LOCK = text(f"""
SELECT {FIELDS} FROM compliance_obligation
WHERE year = :year AND account = ANY(CAST(:accounts AS text[])) ORDER BY account FOR UPDATE
""")  # noqa: S608  # the fields stand above

LOCK_YEAR = text(f"""
SELECT {FIELDS} FROM compliance_obligation WHERE year = :year ORDER BY account FOR UPDATE
""")  # noqa: S608  # the fields stand above

FIND = text(f"""
SELECT {FIELDS} FROM compliance_obligation WHERE account = :account AND year = :year
""")  # noqa: S608  # the fields stand above

OF_ACCOUNT = text(f"""
SELECT {FIELDS} FROM compliance_obligation WHERE account = :account AND year > :after ORDER BY year LIMIT :limit
""")  # noqa: S608  # the fields stand above

OF_YEAR = text(f"""
SELECT {FIELDS} FROM compliance_obligation
WHERE year = :year AND account > :after AND (:state = '' OR state = :state) ORDER BY account LIMIT :limit
""")  # noqa: S608  # the fields stand above

WRITE = text("""
UPDATE compliance_obligation o
SET due = n.due, surrendered = n.surrendered, offset_used = n.offset_used, pending_surrender = n.pending_surrender,
    pending_offset = n.pending_offset, deducted = n.deducted, state = n.state, changed_at = :at
FROM unnest(CAST(:accounts AS text[]), CAST(:years AS smallint[]), CAST(:dues AS bigint[]),
            CAST(:surrendereds AS bigint[]), CAST(:offsets AS bigint[]), CAST(:pending_surrenders AS bigint[]),
            CAST(:pending_offsets AS bigint[]), CAST(:deducteds AS bigint[]), CAST(:states AS text[]))
    AS n (account, year, due, surrendered, offset_used, pending_surrender, pending_offset, deducted, state)
WHERE o.account = n.account AND o.year = n.year
""")

RECORD = text("""
INSERT INTO compliance_event (account, year, state_before, state, due, surrendered, offset_used, cause, reference, at)
SELECT account, year, state_before, state, due, surrendered, offset_used, cause, reference, :at
FROM unnest(CAST(:accounts AS text[]), CAST(:years AS smallint[]), CAST(:befores AS text[]), CAST(:states AS text[]),
            CAST(:dues AS bigint[]), CAST(:surrendereds AS bigint[]), CAST(:offsets AS bigint[]),
            CAST(:causes AS text[]), CAST(:references AS text[]))
    WITH ORDINALITY AS e (account, year, state_before, state, due, surrendered, offset_used, cause, reference, nth)
ORDER BY nth
""")

HISTORY = text("""
SELECT id, state_before, state, due, surrendered, offset_used AS offset, cause, reference, at FROM compliance_event
WHERE account = :account AND year = :year AND id > :after ORDER BY id LIMIT :limit
""")


def lock(connection: Connection, accounts: Sequence[str], year: int) -> dict[str, Obligation]:
    """Return those of the accounts' obligations of a year that there are, locked in the order of accounts."""
    names = {"accounts": list(accounts), "year": year}
    return {row["account"]: Obligation(**row) for row in connection.execute(LOCK, names).mappings()}


def ensure(connection: Connection, accounts: Sequence[str], year: int, *, at: datetime) -> None:
    """Make the accounts' obligations of a year where there are none; their accounts must exist."""
    connection.execute(ENSURE, {"accounts": list(accounts), "year": year, "at": at})


def lock_year(connection: Connection, year: int, *, emitters_at: datetime | None = None) -> list[Obligation]:
    """Return all obligations of a year, locked; with ``emitters_at`` every open emitter gets one first."""
    if emitters_at is not None:
        connection.execute(ENSURE_EMITTERS, {"year": year, "at": emitters_at})
    return [Obligation(**row) for row in connection.execute(LOCK_YEAR, {"year": year}).mappings()]


def find(connection: Connection, account: str, year: int) -> Obligation | None:
    """Return an obligation as it is now."""
    row = connection.execute(FIND, {"account": account, "year": year}).mappings().first()
    return Obligation(**row) if row is not None else None


def of_account(connection: Connection, account: str, *, after: int, limit: int) -> list[Obligation]:
    """Return an account's obligations in the order of years."""
    rows = connection.execute(OF_ACCOUNT, {"account": account, "after": after, "limit": limit}).mappings()
    return [Obligation(**row) for row in rows]


def of_year(connection: Connection, year: int, *, state: str, after: str, limit: int) -> list[Obligation]:
    """Return a year's obligations in the order of accounts, of one state or of all."""
    rows = connection.execute(OF_YEAR, {"year": year, "state": state, "after": after, "limit": limit}).mappings()
    return [Obligation(**row) for row in rows]


def write(connection: Connection, obligations: Sequence[Obligation], *, at: datetime) -> None:
    """Write obligations that were locked."""
    columns = _columns(obligations) | {
        "pending_surrenders": [o.pending_surrender for o in obligations],
        "pending_offsets": [o.pending_offset for o in obligations],
        "deducteds": [o.deducted for o in obligations],
    }
    connection.execute(WRITE, columns | {"at": at})


def record(connection: Connection, events: Sequence[Event], *, at: datetime) -> None:
    """Add to the history."""
    columns = _columns([event.after for event in events]) | {
        "befores": [event.before.state for event in events],
        "causes": [event.cause for event in events],
        "references": [event.reference for event in events],
    }
    connection.execute(RECORD, columns | {"at": at})


def history(connection: Connection, account: str, year: int, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Return what happened to an obligation, oldest first."""
    asked = {"account": account, "year": year, "after": after, "limit": limit}
    return [{**row, "at": row["at"].isoformat()} for row in connection.execute(HISTORY, asked).mappings()]


def _columns(obligations: Sequence[Obligation]) -> dict[str, list[Any]]:
    return {
        "accounts": [o.account for o in obligations],
        "years": [o.year for o in obligations],
        "dues": [o.due for o in obligations],
        "surrendereds": [o.surrendered for o in obligations],
        "offsets": [o.offset_used for o in obligations],
        "states": [o.state for o in obligations],
    }
