"""The arrows of a market day, each inside the one transaction of its caller.

Every function returns whether it moved the day. False: the day is elsewhere by now, or another worker has its row;
either way nothing was written. DisagreementError: parties do not agree, and nothing may be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.bank import rules as bank_rules
from core.bank import store as bank_store
from core.bank.wire import PaymentOrder, Statement
from core.clock import store as clock
from core.clock.calendar import CalendarError
from core.day import opening, store
from core.day.rulebook import starting_closes
from core.day.rules import NO_SEAL, Opening, State, due_by_clock, seal_of
from core.exchange import store as exchange
from core.exchange.rules import Totals
from core.ledger.keys import SealingKey
from core.ledger.seals import service as seals
from core.parameters import service as parameters
from core.quantities import CASH, Break
from core.reconciliation import service as reconciliation
from core.reports import service as reports
from core.settlement import service as settlement
from core.settlement import store as settlement_store
from core.settlement.rules import DisagreementError

DEPOSITS_ON_THEIR_WAY_S = 10.0
"""A bank may have booked a deposit whose notice has not reached us yet; only a difference that lasts is a break."""


def _is_here(connection: Connection, day: date, state: State) -> bool:
    return store.lock(connection, day) is state


def _is_newest(connection: Connection, day: date, version: int) -> bool:
    newest, _ = store.latest_opening(connection, day)
    return version == newest


def tick_clock(connection: Connection, day: date, state: State, *, worker: str) -> bool:
    """Go on where business time alone decides: trading starts, trading ends."""
    rules = parameters.market_rules(connection, day)
    closed = state is State.OPENING_ACKED and not rules.is_trading_day and not store.traded(connection, day)
    after = State.HALTED if closed else due_by_clock(state, rules, clock.now(connection))
    # Intake holds the row for each batch: whoever only tried would never get it while trades come in.
    if after is None or store.lock_patiently(connection, day) is not state:
        return False
    if closed:
        _give_way(connection, day, worker=worker)
        return True
    if state is State.OPENING_ACKED:
        revised = opening.revise(connection, day)
        if revised is not None:
            detail = f"holdings changed before trading: version {revised.version}"
            store.move(connection, day, before=state, after=State.OPENING_SENT, worker=worker, detail=detail)
            return True
    store.move(connection, day, before=state, after=after, worker=worker)
    return True


def _give_way(connection: Connection, day: date, *, worker: str) -> None:
    """End a day that was closed after its opening data were sent; the next trading day takes its place."""
    parameters.hold(connection)
    next_day = _next_trading_day(connection, day)
    detail = f"closed by decision before any trade, gave way to {next_day}"
    store.move(connection, day, before=State.OPENING_ACKED, after=State.HALTED, worker=worker, detail=detail)
    found = store.get(connection, day)
    known = {product.product: product.previous_close_fen for product in store.products(connection, day)}
    closes = starting_closes(connection, parameters.market_rules(connection, next_day), known=known)
    following = Opening(next_day, closes, found.cumulative_t, found.cumulative_fen)
    if store.find(connection, next_day) is None:
        opening.open_first(connection, following, worker=worker)


def _next_trading_day(connection: Connection, day: date) -> date:
    try:
        return clock.calendar(connection).next_trading_day(day)
    except CalendarError as error:
        raise DisagreementError([Break("total", "calendar", "", "", f"the day after {day}", str(error))]) from error


def acknowledge_opening(connection: Connection, day: date, *, version: int, worker: str) -> bool:
    """OPENING_SENT to OPENING_ACKED: the exchange has this version with equal totals, and there is none newer.

    An answer may be late: meanwhile another worker was answered too, and the day came back here with a new version.
    """
    if not _is_here(connection, day, State.OPENING_SENT) or not _is_newest(connection, day, version):
        return False
    store.acknowledge_opening(connection, day, version)
    detail = f"version {version}"
    store.move(connection, day, before=State.OPENING_SENT, after=State.OPENING_ACKED, worker=worker, detail=detail)
    return True


def seal(connection: Connection, day: date, *, marker: Totals, worker: str) -> bool:
    """CLOSED to SEALED: the totals, equal three ways, are chained to the seal of the day before."""
    if store.lock_patiently(connection, day) is not State.CLOSED:
        return False
    if exchange.marker(connection, day) != marker or exchange.quarantined(connection, day):
        return False
    previous = store.last_seal(connection, day) or NO_SEAL
    sealed = seal_of(day, marker.as_json(), previous=previous)
    store.set_breaks(connection, day, [])
    store.set_seal(connection, day, sealed)
    reconciliation.run(connection, cause="seal", asked_by=worker)
    store.move(connection, day, before=State.CLOSED, after=State.SEALED, worker=worker, detail=sealed["seal"])
    return True


def note_breaks(connection: Connection, day: date, breaks: Sequence[Break]) -> None:
    """Keep why a closed day cannot be sealed; it stays closed, and is looked at again when something changes."""
    if store.lock_patiently(connection, day) is State.CLOSED:
        store.set_breaks(connection, day, breaks)


def clear(connection: Connection, day: date, *, worker: str) -> bool:
    """SEALED to CLEARED: obligations and closes are written."""
    if not _is_here(connection, day, State.SEALED):
        return False
    version, _ = store.latest_opening(connection, day)
    previous = {product.product: product.previous_close_fen for product in store.products(connection, day)}
    tick_fen = parameters.market_rules(connection, day).tick_fen
    closes = settlement.clear(connection, day, opening_version=version, previous_close_fen=previous, tick_fen=tick_fen)
    store.set_closes(connection, day, closes)
    store.move(connection, day, before=State.SEALED, after=State.CLEARED, worker=worker)
    return True


def confirm_exchange(connection: Connection, day: date, *, answer: Mapping[str, Any], worker: str) -> bool:
    """CLEARED to EXCHANGE_CONFIRMED: the exchange reached the same result."""
    if not _is_here(connection, day, State.CLEARED):
        return False
    store.confirm(connection, day, party="exchange", step="clearing", agreed=True, detail=answer)
    store.move(connection, day, before=State.CLEARED, after=State.EXCHANGE_CONFIRMED, worker=worker)
    return True


def bank_orders(connection: Connection, day: date) -> list[PaymentOrder]:
    """Make each bank's payment order; a bank that said no before is asked under a new id."""
    nets = settlement_store.cash_nets(connection, day)
    return [
        bank_rules.order_of(bank, day, movements, attempt=1 + store.refusals(connection, day, bank))
        for bank, movements in sorted(nets.items())
    ]


def confirm_banks(
    connection: Connection, day: date, *, held: Sequence[PaymentOrder], statements: Sequence[Statement], worker: str
) -> bool:
    """EXCHANGE_CONFIRMED to BANK_CONFIRMED: every bank holds the movements and has the balances that we have."""
    if not _is_here(connection, day, State.EXCHANGE_CONFIRMED):
        return False
    agree_on_cash(connection, day, statements)
    for order in held:
        detail = {"message_id": order.message_id, "control_sum_fen": order.control_sum_fen}
        store.confirm(connection, day, party=order.bank, step="hold", agreed=True, detail=detail)
    store.move(connection, day, before=State.EXCHANGE_CONFIRMED, after=State.BANK_CONFIRMED, worker=worker)
    return True


def agree_on_cash(connection: Connection, day: date, statements: Sequence[Statement]) -> None:
    """Hold the banks' statements against our cash, in total and account by account."""
    ours = bank_store.cash_of_banks(connection)
    breaks = []
    for statement in statements:
        breaks += bank_rules.statement_breaks(statement.bank, day, statement, ours.pop(statement.bank, {}))
    for bank, accounts in sorted(ours.items()):
        if any(accounts.values()):
            breaks.append(Break("total", bank, "", CASH, sum(accounts.values()), "no such bank"))
    if breaks:
        raise DisagreementError(breaks, patience_s=DEPOSITS_ON_THEIR_WAY_S)


def deliver(connection: Connection, day: date, *, worker: str) -> bool:
    """BANK_CONFIRMED to DELIVERED: units and cash of all accounts, final, in this one transaction."""
    if not _is_here(connection, day, State.BANK_CONFIRMED):
        return False
    releases = {order.bank: order.message_id for order in bank_orders(connection, day)}
    trades = settlement.deliver(connection, day, releases=releases)
    store.move(
        connection,
        day,
        before=State.BANK_CONFIRMED,
        after=State.DELIVERED,
        worker=worker,
        detail=f"{trades} trades",
    )
    return True


def build_next_opening(connection: Connection, day: date, *, statements: Sequence[Statement], worker: str) -> bool:
    """DELIVERED to OPENING_BUILT: the banks' closing statements agree, and the next trading day is opened."""
    if not _is_here(connection, day, State.DELIVERED):
        return False
    agree_on_cash(connection, day, statements)
    for statement in statements:
        detail = {"message_id": statement.message_id, "total_fen": statement.total_fen}
        store.confirm(connection, day, party=statement.bank, step="statement", agreed=True, detail=detail)
    following = _following(connection, day)
    if store.find(connection, following.day) is None:
        opening.open_first(connection, following, worker=worker)
    store.move(
        connection,
        day,
        before=State.DELIVERED,
        after=State.OPENING_BUILT,
        worker=worker,
        detail=f"next is {following.day}",
    )
    return True


def _following(connection: Connection, day: date) -> Opening:
    """Work out the next trading day: it starts from the closes so far and from this day's running totals."""
    parameters.hold(connection)  # its calendar and its rules are read and fixed in one go
    next_day = _next_trading_day(connection, day)
    found = store.get(connection, day)
    totals = settlement_store.clearing_result(connection, day)["totals"]
    return Opening(
        day=next_day,
        previous_close_fen=starting_closes(connection, parameters.market_rules(connection, next_day)),
        cumulative_t=found.cumulative_t + sum(totals["quantity"].values()),
        cumulative_fen=found.cumulative_fen + totals["turnover_fen"],
    )


def report(connection: Connection, day: date, *, worker: str, key: SealingKey | None = None) -> bool:
    """OPENING_BUILT to REPORTED: the daily report is published, and the ledger's chain is sealed."""
    if not _is_here(connection, day, State.OPENING_BUILT):
        return False
    found = store.get(connection, day)
    reconciliation.run(connection, cause="report", asked_by=worker)
    reports.publish(connection, day, cumulative_before_t=found.cumulative_t, cumulative_before_fen=found.cumulative_fen)
    sealed = seals.seal_day(connection, day, key)
    signed = f"signed by {sealed.key_id}" if sealed.key_id else "not signed"
    detail = f"ledger seal {sealed.hash.hex()}, batches {sealed.first_seq} to {sealed.last_seq}, {signed}"
    store.move(connection, day, before=State.OPENING_BUILT, after=State.REPORTED, worker=worker, detail=detail)
    return True


def halt(connection: Connection, day: date, *, state: State, because: DisagreementError, worker: str) -> bool:
    """Stop a day that parties do not agree on, with the list of what differs.

    What they said about opening data that a newer version has replaced by now stops nothing.
    """
    if store.lock_patiently(connection, day) is not state:
        return False
    if because.opening_version is not None and not _is_newest(connection, day, because.opening_version):
        return False
    for party in because.refused_by:
        step = f"{state}, no {1 + store.refusals(connection, day, party)}"
        detail = {"breaks": [asdict(found) for found in because.breaks if found.party == party]}
        store.confirm(connection, day, party=party, step=step, agreed=False, detail=detail)
    store.set_breaks(connection, day, because.breaks)
    named = sorted({found.account for found in because.breaks if found.account})
    detail_line = f"{len(because.breaks)} breaks; accounts: {', '.join(named[:20]) or 'none'}"
    store.move(connection, day, before=state, after=State.HALTED, worker=worker, detail=detail_line)
    return True
