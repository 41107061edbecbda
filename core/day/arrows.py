"""Takes one arrow of a day: asks the other parties first, then moves the day in one guarded transaction.

Whatever is asked outside may be asked again with the same words, so a kill between question and transaction
costs a repeat and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from core.bank.client import BankClient
from core.bank.rules import status_breaks
from core.bank.wire import PaymentOrder, Statement
from core.day import opening, store, transitions
from core.day.counterparty import ExchangeFiles
from core.day.rules import State
from core.db.transaction import Unknown, read, write
from core.exchange import store as exchange
from core.exchange.rules import Totals
from core.ledger.keys import SealingKey
from core.outbox import store as outbox
from core.quantities import CASH, Break
from core.settlement import store as settlement_store
from core.settlement.rules import DisagreementError
from core.settlement.service import BANK_RELEASE

T = TypeVar("T")

REFUSALS_ON_THEIR_WAY_S = 10.0
"""The exchange may not have heard of our last refused trades yet; only a difference that lasts is a break."""
LONG_WORK_S = 120.0
"""Clearing and delivery of a million trades take seconds; the deadline only ends what hangs."""


@dataclass(slots=True)
class Parties:
    """Who a worker is, and whom it speaks to."""

    engine: Engine
    exchange: ExchangeFiles
    banks: Mapping[str, BankClient]
    worker: str
    sealing_key: SealingKey | None = None
    looked_at: dict[date, tuple[Any, ...]] = field(default_factory=dict)
    """What the last look at a closed day was based on: without anything new, adding up again is idle."""


def _write(parties: Parties, work: Callable[[Connection], bool], *, within_s: float = 10.0) -> bool:
    """Run a transition. Unknown counts as moved: the next look at the day's row tells."""
    moved = write(parties.engine, work, within_s=within_s)
    return isinstance(moved, Unknown) or moved


def _read(parties: Parties, work: Callable[[Connection], T], *, within_s: float = 10.0) -> T:
    return read(parties.engine, work, within_s=within_s)


def send_opening(parties: Parties, day: date) -> bool:
    """OPENING_SENT: give the exchange the opening data, and go on when its totals are ours."""
    data = _read(parties, lambda c: opening.latest(c, day))
    closes = {p.product: p.previous_close_fen for p in _read(parties, lambda c: store.products(c, day))}
    answer = parties.exchange.send_opening(data.message(closes))
    breaks = _opening_breaks(data, answer)
    if breaks:
        raise DisagreementError(breaks, opening_version=data.version)
    return _write(
        parties,
        lambda c: transitions.acknowledge_opening(c, day, version=data.version, worker=parties.worker),
    )


def _opening_breaks(data: opening.OpeningData, answer: Mapping[str, Any]) -> list[Break]:
    theirs = answer.get("totals")
    totals: Mapping[str, Any] = theirs if isinstance(theirs, Mapping) else {}
    breaks = [
        Break("total", "exchange", "", asset, data.totals.get(asset, 0), totals.get(asset, 0))
        for asset in sorted({*data.totals, *totals})
        if data.totals.get(asset, 0) != totals.get(asset, 0)
    ]
    named = (answer.get("day"), answer.get("version"), answer.get("accepted"))
    if not breaks and named != (data.day.isoformat(), data.version, True):
        expected = f"{data.day} version {data.version} accepted"
        breaks.append(Break("total", "exchange", "", "", expected, f"{named[0]} version {named[1]}, {named[2]}"))
    return breaks


def tick_clock(parties: Parties, day: date, state: State) -> bool:
    """OPENING_ACKED and TRADING: go on when business time says so."""
    return _write(parties, lambda c: transitions.tick_clock(c, day, state, worker=parties.worker))


def seal(parties: Parties, day: date) -> bool:
    """CLOSED: once the exchange's end marker is there, compare the totals three ways and seal the day."""

    def facts(connection: Connection) -> tuple[Totals | None, Totals | None, int]:
        quarantined = exchange.quarantined(connection, day)
        return exchange.marker(connection, day), exchange.running(connection, day), quarantined

    seen = marker, running, quarantined = _read(parties, facts)
    if marker is None or running is None or parties.looked_at.get(day) == seen:
        return False
    recomputed = _read(parties, lambda c: exchange.recomputed(c, day), within_s=LONG_WORK_S)
    breaks = [
        *_totals_breaks("exchange", running, marker),
        *_totals_breaks("recomputed", running, recomputed),
    ]
    if quarantined:
        breaks.append(Break("trade", "lines", "", "numbers with two bodies", 0, quarantined))
    if breaks:

        def note(connection: Connection) -> bool:
            transitions.note_breaks(connection, day, breaks)
            return False

        _write(parties, note)
        parties.looked_at[day] = seen
        return False
    return _write(parties, lambda c: transitions.seal(c, day, marker=marker, worker=parties.worker))


def _totals_breaks(party: str, ours: Totals, theirs: Totals) -> list[Break]:
    """Compare six control totals one by one, quantities by product."""
    flat = [
        {f"quantity {name}": value for name, value in totals["quantity"].items() if value}
        | {name: value for name, value in totals.items() if name != "quantity"}
        for totals in (ours.as_json(), theirs.as_json())
    ]
    return [
        Break("total", party, "", name, flat[0].get(name, 0), flat[1].get(name, 0))
        for name in sorted({*flat[0], *flat[1]})
        if flat[0].get(name, 0) != flat[1].get(name, 0)
    ]


def clear(parties: Parties, day: date) -> bool:
    """SEALED: work out what everybody owes and is owed."""
    return _write(parties, lambda c: transitions.clear(c, day, worker=parties.worker), within_s=LONG_WORK_S)


def confirm_exchange(parties: Parties, day: date) -> bool:
    """CLEARED: have the exchange compare the result with its own."""
    result = _read(parties, lambda c: settlement_store.clearing_result(c, day), within_s=LONG_WORK_S)
    answer = parties.exchange.send_clearing(result)
    if answer.get("agreed") is not True:
        raise DisagreementError(_exchange_breaks(answer), patience_s=REFUSALS_ON_THEIR_WAY_S, refused_by=["exchange"])
    kept = {"totals": result["totals"], "accounts": len(result["accounts"])}
    return _write(parties, lambda c: transitions.confirm_exchange(c, day, answer=kept, worker=parties.worker))


def _exchange_breaks(answer: Mapping[str, Any]) -> list[Break]:
    """Read the exchange's own list, whatever is missing in it."""
    listed = answer.get("breaks")
    rows = [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []
    breaks = [
        Break(
            str(row.get("level", "total")),
            "exchange",
            str(row.get("account") or ""),
            str(row.get("asset") or ""),
            _plain(row.get("actual")),  # the exchange expects its own figure; in our list it is the other one
            _plain(row.get("expected")),
        )
        for row in rows
    ]
    return breaks or [Break("total", "exchange", "", "", "agreed", "not agreed")]


def _plain(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)


def confirm_banks(parties: Parties, day: date) -> bool:
    """EXCHANGE_CONFIRMED: have every bank check and hold the day's movements, and show its balances."""
    orders = _read(parties, lambda c: transitions.bank_orders(c, day))
    strangers = [order for order in orders if order.bank not in parties.banks]
    if strangers:
        raise DisagreementError([_no_such_bank(order) for order in strangers])
    statements = _statements(parties, day)
    _read(parties, lambda c: transitions.agree_on_cash(c, day, statements))  # before a bank holds anything
    breaks = [found for order in orders for found in status_breaks(order, parties.banks[order.bank].hold(order))]
    if breaks:
        raise DisagreementError(breaks, refused_by=sorted({found.party for found in breaks}))

    def confirm(connection: Connection) -> bool:
        return transitions.confirm_banks(connection, day, held=orders, statements=statements, worker=parties.worker)

    return _write(parties, confirm)


def _no_such_bank(order: PaymentOrder) -> Break:
    return Break("total", order.bank, "", CASH, order.control_sum_fen, "no such bank")


def _statements(parties: Parties, day: date) -> list[Statement]:
    return [bank.statement(day) for _, bank in sorted(parties.banks.items())]


def deliver(parties: Parties, day: date) -> bool:
    """BANK_CONFIRMED: everything agrees, so change the ownership."""
    return _write(parties, lambda c: transitions.deliver(c, day, worker=parties.worker), within_s=LONG_WORK_S)


def build_next_opening(parties: Parties, day: date) -> bool:
    """DELIVERED: have the banks release what they hold, agree on the closing balances, open the next day."""
    for message in _read(parties, lambda c: outbox.waiting(c, BANK_RELEASE)):
        parties.banks[message.payload["bank"]].release(message.payload["message_id"])
        _mark(parties, message)
    statements = _statements(parties, day)
    return _write(
        parties, lambda c: transitions.build_next_opening(c, day, statements=statements, worker=parties.worker)
    )


def _mark(parties: Parties, message: outbox.Message) -> None:
    write(parties.engine, lambda c: outbox.delivered(c, message))


def report(parties: Parties, day: date) -> bool:
    """OPENING_BUILT: publish the daily report and seal the ledger."""
    key = parties.sealing_key
    return _write(parties, lambda c: transitions.report(c, day, worker=parties.worker, key=key), within_s=LONG_WORK_S)


ARROWS: dict[State, Callable[[Parties, date], bool]] = {
    State.OPENING_SENT: send_opening,
    State.OPENING_ACKED: lambda parties, day: tick_clock(parties, day, State.OPENING_ACKED),
    State.TRADING: lambda parties, day: tick_clock(parties, day, State.TRADING),
    State.CLOSED: seal,
    State.SEALED: clear,
    State.CLEARED: confirm_exchange,
    State.EXCHANGE_CONFIRMED: confirm_banks,
    State.BANK_CONFIRMED: deliver,
    State.DELIVERED: build_next_opening,
    State.OPENING_BUILT: report,
}
"""What to do in each state; REPORTED and HALTED have no arrow."""
