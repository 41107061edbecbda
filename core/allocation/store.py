"""The tables of plans, their lines, and what became of each line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from core.allocation.rules import Line, Plan
from core.db import counters
from core.db.transaction import driver_of
from core.quantities import Vintage

PROPOSED, EXECUTED, TURNED_DOWN = "PROPOSED", "EXECUTED", "TURNED_DOWN"

INSERT = text("""
INSERT INTO allocation_plan (number, product, name, kind, share_percent, follows, province, lines, tonnes, state,
                             proposed_by, proposed_at)
VALUES (:number, :product, :name, :kind, :share, :follows, :province, :lines, :tonnes, 'PROPOSED', :by, :at)
""")

COPY_LINES = "COPY allocation_line (plan, line, account, tonnes, withheld) FROM STDIN"

COPY_ENTRIES = "COPY allocation_entry (plan, account, kind, tonnes, cause, reference, at) FROM STDIN"

SET_TASK = text("UPDATE allocation_plan SET task = CAST(:task AS uuid) WHERE number = :number")

FINISH = text("""
UPDATE allocation_plan SET state = :state, executed_at = :at, market_day = :day WHERE number = :number
""")

FIND = text("""
SELECT number, product, name, kind, share_percent, follows, province, lines, tonnes, state, proposed_by, proposed_at,
       task::text, executed_at, market_day
FROM allocation_plan WHERE number = :number
""")

LINES = text("SELECT account, tonnes, withheld, line FROM allocation_line WHERE plan = :number ORDER BY line")

EXECUTED_NAME = text("""
SELECT EXISTS (SELECT FROM allocation_plan WHERE product = :product AND name = :name AND state = 'EXECUTED')
""")

ALLOCATED = text("""
SELECT coalesce(sum(CASE WHEN e.kind IN ('ALLOCATED', 'WITHHELD') THEN e.tonnes
                         WHEN e.kind IN ('TAKEN_BACK', 'WITHDRAWN') THEN -e.tonnes ELSE 0 END), 0)::bigint
FROM allocation_entry e JOIN allocation_plan p ON p.number = e.plan WHERE p.product = :product
""")

# A deduction was granted and worked off at once; what is owed went back in the books of the plan, if not in units.
STANDING = text("""
SELECT e.account,
       sum(CASE WHEN e.kind IN ('ALLOCATED', 'WITHHELD', 'DEDUCTED') THEN e.tonnes
                WHEN e.kind IN ('TAKEN_BACK', 'WITHDRAWN', 'OWED') THEN -e.tonnes ELSE 0 END)::bigint AS granted,
       sum(CASE WHEN e.kind = 'WITHHELD' THEN e.tonnes
                WHEN e.kind IN ('RELEASED', 'WITHDRAWN') THEN -e.tonnes ELSE 0 END)::bigint AS withheld
FROM allocation_entry e JOIN allocation_plan p ON p.number = e.plan
WHERE (p.number = :chain OR p.follows = :chain) AND e.account = ANY(CAST(:accounts AS text[]))
GROUP BY e.account
""")

WITHHELD = text("""
SELECT account, sum(CASE WHEN kind = 'WITHHELD' THEN tonnes
                         WHEN kind IN ('RELEASED', 'WITHDRAWN') THEN -tonnes ELSE 0 END)::bigint AS tonnes
FROM allocation_entry WHERE plan = :number GROUP BY account
""")

# Which plans of the chain the withheld units of an account belong to, the oldest first.
WITHHELD_IN_CHAIN = text("""
SELECT e.account, e.plan, sum(CASE WHEN e.kind = 'WITHHELD' THEN e.tonnes
                                   WHEN e.kind IN ('RELEASED', 'WITHDRAWN') THEN -e.tonnes ELSE 0 END)::bigint AS tonnes
FROM allocation_entry e JOIN allocation_plan p ON p.number = e.plan
WHERE (p.number = :chain OR p.follows = :chain) AND e.account = ANY(CAST(:accounts AS text[]))
GROUP BY e.account, e.plan ORDER BY e.account, e.plan
""")

# Also for a province, which sees the tenures of its own firms, and no view of all.
PROVINCES = text("""
SELECT account, coalesce((SELECT t.province FROM account_province t WHERE t.account = a.account AND t.from_day <= :day
                          ORDER BY t.from_day DESC LIMIT 1), substr(account, 2, 2)) AS province
FROM unnest(CAST(:accounts AS text[])) AS a (account)
""")


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan as the registry keeps it, without its lines."""

    number: int
    product: str
    name: str
    kind: str
    share_percent: int | None
    follows: int | None
    province: str | None
    lines: int
    tonnes: int
    state: str
    proposed_by: str
    proposed_at: datetime
    task: str | None
    executed_at: datetime | None
    market_day: date | None

    @property
    def chain(self) -> int:
        """Number of the plan that this one and others change; its own when it is the first."""
        return self.follows or self.number

    @property
    def body(self) -> dict[str, Any]:
        """The plan as callers read it."""
        return {
            "number": self.number,
            "product": self.product,
            "plan": self.name,
            "kind": self.kind,
            "share_percent": self.share_percent,
            "follows": self.follows,
            "province": self.province,
            "lines": self.lines,
            "tonnes": self.tonnes,
            "state": self.state,
            "proposed_by": self.proposed_by,
            "task": self.task,
            "market_day": None if self.market_day is None else self.market_day.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that became of an account's line."""

    plan: int
    account: str
    kind: str
    tonnes: int


def insert(connection: Connection, plan: Plan, *, by: str, at: datetime, chain: int | None) -> int:
    """Keep a proposed plan with its lines; return its number."""
    number = counters.take(connection, "allocation_plan")
    row = {
        "number": number,
        "product": plan.vintage.product,
        "name": plan.name,
        "kind": plan.kind,
        "share": plan.share_percent,
        "follows": chain,
        "province": plan.province,
        "lines": len(plan.lines),
        "tonnes": plan.stated,
        "by": by,
        "at": at,
    }
    connection.execute(INSERT, row)
    with driver_of(connection).cursor() as cursor, cursor.copy(COPY_LINES) as copy:
        for line in plan.lines:
            copy.write_row((number, line.number, line.account, line.tonnes, line.withheld))
    return number


def set_task(connection: Connection, number: int, task: str) -> None:
    """Note which task decides the plan."""
    connection.execute(SET_TASK, {"number": number, "task": task})


def finish(connection: Connection, number: int, state: str, *, at: datetime | None, day: date | None) -> None:
    """Note that the plan was carried out, or turned down."""
    connection.execute(FINISH, {"number": number, "state": state, "at": at, "day": day})


def find(connection: Connection, number: int) -> Kept | None:
    """Return a plan without its lines."""
    row = connection.execute(FIND, {"number": number}).mappings().first()
    return Kept(**row) if row is not None else None


def load(connection: Connection, kept: Kept) -> Plan:
    """Return a plan with its lines, to be carried out."""
    lines = tuple(Line(*row) for row in connection.execute(LINES, {"number": kept.number}))
    return Plan(
        vintage=Vintage.of_product(kept.product),
        name=kept.name,
        lines=lines,
        kind=kept.kind,
        share_percent=kept.share_percent,
        follows=kept.follows,
        province=kept.province,
    )


def was_executed(connection: Connection, plan: Plan) -> bool:
    """Tell whether a plan of this name was carried out for the product."""
    found: bool = connection.execute(EXECUTED_NAME, {"product": plan.vintage.product, "name": plan.name}).scalar_one()
    return found


def allocated(connection: Connection, product: str) -> int:
    """Return what plans have given of a product, less what came back."""
    found: int = connection.execute(ALLOCATED, {"product": product}).scalar_one()
    return found


def standing(connection: Connection, chain: int, accounts: Collection[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return what a chain of plans has granted each of the accounts so far, and what of it is withheld."""
    rows = connection.execute(STANDING, {"chain": chain, "accounts": list(accounts)}).all()
    return {row.account: row.granted for row in rows}, {row.account: row.withheld for row in rows if row.withheld}


def withheld(connection: Connection, number: int) -> dict[str, int]:
    """Return what is withheld under one plan, by account."""
    rows = connection.execute(WITHHELD, {"number": number})
    return {account: tonnes for account, tonnes in rows if tonnes}


def withheld_in_chain(connection: Connection, chain: int, accounts: Collection[str]) -> list[Entry]:
    """Return what is withheld for the accounts by each plan of a chain, oldest plan first."""
    rows = connection.execute(WITHHELD_IN_CHAIN, {"chain": chain, "accounts": list(accounts)})
    return [Entry(row.plan, row.account, "WITHHELD", row.tonnes) for row in rows if row.tonnes]


def insert_entries(
    connection: Connection, entries: Iterable[Entry], *, cause: int, reference: str, at: datetime
) -> None:
    """Write what became of lines."""
    with driver_of(connection).cursor() as cursor, cursor.copy(COPY_ENTRIES) as copy:
        for entry in entries:
            copy.write_row((entry.plan, entry.account, entry.kind, entry.tonnes, cause, reference, at))


def provinces(connection: Connection, accounts: Collection[str], day: date) -> Mapping[str, str]:
    """Return which province answers for each of the accounts on a day."""
    rows = connection.execute(PROVINCES, {"accounts": list(accounts), "day": day})
    return {row.account: row.province for row in rows}


LIST = text("""
SELECT number, product, name, kind, share_percent, follows, province, lines, tonnes, state, proposed_by, proposed_at,
       task::text, executed_at, market_day
FROM allocation_plan WHERE number > :after ORDER BY number LIMIT :limit
""")

PAGE_OF_LINES = text("""
SELECT l.line, l.account, l.tonnes, l.withheld AS withheld_because, coalesce(
    (SELECT jsonb_object_agg(kind, tonnes) FROM (
        SELECT lower(e.kind) AS kind, sum(e.tonnes) AS tonnes FROM allocation_entry e
        WHERE e.plan = l.plan AND e.account = l.account GROUP BY e.kind) AS sums), '{}') AS done
FROM allocation_line l WHERE l.plan = :number AND l.line > :after ORDER BY l.line LIMIT :limit
""")

TOTALS = text("""
WITH firms AS (
    SELECT l.account, l.tonnes, coalesce(
        (SELECT t.province FROM account_province t WHERE t.account = l.account AND t.from_day <= :day
         ORDER BY t.from_day DESC LIMIT 1), substr(l.account, 2, 2)) AS province
    FROM allocation_line l WHERE l.plan = :number),
entries AS (
    SELECT account, kind, tonnes, plan = :number AS own, cause = :number AS made
    FROM (SELECT * FROM allocation_entry WHERE plan = :number
          UNION ALL SELECT * FROM allocation_entry WHERE cause = :number AND cause <> plan) AS both_ways),
done AS (
    SELECT account, sum(tonnes) FILTER (WHERE kind = 'ALLOCATED') AS allocated,
           sum(tonnes) FILTER (WHERE kind = 'WITHHELD') AS withheld,
           sum(tonnes) FILTER (WHERE kind = 'DEDUCTED') AS deducted,
           sum(tonnes) FILTER (WHERE kind = 'TAKEN_BACK') AS taken_back,
           sum(tonnes) FILTER (WHERE kind = 'WITHDRAWN' AND made) AS withdrawn,
           sum(tonnes) FILTER (WHERE kind = 'OWED') AS owed,
           sum(CASE WHEN kind = 'WITHHELD' THEN tonnes
                    WHEN own AND kind IN ('RELEASED', 'WITHDRAWN') THEN -tonnes ELSE 0 END) AS waiting
    FROM entries GROUP BY account)
SELECT f.province, count(*) AS lines, sum(f.tonnes)::bigint AS tonnes,
       coalesce(sum(d.allocated), 0)::bigint AS allocated, coalesce(sum(d.withheld), 0)::bigint AS withheld,
       coalesce(sum(d.waiting), 0)::bigint AS waiting, coalesce(sum(d.deducted), 0)::bigint AS deducted,
       coalesce(sum(d.taken_back), 0)::bigint AS taken_back, coalesce(sum(d.withdrawn), 0)::bigint AS withdrawn,
       coalesce(sum(d.owed), 0)::bigint AS owed
FROM firms f LEFT JOIN done d USING (account) GROUP BY f.province ORDER BY f.province
""")


def page(connection: Connection, *, after: int, limit: int) -> list[Kept]:
    """Return plans in the order of their numbers."""
    return [Kept(**row) for row in connection.execute(LIST, {"after": after, "limit": limit}).mappings()]


def page_of_lines(connection: Connection, number: int, *, after: int, limit: int) -> Sequence[dict[str, Any]]:
    """Return lines of a plan with what became of each, in the order of the upload."""
    asked = {"number": number, "after": after, "limit": limit}
    return [dict(row) for row in connection.execute(PAGE_OF_LINES, asked).mappings()]


def totals(connection: Connection, number: int, day: date) -> list[dict[str, Any]]:
    """Return what a plan states and what became of it, by the province that answers on a day."""
    return [dict(row) for row in connection.execute(TOTALS, {"number": number, "day": day}).mappings()]
