"""The tables of deductions: what a shortfall, or units that could not be taken back, cost the next allocations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.clock import store as clock

INSERT = text("""
INSERT INTO allocation_deduction (account, tonnes, reason, reference, at)
VALUES (:account, :tonnes, :reason, :reference, :at)
ON CONFLICT (account, reference) DO NOTHING RETURNING id
""")

KNOWN = text("SELECT id, tonnes FROM allocation_deduction WHERE account = :account AND reference = :reference")

# One writer at a time works deductions off; every plan in execution takes this lock first of all.
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('allocation', 0))")

OPEN = text("""
SELECT d.id, d.account, d.tonnes - coalesce(sum(u.tonnes), 0)::bigint AS tonnes
FROM allocation_deduction d LEFT JOIN allocation_deduction_use u ON u.deduction = d.id
WHERE d.account = ANY(CAST(:accounts AS text[]))
GROUP BY d.id HAVING d.tonnes > coalesce(sum(u.tonnes), 0) ORDER BY d.id
""")

USE = text("""
INSERT INTO allocation_deduction_use (deduction, plan, tonnes, reason, at)
SELECT deduction, :plan, tonnes, :reason, :at
FROM unnest(CAST(:deductions AS bigint[]), CAST(:tonnes AS bigint[])) AS u (deduction, tonnes)
""")

HISTORY = text("""
SELECT d.id, d.tonnes, d.reason, d.reference, d.at, coalesce(
    (SELECT jsonb_agg(jsonb_build_object('plan', u.plan, 'tonnes', u.tonnes, 'reason', u.reason, 'at', u.at)
                      ORDER BY u.at, u.plan)
     FROM allocation_deduction_use u WHERE u.deduction = d.id), '[]') AS uses
FROM allocation_deduction d WHERE d.account = :account AND d.id > :after ORDER BY d.id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Deduction:
    """What is still to be worked off of one deduction."""

    id: int
    account: str
    tonnes: int


def add(connection: Connection, account: str, tonnes: int, reason: str, reference: str) -> int:
    """Write that the account's next allocations are less by these tonnes; return the deduction's id.

    The same reference again is the same deduction; with other tonnes it is a fault.
    """
    row = {"account": account, "tonnes": tonnes, "reason": reason, "reference": reference}
    made: int | None = connection.execute(INSERT, row | {"at": clock.now(connection)}).scalar()
    if made is not None:
        return made
    known, before = connection.execute(KNOWN, {"account": account, "reference": reference}).one()
    if before != tonnes:
        raise ValueError(f"deduction {reference} of {account} is {before} t already, not {tonnes} t")
    return int(known)


def lock(connection: Connection) -> None:
    """Let nobody else carry out a plan or work off a deduction until this transaction ends."""
    connection.execute(LOCK)


def open_of(connection: Connection, accounts: Collection[str]) -> list[Deduction]:
    """Return what is still to be worked off for these accounts, oldest first."""
    return [Deduction(*row) for row in connection.execute(OPEN, {"accounts": list(accounts)})]


def use(connection: Connection, deducted: Mapping[str, int], *, plan: int, reason: str) -> None:
    """Work off, oldest first, what a plan gives less to each of these accounts."""
    left, uses = dict(deducted), list[tuple[int, int]]()
    for found in open_of(connection, list(deducted)):
        tonnes = min(found.tonnes, left[found.account])
        if tonnes:
            left[found.account] -= tonnes
            uses.append((found.id, tonnes))
    if any(left.values()):
        raise RuntimeError(f"plan {plan} deducts more than is open")
    _write(connection, uses, plan, reason)


def history(connection: Connection, account: str, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Return the account's deductions with how each was worked off, oldest first."""
    rows = connection.execute(HISTORY, {"account": account, "after": after, "limit": limit}).mappings()
    return [{**row, "at": _written(row["at"])} for row in rows]


def _written(at: datetime) -> str:
    return at.isoformat()


def _write(connection: Connection, uses: Sequence[tuple[int, int]], plan: int, reason: str) -> None:
    if uses:
        columns = {"deductions": [number for number, _ in uses], "tonnes": [tonnes for _, tonnes in uses]}
        connection.execute(USE, columns | {"plan": plan, "reason": reason, "at": clock.now(connection)})
