"""Puts a statement together from both accountings."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from core.accounts.rights import visible
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import statements as ledger
from core.refusals import Reason, Refused
from core.statements.rules import Balance, Booking, Serials, Statement
from core.units.history import store as units

BOOKINGS_MAX = 50_000
"""More in one day is no account of a subject."""


def build(connection: Connection, caller: Caller, number: str, day: date) -> Statement | Refused:
    """Build the statement of an account for a day that has begun; of today it says what is booked so far."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    today = market_day(clock.now(connection))
    if day > today:
        return Refused(Reason.MALFORMED, f"day: {today} is the newest there can be a statement of.")
    balances, bookings = _booked(connection, number, day)
    serials = [
        Serials(f"{s.vintage.product}-{s.first:012d}", f"{s.vintage.product}-{s.last:012d}", s.tonnes)
        for s in units.held_on(connection, number, day)
    ]
    return Statement(number, account.name, day, balances, bookings, serials)


def _booked(connection: Connection, number: str, day: date) -> tuple[list[Balance], list[Booking]]:
    opening = ledger.opening(connection, number, day)
    running = dict(opening)
    bookings = []
    for leg in ledger.legs(connection, number, day, limit=BOOKINGS_MAX):
        place = (leg.asset, leg.bucket)
        running[place] += leg.change
        bookings.append(
            Booking(
                place=f"{leg.batch}-{leg.position}",
                type=leg.type,
                asset=leg.asset,
                bucket=leg.bucket,
                change=leg.change,
                balance=running[place],
                other=leg.other,
                reference=leg.reference,
            )
        )
    touched = {(booked.asset, booked.bucket) for booked in bookings}
    shown = [place for place in sorted(opening) if opening[place] or running[place] or place in touched]
    return [Balance(*place, opening[place], running[place]) for place in shown], bookings
