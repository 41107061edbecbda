"""Registers pledges and judicial freezes by two people: held on proposal, in force on approval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.accounts.balance import held
from core.accounts.rights import refuse_right
from core.accounts.rules import Side
from core.approvals import service as approvals
from core.approvals.rehearsal import rehearse
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.encumbrance import restricting, store
from core.encumbrance.booking import Booking, Ground, enter
from core.encumbrance.orders import Facts, Order, decide_freeze, decide_pledge, read_freeze, read_pledge
from core.encumbrance.rules import FREEZE, PLEDGE, PROPOSED, REJECTED, Encumbrance, changed, name_of, number_of
from core.ledger.holds import service as holds
from core.ledger.holds.rules import Hold
from core.ledger.rules import FROZEN, LOCKED, PLEDGED, Place, place_of
from core.refusals import Answer, Refused, RefusedError

REGISTER = {PLEDGE: "PLEDGE", FREEZE: "JUDICIAL_FREEZE"}
TASKS = {PLEDGE: "pledge", FREEZE: "freeze"}


def propose_pledge(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Pledge units or cash to a creditor; they are held at once and pledged when the registry's checker approves.

    Once the exchange trades on the account's opening data, its units may be sold at any moment: then it must wait.
    """
    order = refuse_unless(caller, MAKER, HOLDER) or read_pledge(body, today=market_day(clock.now(connection)))
    if isinstance(order, Refused):
        return order
    refused = refuse_right(connection, caller, order.account, "maker")
    if refused is not None:
        return refused
    ground = _ground(connection, order)
    amount = decide_pledge(order, _facts(connection, order, ground))
    return amount if isinstance(amount, Refused) else _propose(connection, caller, order, amount)


def propose_freeze(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Freeze an amount, or everything an account has and will have, by a court's order.

    What is there is held at once. What is with the exchange, or not there yet, is held as soon as it comes.
    """
    order = refuse_unless(caller, MAKER) or read_freeze(body, today=market_day(clock.now(connection)))
    if isinstance(order, Refused):
        return order
    ground = _ground(connection, order)
    amount = decide_freeze(order, _facts(connection, order, ground))
    return amount if isinstance(amount, Refused) else _propose(connection, caller, order, amount)


def _ground(connection: Connection, order: Order) -> Ground | None:
    """Lock what the order is about; a freeze of everything is about no one asset."""
    return enter(connection, order.account, order.asset) if order.asset is not None else None


def _facts(connection: Connection, order: Order, ground: Ground | None) -> Facts:
    named = [number for number in (order.account, order.creditor_account) if number is not None]
    found = accounts_store.find(connection, named)
    used = store.document_used(connection, order)
    source, creditor = found.get(order.account), found.get(order.creditor_account or "")
    if ground is None:
        return Facts(Side(source, 0), 0, trading=False, known_product=True, used=used, creditor=creditor)
    return Facts(
        Side(source, ground.free),
        secured=ground.balance(PLEDGED if order.kind == PLEDGE else FROZEN) + ground.balance(LOCKED),
        trading=ground.trading,
        known_product=ground.balance() > 0 or accounts.is_known(connection, ground.asset),
        used=used,
        creditor=creditor,
    )


def _propose(connection: Connection, caller: Caller, order: Order, amount: int) -> Answer:
    now = clock.now(connection)
    booking = Booking(market_day(now), caller.name, f"{order.creditor} {order.document}", order.document)
    number = store.insert(connection, order, held=amount, at=now)
    one = _known(connection, number)
    if order.asset is not None:
        _hold(connection, one, place_of(order.account, order.asset), amount, booking.day)
    booking.put(one, "PROPOSED", amount)
    booking.write(connection)
    payload = {"encumbrance": one.body}
    concerned = [order.account, *([order.creditor_account] if order.creditor_account is not None else [])]
    return approvals.propose(
        connection, caller, kind=TASKS[order.kind], payload=payload, subject=order.account, accounts=concerned
    )


def _hold(connection: Connection, one: Encumbrance, source: Place, amount: int, day: date) -> None:
    """Set aside what was found to be free, until the proposal is decided; nothing is no hold."""
    if not amount:
        return
    made = holds.hold(connection, Hold(one.name, source, LOCKED, amount, None, one.name, day, kind=one.kind))
    if isinstance(made, Refused):
        raise RefusedError(made)


def _known(connection: Connection, number: int) -> Encumbrance:
    one = store.find(connection, number)
    if one is None:
        raise LookupError(f"encumbrance {name_of(number)} is gone")
    return one


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    number = number_of(task.payload["encumbrance"]["number"]) or 0
    one = _known(connection, number)
    now = clock.now(connection)
    day = market_day(now)
    booking = Booking(day, caller.name, one.name, one.document)
    if one.asset is None:
        before = restricting.restrict(connection, caller, one, task=task)
        if isinstance(before, Refused):
            return before
        booking.put(changed(one), "REGISTERED", 0, before=before)
    else:
        ground = enter(connection, one.account, one.asset)
        one = _known(connection, number)
        if one.held:
            to = place_of(one.account, ground.asset, one.bucket)
            done = holds.post_hold(connection, one.name, to, now=now, kind=REGISTER[one.kind])
            if isinstance(done, Refused):
                return done
        booking.put(changed(one), "REGISTERED", one.held)
        booking.give_free(ground)
    booking.write(connection)
    after = booking.changed[number]
    if after.waiting and accounts_store.may_be_sold(connection, one.account):
        restricting.announce(connection, after, day=day)
    action = TASKS[one.kind]
    audit.record(connection, caller=caller.name, action=action, subject=one.account, detail={"encumbrance": one.name})
    return {"encumbrance": after.body}


def _undo(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    number = number_of(task.payload["encumbrance"]["number"]) or 0
    one = _known(connection, number)
    booking = Booking(market_day(clock.now(connection)), caller.name, one.name)
    ground = enter(connection, one.account, one.asset) if one.asset is not None else None
    one = _known(connection, number)
    if one.state != PROPOSED:
        raise RuntimeError(f"{one.name} is {one.state}, and was to be rejected")
    after = replace(one, state=REJECTED, held=0)
    if ground is not None:
        _let_go(connection, one)
    booking.put(after, "REJECTED", one.held)
    if ground is not None:
        booking.give_free(ground, freed=one.held)
    booking.write(connection)
    audit.record(
        connection, caller=caller.name, action="release hold", subject=one.account, detail={"released": one.held}
    )
    return {"encumbrance": after.body}


def _let_go(connection: Connection, one: Encumbrance) -> None:
    done = holds.void_hold(connection, one.name, now=clock.now(connection)) if one.held else None
    if isinstance(done, Refused):
        raise RefusedError(done)


EXECUTORS: Mapping[str, approvals.Executor] = {"pledge": _execute, "freeze": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {"pledge": _undo, "freeze": _undo}


def try_pledge(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what a pledge would come to; nothing of it stays."""
    return _try_out(connection, caller, body, propose_pledge)


def try_freeze(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what a freeze would come to; nothing of it stays."""
    return _try_out(connection, caller, body, propose_freeze)


def _try_out(
    connection: Connection,
    caller: Caller,
    body: Mapping[str, Any],
    propose: Callable[[Connection, Caller, Mapping[str, Any]], Answer | Refused],
) -> Answer | Refused:
    return rehearse(
        connection,
        caller,
        propose=lambda: propose(connection, caller, body),
        executors=EXECUTORS,
        look=lambda _outcome: {"holdings": held(connection, str(body["account"]))},
    )
