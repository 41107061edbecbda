"""What one owner's ledger accounts did on one market day: opening balances and each transfer that touched them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

# First all rows of the owner, by their index, then the day: left to choose, the planner walks the whole ledger.
OWN_LEGS = """
WITH own AS MATERIALIZED (SELECT id, asset, bucket FROM ledger_account WHERE owner = :owner),
touched AS MATERIALIZED (
    SELECT * FROM transfer
    WHERE ARRAY[debit, credit] && (SELECT array_agg(id) FROM own) AND market_day <= :day),
leg AS (
    SELECT t.batch, t.position, t.id, t.type, t.reference, t.market_day, o.asset, o.bucket, -t.amount AS change,
           t.credit AS other
    FROM touched t JOIN own o ON o.id = t.debit
    UNION ALL
    SELECT t.batch, t.position, t.id, t.type, t.reference, t.market_day, o.asset, o.bucket, t.amount, t.debit
    FROM touched t JOIN own o ON o.id = t.credit)
"""

OPENING = text(f"""
{OWN_LEGS}
SELECT o.asset, o.bucket, coalesce(sum(l.change), 0)::bigint AS amount
FROM own o LEFT JOIN leg l ON (l.asset, l.bucket) = (o.asset, o.bucket) AND l.market_day < :day
GROUP BY o.asset, o.bucket ORDER BY o.asset, o.bucket
""")  # noqa: S608  # the constant above

# An owner that the reader may not see is left unnamed, and the transfer is still there.
LEGS = text(f"""
{OWN_LEGS}
SELECT b.seq AS batch, l.position, l.id, l.type, l.reference, l.asset, l.bucket, l.change,
       coalesce(a.owner, '') AS other
FROM leg l JOIN ledger_batch b USING (batch) LEFT JOIN ledger_account a ON a.id = l.other
WHERE l.market_day = :day
ORDER BY b.seq, l.position, l.change
LIMIT :limit
""")  # noqa: S608  # the constant above


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transfer, as its owner sees it: ``change`` is negative where something left the bucket."""

    batch: int
    position: int
    id: str
    type: str
    reference: str
    asset: str
    bucket: str
    change: int
    other: str
    """The owner on the other side; empty when it may not be named."""


def opening(connection: Connection, owner: str, day: date) -> dict[tuple[str, str], int]:
    """Return what each asset and bucket of the owner held before the day's first transfer."""
    rows = connection.execute(OPENING, {"owner": owner, "day": day})
    return {(asset, bucket): amount for asset, bucket, amount in rows}


def legs(connection: Connection, owner: str, day: date, *, limit: int) -> list[Leg]:
    """Return the owner's legs of the day in the order in which they were booked."""
    rows = connection.execute(LEGS, {"owner": owner, "day": day, "limit": limit}).mappings()
    return [Leg(**row) for row in rows]
