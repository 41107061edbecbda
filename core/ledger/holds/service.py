"""Amounts set aside until something outside is decided: posted (whole or in part), voided, or over in time.

Everybody locks in the same order: balances, then holds, then the chain's counter. So whoever comes second to a hold
waits for its balances and then finds it resolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, text

from core.clock.rules import market_day as market_day_of
from core.ledger import store
from core.ledger.rules import AVAILABLE, HOLD_BUCKETS, Place, Transfer, is_amount, refuse_shortage
from core.refusals import Reason, Refused

PENDING, POSTED, VOIDED, EXPIRED = "PENDING", "POSTED", "VOIDED", "EXPIRED"

GIVEN_BACK = {POSTED: "HOLD_REST", VOIDED: "HOLD_VOID", EXPIRED: "HOLD_EXPIRE"}
"""Type of the transfer that gives back what was not posted."""

BATCH_MAX = 500
"""Holds that expire in one transaction."""

_HOLDS = """
SELECT h.id, h.amount, h.expires_at, h.reference, h.market_day, h.state, h.posted, h.resolved_on, s.owner, s.asset,
       s.bucket AS source, b.bucket
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
INSERT INTO ledger_hold (id, source, held, amount, expires_at, reference, market_day, booked)
SELECT :id, s.id, b.id, :amount, :expires_at, :reference, :market_day, :booked
FROM ledger_account s
JOIN ledger_account b ON b.owner = s.owner AND b.asset = s.asset AND b.bucket = :bucket
WHERE s.owner = :owner AND s.asset = :asset AND s.bucket = :source
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


@dataclass(frozen=True, slots=True)
class Hold:
    """An amount set aside, and how it ended if it did."""

    id: str
    source: Place
    bucket: str
    amount: int
    expires_at: datetime | None
    """Business time from which it can no longer be posted; None: never."""
    reference: str
    market_day: date
    state: str = PENDING
    posted: int = 0
    resolved_on: date | None = None

    @property
    def held(self) -> Place:
        """Where it is set aside."""
        return Place(self.source.owner, self.source.asset, self.bucket)


def find(connection: Connection, hold_id: str) -> Hold | None:
    """Return a hold, resolved or not."""
    return next(iter(_find(connection, [hold_id])), None)


def pending(connection: Connection, owner: str) -> list[Hold]:
    """Return the owner's holds that are not resolved."""
    return [_hold(row) for row in connection.execute(PENDING_OF, {"owner": owner}).mappings()]


def short(connection: Connection) -> list[Place]:
    """Name where less is set aside than holds say: somebody took what was not his to take."""
    return [Place(*row) for row in connection.execute(SHORT)]


def _find(connection: Connection, hold_ids: Sequence[str]) -> list[Hold]:
    return [_hold(row) for row in connection.execute(FIND, {"ids": list(hold_ids)}).mappings()]


def _hold(row: RowMapping) -> Hold:
    facts = dict(row)
    source = Place(facts.pop("owner"), facts.pop("asset"), facts.pop("source"))
    return Hold(source=source, **facts)


def hold(
    connection: Connection,
    hold_id: str,
    source: Place,
    bucket: str,
    amount: int,
    expires_at: datetime | None,
    reference: str,
    market_day: date,
) -> Hold | Refused:
    """Set an amount aside that is available.

    The same id with the same content again is the same hold, however it stands by now; with other content it is
    refused.
    """
    if bucket not in HOLD_BUCKETS or source.bucket != AVAILABLE:
        raise ValueError(f"an amount is set aside from what is available, got {source} and {bucket}")
    if not is_amount(amount):
        return Refused(Reason.QUANTITY_INVALID)
    made = Hold(hold_id, source, bucket, amount, expires_at, reference, market_day)
    balances = store.lock_balances(connection, [source, made.held])
    known = find(connection, hold_id)
    if known is not None:
        same = replace(known, state=PENDING, posted=0, resolved_on=None, market_day=market_day) == made
        return known if same else Refused(Reason.HOLD_TAKEN, hold_id)
    refused = refuse_shortage(balances, {source: -amount})
    if refused is not None:
        return refused
    booked = Transfer(f"hold:{hold_id}", source, made.held, amount, "HOLD", reference)
    store.post(connection, [booked], market_day=market_day)
    row = {"id": hold_id, "owner": source.owner, "asset": source.asset, "source": source.bucket, "bucket": bucket}
    facts = {"amount": amount, "expires_at": expires_at, "reference": reference, "market_day": market_day}
    connection.execute(INSERT, row | facts | {"booked": booked.id})
    return made


def post_hold(
    connection: Connection, hold_id: str, to: Place, amount: int | None = None, *, now: datetime
) -> Hold | Refused:
    """Take what is set aside on to where it was meant for, all of it or ``amount``; the rest goes back."""
    found = _lock(connection, hold_id, to)
    if isinstance(found, Refused):
        return found
    if found.expires_at is not None and found.expires_at <= now:
        return Refused(Reason.HOLD_EXPIRED, f"{hold_id} was over at {found.expires_at.isoformat()}.")
    posted = found.amount if amount is None else amount
    if not is_amount(posted) or posted > found.amount:
        return Refused(Reason.QUANTITY_INVALID, f"1 to {found.amount}.")
    return _resolve(connection, [(found, posted, POSTED)], to, now)[0]


def void_hold(connection: Connection, hold_id: str, *, now: datetime) -> Hold | Refused:
    """Give back what is set aside."""
    found = _lock(connection, hold_id)
    return found if isinstance(found, Refused) else _resolve(connection, [(found, 0, VOIDED)], None, now)[0]


def due(connection: Connection, now: datetime, limit: int = BATCH_MAX) -> list[str]:
    """Return holds that are over in time and not resolved, oldest first."""
    return list(connection.execute(DUE, {"now": now, "limit": limit}).scalars())


def expire_holds(connection: Connection, now: datetime, limit: int = BATCH_MAX) -> list[Hold]:
    """Give back what is over in time, as one batch; return those holds. Twice changes nothing more."""
    return _expire(connection, due(connection, now, limit), now)


def expire_hold(connection: Connection, hold_id: str, now: datetime) -> Hold | None:
    """Give back one hold that is over in time; None when it is not, or was resolved by somebody else."""
    known = find(connection, hold_id)
    if known is None or known.expires_at is None or known.expires_at > now:
        return None
    return next(iter(_expire(connection, [hold_id], now)), None)


def _expire(connection: Connection, hold_ids: Sequence[str], now: datetime) -> list[Hold]:
    found = _find(connection, hold_ids)
    store.lock_balances(connection, [place for over in found for place in (over.source, over.held)])
    taken = set(connection.execute(TAKE, {"ids": [over.id for over in found]}).scalars())
    return _resolve(connection, [(over, 0, EXPIRED) for over in found if over.id in taken], None, now)


def _lock(connection: Connection, hold_id: str, *others: Place) -> Hold | Refused:
    """Take a hold for this transaction, its balances first; Refused when there is none or it is resolved."""
    found = find(connection, hold_id)
    if found is None:
        return Refused(Reason.HOLD_UNKNOWN, hold_id)
    store.lock_balances(connection, [found.source, found.held, *others], create=bool(others))
    if connection.execute(TAKE, {"ids": [hold_id]}).first() is None:
        ended = find(connection, hold_id) or found
        return Refused(Reason.HOLD_RESOLVED, f"{hold_id} is {ended.state} since {ended.resolved_on}.")
    return found


def _resolve(
    connection: Connection, ends: Sequence[tuple[Hold, int, str]], to: Place | None, now: datetime
) -> list[Hold]:
    """Book how holds end, of which the caller has the rows, and note it in them."""
    if not ends:
        return []
    day = market_day_of(now)
    transfers: list[Transfer] = []
    rows: dict[str, list[object]] = {"ids": [], "states": [], "posted": [], "posted_by": [], "voided_by": []}
    for found, posted, state in ends:
        rest = found.amount - posted
        on = f"hold-post:{found.id}" if posted else None
        back = f"hold-void:{found.id}" if rest else None
        if on is not None and to is not None:
            transfers.append(Transfer(on, found.held, to, posted, "HOLD_POST", found.reference))
        if back is not None:
            transfers.append(Transfer(back, found.held, found.source, rest, GIVEN_BACK[state], found.reference))
        for name, value in zip(rows, (found.id, state, posted, on, back), strict=True):
            rows[name].append(value)
    store.post(connection, transfers, market_day=day)
    connection.execute(RESOLVE, rows | {"resolved_on": day})
    return [replace(found, state=state, posted=posted, resolved_on=day) for found, posted, state in ends]
