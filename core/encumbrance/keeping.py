"""Keeps freezes as the court ordered while time passes: what comes is held by rank, what is over is let go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts_store
from core.audit import store as audit
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.encumbrance import restricting, store
from core.encumbrance.booking import Booking, enter
from core.encumbrance.endings import release
from core.encumbrance.rules import IN_FORCE, name_of, number_of

FILL, LAPSE = "fill", "lapse"


def due(connection: Connection) -> list[str]:
    """Name what ``do`` has to do now; a question that is asked many times a second."""
    over = store.lapsed(connection, market_day(clock.now(connection)))
    fills = [f"{FILL} {account} {asset}" for account, asset in _fillable(connection)]
    return [f"{LAPSE} {name_of(number)}" for number in over] + fills


def do(connection: Connection, worker: Caller, item: str) -> bool:
    """Let a freeze go whose term is over, or hold what freezes wait for; False when it was done meanwhile."""
    kind, _, about = item.partition(" ")
    if kind == LAPSE:
        return _lapse(connection, worker, number_of(about) or 0)
    account, _, asset = about.partition(" ")
    return _fill(connection, worker, account, asset)


def fill_all(connection: Connection, worker: Caller) -> int:
    """Hold what freezes wait for, wherever it is available and not with a trading exchange."""
    return sum(_fill(connection, worker, account, asset) for account, asset in _fillable(connection))


def _fillable(connection: Connection) -> list[tuple[str, str]]:
    found = store.fillable(connection)
    return [(account, asset) for account, asset in found if not accounts_store.may_be_sold(connection, account)]


def _fill(connection: Connection, worker: Caller, account: str, asset: str) -> bool:
    booking = _booking(connection, worker, f"{account} {asset}")
    amount = booking.give_free(enter(connection, account, asset))
    if not amount:
        return False
    booking.write(connection)
    _record(connection, worker, "fill freeze", account, {"asset": asset, "amount": amount})
    return True


def _lapse(connection: Connection, worker: Caller, number: int) -> bool:
    seen = store.find(connection, number)
    if seen is None:
        return False
    ground = enter(connection, seen.account, seen.asset) if seen.asset is not None else None
    one = store.find(connection, number)
    if one is None or one.state not in IN_FORCE:
        return False  # another worker was first
    if ground is None and restricting.lift(connection, worker, one, task=None) is not None:
        return False  # the account is being changed otherwise: tried again
    booking = _booking(connection, worker, one.name)
    release(booking, one, ground, one.outstanding, action="LAPSED")
    booking.write(connection)
    _record(connection, worker, "freeze lapsed", one.account, {"encumbrance": one.name, "released": one.held})
    return True


def _booking(connection: Connection, worker: Caller, reference: str) -> Booking:
    return Booking(market_day(clock.now(connection)), worker.name, reference)


def _record(connection: Connection, worker: Caller, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    audit.record(connection, caller=worker.name, action=action, subject=subject, detail=detail)
