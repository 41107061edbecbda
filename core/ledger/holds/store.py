"""The table of holds, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, text

from core.ledger.holds.rules import End, Hold
from core.ledger.rules import Place

BATCH_MAX = 500
"""Holds that expire in one transaction."""

_HOLDS = """
SELECT h.id, h.amount, h.expires_at, h.reference, h.market_day, h.kind, h.state, h.posted, h.resolved_on, s.owner,
       s.asset, s.bucket AS source, b.bucket
FROM ledger_hold h
JOIN ledger_account s ON s.id = h.source
JOIN ledger_account b ON b.id = h.held
"""

FIND = text(f"{_HOLDS} WHERE h.id = ANY(CAST(:ids AS text[])) ORDER BY h.id")
PENDING_OF = text(f"{_HOLDS} WHERE h.state = 'PENDING' AND b.owner = :owner ORDER BY h.id")
DUE = text("""
SELECT id FROM ledger_hold WHERE state = 'PENDING' AND expires_at <= :now ORDER BY expires_at, id LIMIT :limit
""")

INSERT = text("""
INSERT INTO ledger_hold (id, source, held, amount, expires_at, reference, market_day, kind, booked)
SELECT :id, s.id, b.id, :amount, :expires_at, :reference, :market_day, :kind, :booked
FROM ledger_account s
JOIN ledger_account b ON b.owner = s.owner AND b.asset = s.asset AND b.bucket = :bucket
WHERE s.owner = :owner AND s.asset = :asset AND s.bucket = :source
""")

ADOPT = text("""
INSERT INTO ledger_hold (id, source, held, amount, reference, market_day, kind, booked)
SELECT id, debit, credit, amount, reference, market_day, :kind, id FROM transfer WHERE id = :id
ON CONFLICT DO NOTHING
""")

TAKE = text("""
SELECT id FROM ledger_hold WHERE id = ANY(CAST(:ids AS text[])) AND state = 'PENDING' ORDER BY id FOR UPDATE
""")

RESOLVE = text("""
UPDATE ledger_hold h SET state = r.state, posted = r.posted, posted_by = r.posted_by, voided_by = r.voided_by,
       resolved_on = :resolved_on
FROM unnest(CAST(:ids AS text[]), CAST(:states AS text[]), CAST(:posted AS bigint[]), CAST(:posted_by AS text[]),
            CAST(:voided_by AS text[])) AS r (id, state, posted, posted_by, voided_by)
WHERE h.id = r.id
""")

SHORT = text("""
SELECT a.owner, a.asset, a.bucket
FROM (SELECT held, sum(amount) AS pending FROM ledger_hold WHERE state = 'PENDING' GROUP BY held) AS h
JOIN ledger_account a ON a.id = h.held
WHERE a.balance < h.pending ORDER BY a.id
""")


def find(connection: Connection, hold_id: str) -> Hold | None:
    """Return a hold, resolved or not."""
    return next(iter(find_all(connection, [hold_id])), None)


def find_all(connection: Connection, hold_ids: Sequence[str]) -> list[Hold]:
    """Return those of the holds that there are, resolved or not."""
    return [_hold(row) for row in connection.execute(FIND, {"ids": list(hold_ids)}).mappings()]


def pending(connection: Connection, owner: str) -> list[Hold]:
    """Return the owner's holds that are not resolved."""
    return [_hold(row) for row in connection.execute(PENDING_OF, {"owner": owner}).mappings()]


def due(connection: Connection, now: datetime, limit: int = BATCH_MAX) -> list[str]:
    """Return holds that are over in time and not resolved, oldest first."""
    return list(connection.execute(DUE, {"now": now, "limit": limit}).scalars())


def short(connection: Connection) -> list[Place]:
    """Name where less is set aside than holds say: somebody took what was not his to take."""
    return [Place(*row) for row in connection.execute(SHORT)]


def insert(connection: Connection, made: Hold) -> None:
    """Keep a hold whose transfer is booked."""
    source = made.source
    row = {"id": made.id, "owner": source.owner, "asset": source.asset, "source": source.bucket, "bucket": made.bucket}
    facts = {name: getattr(made, name) for name in ("amount", "expires_at", "reference", "market_day", "kind")}
    connection.execute(INSERT, row | facts | {"booked": made.booking.id})


def adopt(connection: Connection, hold_id: str, kind: str) -> None:
    """Keep as a hold what a transfer of this id set aside before holds were kept; nothing where it is known."""
    connection.execute(ADOPT, {"id": hold_id, "kind": kind})


def take(connection: Connection, hold_ids: Sequence[str]) -> set[str]:
    """Lock those of the holds that are not resolved, and name them."""
    return set(connection.execute(TAKE, {"ids": list(hold_ids)}).scalars())


def resolve(connection: Connection, ends: Sequence[End], day: date) -> None:
    """Note how holds ended."""
    rows = {
        "ids": [end.hold.id for end in ends],
        "states": [end.state for end in ends],
        "posted": [end.posted for end in ends],
        "posted_by": [end.on.id if end.on is not None else None for end in ends],
        "voided_by": [end.back.id if end.back is not None else None for end in ends],
    }
    connection.execute(RESOLVE, rows | {"resolved_on": day})


def _hold(row: RowMapping) -> Hold:
    facts = dict(row)
    source = Place(facts.pop("owner"), facts.pop("asset"), facts.pop("source"))
    return Hold(source=source, **facts)
