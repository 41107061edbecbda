"""The tables of runs, of breaks, and of what became of each break."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from core.db import counters
from core.reconciliation.rules import OPERATORS, Break, Finding

INSERT_RUN = text("""
INSERT INTO reconciliation_run (number, market_day, cause, asked_by, histories, holdings, totals, breaks)
VALUES (:number, :day, :cause, :asked_by, :histories, :holdings, CAST(:totals AS jsonb), :breaks)
""")

RUNS = text("""
SELECT number, market_day, cause, asked_by, histories, holdings, totals, breaks FROM reconciliation_run
WHERE number > :after ORDER BY number LIMIT :limit
""")

COLUMNS = "number, run, level, account, asset, expected, actual, located, owner, state, opened_at"

NOT_CLOSED = text(
    f"SELECT {COLUMNS} FROM reconciliation_break WHERE state <> 'CLOSED' ORDER BY number"  # noqa: S608  # a constant
)

FIND = text(f"SELECT {COLUMNS} FROM reconciliation_break WHERE number = :number")  # noqa: S608  # a constant

LOCK = text(f"{FIND.text} FOR UPDATE")

PAGE = text(f"""
SELECT {COLUMNS} FROM reconciliation_break
WHERE number > :after AND (CAST(:state AS text) IS NULL OR state = :state) ORDER BY number LIMIT :limit
""")  # noqa: S608  # a constant

INSERT_BREAK = text("""
INSERT INTO reconciliation_break (number, run, level, account, asset, expected, actual, located, owner)
VALUES (:number, :run, :level, :account, :asset, :expected, :actual, CAST(:located AS jsonb), :owner)
""")

SEE_AGAIN = text("""
UPDATE reconciliation_break SET expected = :expected, actual = :actual, located = CAST(:located AS jsonb),
       changed_at = now()
WHERE number = :number
""")

SET_STATE = text("""
UPDATE reconciliation_break SET state = :state, owner = coalesce(:owner, owner), changed_at = now()
WHERE number = :number
""")

INSERT_EVENT = text("""
INSERT INTO reconciliation_break_event (number, run, state, who, said, expected, actual)
SELECT number, :run, state, :who, :said, expected, actual FROM reconciliation_break WHERE number = :number
""")

HISTORY = text("""
SELECT run, state, who, said, expected, actual, at FROM reconciliation_break_event
WHERE number = :number ORDER BY id
""")

OPEN_COUNT = text("SELECT count(*) FROM reconciliation_break WHERE state <> 'CLOSED'")


@dataclass(frozen=True, slots=True)
class Run:
    """One comparison."""

    number: int
    market_day: date
    cause: str
    asked_by: str
    histories: bool
    holdings: int
    totals: Mapping[str, Mapping[str, int]]
    breaks: int

    @property
    def body(self) -> dict[str, Any]:
        """The run as callers read it."""
        return {
            "number": self.number,
            "market_day": self.market_day.isoformat(),
            "cause": self.cause,
            "asked_by": self.asked_by,
            "histories": self.histories,
            "holdings": self.holdings,
            "totals": dict(self.totals),
            "breaks": self.breaks,
            "agreed": self.breaks == 0,
        }


def take_run_number(connection: Connection) -> int:
    """Return the number of the next run."""
    return counters.take(connection, "reconciliation_run")


def insert_run(connection: Connection, run: Run) -> None:
    """Keep a run."""
    row = {
        "number": run.number,
        "day": run.market_day,
        "cause": run.cause,
        "asked_by": run.asked_by,
        "histories": run.histories,
        "holdings": run.holdings,
        "totals": json.dumps(run.totals),
        "breaks": run.breaks,
    }
    connection.execute(INSERT_RUN, row)


def runs(connection: Connection, *, after: int, limit: int) -> list[Run]:
    """Return runs in the order of their numbers."""
    return [Run(**row) for row in connection.execute(RUNS, {"after": after, "limit": limit}).mappings()]


def not_closed(connection: Connection) -> list[Break]:
    """Return the breaks that two people have not closed, oldest first."""
    return [Break(**row) for row in connection.execute(NOT_CLOSED).mappings()]


def open_count(connection: Connection) -> int:
    """Count them."""
    found: int = connection.execute(OPEN_COUNT).scalar_one()
    return found


def find(connection: Connection, number: int, *, lock: bool = False) -> Break | None:
    """Return a break; with ``lock`` nobody else changes it until this transaction ends."""
    row = connection.execute(LOCK if lock else FIND, {"number": number}).mappings().first()
    return Break(**row) if row is not None else None


def page(connection: Connection, *, state: str | None, after: int, limit: int) -> list[Break]:
    """Return breaks in the order of their numbers."""
    rows = connection.execute(PAGE, {"state": state, "after": after, "limit": limit}).mappings()
    return [Break(**row) for row in rows]


def keep(
    connection: Connection, finding: Finding, *, run: int, located: Sequence[Mapping[str, Any]], known: Break | None
) -> int:
    """Keep a finding as a new break, or as what an earlier one looks like now; return the break's number."""
    row = {"expected": finding.ledger, "actual": finding.units, "located": json.dumps(located, ensure_ascii=False)}
    if known is not None:
        connection.execute(SEE_AGAIN, row | {"number": known.number})
        return known.number
    number = counters.take(connection, "reconciliation_break")
    about = {"number": number, "run": run, "level": finding.level, "account": finding.account, "asset": finding.asset}
    connection.execute(INSERT_BREAK, row | about | {"owner": OPERATORS})
    return number


def set_state(connection: Connection, number: int, state: str, *, owner: str | None = None) -> None:
    """Change a break's state, and who looks after it when somebody is named."""
    connection.execute(SET_STATE, {"number": number, "state": state, "owner": owner})


def note(connection: Connection, number: int, *, who: str, said: str, run: int | None = None) -> None:
    """Append to a break's history, as it is now."""
    connection.execute(INSERT_EVENT, {"number": number, "run": run, "who": who, "said": said})


def history(connection: Connection, number: int) -> list[dict[str, Any]]:
    """Return what became of a break, oldest first."""
    rows = connection.execute(HISTORY, {"number": number}).mappings()
    return [{**row, "at": row["at"].isoformat()} for row in rows]
