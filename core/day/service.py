"""Opens market days for operators, and shows how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.audit import store as audit
from core.callers import Caller
from core.day import opening, store
from core.day.rulebook import starting_closes
from core.day.rules import UNTRADED, Opening, State, read_opening, refuse_opening
from core.exchange import store as exchange
from core.exchange.rules import Totals
from core.parameters import service as parameters
from core.quantities import Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units


def open_day(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Open a trading day: freeze the opening data and have them sent to the exchange.

    Days follow one another: a day opened earlier that has seen no trade makes way, any other must be over.
    """
    asked = read_opening(body)
    if isinstance(asked, Refused):
        return asked
    last = store.newest(connection, hold=True)
    parameters.hold(connection)  # the day's rules are read and fixed in one go
    asked = _under_rules(connection, asked)
    if isinstance(asked, Refused):
        return asked
    refused = None if last is None else _in_the_way(connection, last, asked.day)
    if refused is not None:
        return refused
    if last is not None and _makes_way(connection, last):
        store.move(
            connection,
            last.day,
            before=last.state,
            after=State.HALTED,
            worker=caller.name,
            detail=f"gave way to {asked.day} before any trade",
        )
    data = opening.open_first(connection, asked, worker=caller.name)
    audit.record(connection, caller=caller.name, action="open_day", subject=str(asked.day), detail=dict(body))
    answer = {"day": asked.day.isoformat(), "state": State.OPENING_SENT, "version": data.version, "hash": data.hash}
    return Answer(201, answer | {"positions": len(data.positions), "totals": data.totals})


def _under_rules(connection: Connection, asked: Opening) -> Opening | Refused:
    """Hold the request against the rules of its day, and fill in the products where it names none."""
    rules = parameters.market_rules(connection, asked.day)
    refused = refuse_opening(asked, rules)
    if refused is not None:
        return refused
    for product in asked.previous_close_fen:
        if units.issued(connection, Vintage.of_product(product)) == 0:
            return Refused(Reason.PRODUCT_UNKNOWN, f"Of {product} nothing was ever issued.")
    closes = asked.previous_close_fen or starting_closes(connection, rules)
    if not closes:
        return Refused(Reason.PRODUCT_UNKNOWN, f"No product in force on {asked.day} is issued and has a price yet.")
    return replace(asked, previous_close_fen=closes)


def _in_the_way(connection: Connection, last: store.Day, day: date) -> Refused | None:
    if last.day == day:
        return Refused(Reason.DAY_EXISTS, f"It is {last.state}.")
    if last.day > day:
        return Refused(Reason.DAY_NOT_READY, f"{last.day} was opened after it; days are not opened backwards.")
    given_up = last.state is State.HALTED and not last.breaks and not store.traded(connection, last.day)
    if last.state is State.REPORTED or given_up or _makes_way(connection, last):
        return None
    return Refused(Reason.DAY_NOT_READY, f"{last.day} is {last.state} and has to end first.")


def _makes_way(connection: Connection, last: store.Day) -> bool:
    return last.state in UNTRADED and not store.traded(connection, last.day)


def show(connection: Connection, day: date) -> dict[str, Any] | None:
    """Return how far a day is, with its events, its intake, its breaks and its seal; None when there is none."""
    found = store.find(connection, day)
    if found is None:
        return None
    accepted, refused = store.count_trades(connection, day)
    totals = exchange.running(connection, day) or Totals()
    marker = exchange.marker(connection, day)
    version, hashed = store.latest_opening(connection, day)
    return {
        "day": day.isoformat(),
        "state": found.state,
        "changed_at": found.changed_at.isoformat(),
        "products": [asdict(product) for product in store.products(connection, day)],
        "opening": {"version": version, "hash": hashed},
        "intake": {
            "received": accepted + refused,
            "accepted": accepted,
            "refused": refused,
            "next_seq": totals.last_seq + 1,
            "hash": totals.sha256_hex,
            "totals": totals.as_json(),
            "marker": None if marker is None else marker.as_json(),
            "quarantined": exchange.quarantined(connection, day),
        },
        "events": store.events(connection, day),
        "breaks": found.breaks,
        "seal": found.seal,
        "cumulative_before_t": found.cumulative_t,
        "cumulative_before_fen": found.cumulative_fen,
    }
