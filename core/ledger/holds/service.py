"""Amounts set aside until something outside is decided: posted (whole or in part), voided, or over in time.

Everybody locks in the same order: balances, then holds, then the chain's counter. So whoever comes second to a hold
waits for its balances and then finds it resolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection

from core.clock.rules import market_day as market_day_of
from core.ledger import store as ledger
from core.ledger.holds import store
from core.ledger.holds.rules import EXPIRED, VOIDED, End, Hold, give_back, post, refuse_posting
from core.ledger.rules import Place, Transfer, is_amount, refuse_shortage
from core.refusals import Reason, Refused


def hold(connection: Connection, wanted: Hold) -> Hold | Refused:
    """Set an amount aside that is available.

    The same id with the same content again is the same hold, however it stands by now; with other content it is
    refused.
    """
    if not is_amount(wanted.amount):
        return Refused(Reason.QUANTITY_INVALID)
    balances = ledger.lock_balances(connection, [wanted.source, wanted.held])
    known = store.find(connection, wanted.id)
    if known is not None:
        return known if known.is_same_as(wanted) else Refused(Reason.HOLD_TAKEN, wanted.id)
    refused = refuse_shortage(balances, {wanted.source: -wanted.amount})
    if refused is not None:
        return refused
    ledger.post(connection, [wanted.booking], market_day=wanted.market_day)
    store.insert(connection, wanted)
    return wanted


def post_hold(
    connection: Connection,
    hold_id: str,
    to: Place,
    amount: int | None = None,
    *,
    now: datetime,
    kind: str | None = None,
    linked: Sequence[Transfer] = (),
) -> Hold | Refused:
    """Take what is set aside on to where it was meant for, all of it or ``amount``; the rest goes back.

    ``kind`` is the type of the transfer, the hold's own where it is not said. What is ``linked`` is booked with it or
    not at all.
    """
    places = [place for transfer in linked for place in (transfer.debit, transfer.credit)]
    found = _lock(connection, hold_id, to, *places)
    if isinstance(found, Refused):
        return found
    posted = found.amount if amount is None else amount
    refused = refuse_posting(found, posted, now)
    if refused is not None:
        return refused
    return _resolve(connection, [post(found, to, posted, kind=kind)], now, linked)[0]


def void_hold(connection: Connection, hold_id: str, *, now: datetime) -> Hold | Refused:
    """Give back what is set aside."""
    found = _lock(connection, hold_id)
    return found if isinstance(found, Refused) else _resolve(connection, [give_back(found, VOIDED)], now)[0]


def expire_holds(connection: Connection, now: datetime, limit: int = store.BATCH_MAX) -> list[Hold]:
    """Give back what is over in time, as one batch; return those holds. Twice changes nothing more."""
    return _expire(connection, store.due(connection, now, limit), now)


def expire_hold(connection: Connection, hold_id: str, now: datetime) -> Hold | None:
    """Give back one hold that is over in time; None when it is not, or was resolved by somebody else."""
    known = store.find(connection, hold_id)
    if known is None or known.expires_at is None or known.expires_at > now:
        return None
    return next(iter(_expire(connection, [hold_id], now)), None)


def _expire(connection: Connection, hold_ids: Sequence[str], now: datetime) -> list[Hold]:
    found = store.find_all(connection, hold_ids)
    ledger.lock_balances(connection, [place for over in found for place in (over.source, over.held)])
    taken = store.take(connection, [over.id for over in found])
    return _resolve(connection, [give_back(over, EXPIRED) for over in found if over.id in taken], now)


def _lock(connection: Connection, hold_id: str, *others: Place) -> Hold | Refused:
    """Take a hold for this transaction, its balances first; Refused when there is none or it is resolved."""
    found = store.find(connection, hold_id)
    if found is None:
        return Refused(Reason.HOLD_UNKNOWN, hold_id)
    ledger.lock_balances(connection, [found.source, found.held, *others], create=bool(others))
    if not store.take(connection, [hold_id]):
        ended = store.find(connection, hold_id) or found
        return Refused(Reason.HOLD_RESOLVED, f"{hold_id} is {ended.state} since {ended.resolved_on}.")
    return found


def _resolve(connection: Connection, ends: Sequence[End], now: datetime, linked: Sequence[Transfer] = ()) -> list[Hold]:
    """Book how holds end, of which the caller has the rows, and note it in them."""
    if not ends:
        return []
    day = market_day_of(now)
    ledger.post(connection, [*(one for end in ends for one in end.transfers), *linked], market_day=day)
    store.resolve(connection, ends, day)
    return [replace(end.hold, state=end.state, posted=end.posted, resolved_on=day) for end in ends]


def take_back(
    connection: Connection, hold_id: str, *, reference: str, kind: str, market_day: date
) -> list[Transfer] | Refused:
    """Take back, once, what a hold was posted for: by linked entries it returns to where it was set aside from."""
    found = store.find(connection, hold_id)
    if found is None or not found.posted:
        return Refused(Reason.HOLD_UNKNOWN, hold_id)
    back = Transfer(f"{reference}/{hold_id}", found.held, found.source, found.posted, kind, reference)
    return ledger.reverse(
        connection,
        [f"hold-post:{hold_id}"],
        id_of=lambda transfer: f"{reference}/{transfer}",
        kind=kind,
        reference=reference,
        market_day=market_day,
        linked=[back],
    )
