"""Ends encumbrances by two people: release, realisation to the creditor, deduction with public notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts_store
from core.accounts.rights import refuse_right
from core.accounts.rules import vintage_of
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.encumbrance import notices, restricting, store
from core.encumbrance.booking import Booking, Ground, enter
from core.encumbrance.orders import (
    Ending,
    Taking,
    decide_release,
    decide_taking,
    endable,
    read_ending,
)
from core.encumbrance.rules import FREEZE, PLEDGE, RELEASED, Encumbrance, awaited, changed, let_go
from core.ledger.rules import AVAILABLE, FROZEN, place_of
from core.outbox.cash import CashMove, ask_banks
from core.quantities import CASH
from core.refusals import Answer, Refused
from core.units import store as units

BOTH = frozenset({PLEDGE, FREEZE})
RELEASE = {PLEDGE: "PLEDGE_RELEASE", FREEZE: "JUDICIAL_UNFREEZE"}
TAKE = {PLEDGE: ("PLEDGE_REALISE", "REALISED"), FREEZE: ("JUDICIAL_DEDUCT", "DEDUCTED")}


def propose_release(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose to give free what an encumbrance holds, or a part: a creditor's or a court's document says so."""
    return _propose(connection, caller, body, kind="release_encumbrance", kinds=BOTH)


def propose_realisation(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose that a pledge goes to its creditor, or by an instruction to sell to somebody else."""
    return _propose(connection, caller, body, kind="realise_pledge", kinds=frozenset({PLEDGE}))


def propose_deduction(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose to take exactly the stated amount out of a freeze, by a court's decision, restricted or not."""
    return _propose(connection, caller, body, kind="deduct", kinds=frozenset({FREEZE}))


def _propose(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, kind: str, kinds: frozenset[str]
) -> Answer | Refused:
    takes = kind != "release_encumbrance"
    ending = refuse_unless(caller, MAKER, HOLDER) or read_ending(body, takes=takes)
    if isinstance(ending, Refused):
        return ending
    judged = _judge(connection, caller, ending, kinds=kinds, takes=takes)
    if isinstance(judged, Refused):
        return judged
    one, _, amount = judged
    payload = {
        "encumbrance": one.name,
        "account": one.account,
        "asset": ending.asset or one.asset,
        "amount": amount or None,
        "document": ending.document,
        "ending": {name: body[name] for name in ENDING if name in body},
    }
    if takes:
        payload["to_account"] = ending.taker
    concerned = [one.account, *([ending.taker] if takes else [])]
    return approvals.propose(connection, caller, kind=kind, payload=payload, subject=one.account, accounts=concerned)


ENDING = ("encumbrance", "document", "amount", "to_account", "asset", "instruction")
"""What a task keeps of the request, so that it is judged again by the same words."""


def _judge(
    connection: Connection, caller: Caller | None, ending: Ending, *, kinds: frozenset[str], takes: bool
) -> tuple[Encumbrance, Ground | None, int] | Refused:
    """Lock what the ending touches and decide on it; ``caller`` is asked for his right when he proposes."""
    seen = endable(store.find(connection, ending.number), kinds=kinds)
    if isinstance(seen, Refused):
        return seen
    if caller is not None:
        refused = _refuse_person(connection, caller, seen)
        if refused is not None:
            return refused
    asset = seen.asset or ending.asset
    taker = ending.taker if takes else None
    ground = enter(connection, seen.account, asset, taker=taker) if asset is not None else None
    one = endable(store.find(connection, ending.number), kinds=kinds)  # again, behind the lock
    if isinstance(one, Refused):
        return one
    if not takes:
        amount = decide_release(one, ending)
    else:
        amount = decide_taking(one, ending, _taking(connection, one, ending, ground))
    return amount if isinstance(amount, Refused) else (one, ground, amount)


def _refuse_person(connection: Connection, caller: Caller, one: Encumbrance) -> Refused | None:
    """The registry's people bring a court's documents; a holder may bring the creditor's."""
    if one.kind == FREEZE:
        return refuse_unless(caller, MAKER)
    return refuse_right(connection, caller, one.account, "maker")


def _taking(connection: Connection, one: Encumbrance, ending: Ending, ground: Ground | None) -> Taking:
    found = accounts_store.find(connection, [one.account, ending.taker])
    giver, taker = found.get(one.account), found.get(ending.taker)
    if ground is None:
        return Taking(giver, taker, 0, 0, trading=False)
    has = ground.held.get(place_of(ending.taker, ground.asset), 0)
    earlier = awaited([other for other in ground.alive if other.number < one.number])
    return Taking(giver, taker, has, max(0, ground.balance() - earlier), trading=ground.trading)


def _kept(task: Task, *, takes: bool) -> Ending:
    return approvals.kept(task, lambda payload: read_ending(payload["ending"], takes=takes))


def _release(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    ending = _kept(task, takes=False)
    judged = _judge(connection, None, ending, kinds=BOTH, takes=False)
    if isinstance(judged, Refused):
        return judged
    one, ground, amount = judged
    if ground is None:
        refused = restricting.lift(connection, caller, one, task=task)
        if refused is not None:
            return refused
    booking = Booking(market_day(clock.now(connection)), caller.name, one.name, ending.document)
    release(booking, one, ground, amount, action="RELEASED")
    booking.write(connection)
    after = booking.changed[one.number]
    detail = {"encumbrance": one.name, "released": amount, "document": ending.document}
    audit.record(connection, caller=caller.name, action="release encumbrance", subject=one.account, detail=detail)
    return {"encumbrance": one.name, "released": amount, "state": after.state, "left": after.outstanding}


def release(booking: Booking, one: Encumbrance, ground: Ground | None, amount: int, *, action: str) -> None:
    """Let an amount go, and let freezes that wait behind have it; a freeze of everything is lifted."""
    if ground is None:
        booking.put(replace(one, state=RELEASED), action, 0)
        return
    letting = let_go(one, amount)
    booking.shift(one, ground.asset, letting.freed, way=(one.bucket, AVAILABLE), kind=RELEASE[one.kind])
    booking.put(changed(one, held=-letting.freed, released=amount), action, amount)
    booking.give_free(ground, freed=letting.freed)


def _take(connection: Connection, caller: Caller, task: Task, *, kind: str) -> Mapping[str, Any] | Refused:
    ending = _kept(task, takes=True)
    judged = _judge(connection, None, ending, kinds=frozenset({kind}), takes=True)
    if isinstance(judged, Refused):
        return judged
    one, ground, amount = judged
    if ground is None:
        raise TypeError(f"task {task.id} names no asset")
    day = market_day(clock.now(connection))
    booking = Booking(day, caller.name, one.name, ending.document)
    name, action = TAKE[kind]
    if one.everything is not None:
        booking.shift(one, ground.asset, amount, way=(AVAILABLE, FROZEN), kind="JUDICIAL_FREEZE")
    booking.move(place_of(one.account, ground.asset, one.bucket), place_of(ending.taker, ground.asset), amount, name)
    after = changed(one, held=0 if one.everything is not None else -amount, taken=amount)
    booking.put(after, action, amount, asset=ground.asset, to_account=ending.taker, instruction=ending.instruction)
    booking.write(connection)
    serials = _hand_over(connection, booking, one, ground.asset, ending.taker, amount, name, task.id)
    outcome: dict[str, Any] = {
        "encumbrance": one.name,
        "taken": amount,
        "to_account": ending.taker,
        "serials": serials,
        "state": after.state,
        "left": after.outstanding,
    }
    if kind == FREEZE:
        facts = notices.Deduction(one, ending.document, ending.taker, ground.asset, amount, tuple(serials))
        outcome["notice"] = notices.publish_deduction(connection, facts, day=day)
    audit.record(connection, caller=caller.name, action=name.lower(), subject=one.account, detail=outcome)
    return outcome


def _hand_over(
    connection: Connection,
    booking: Booking,
    one: Encumbrance,
    asset: str,
    taker: str,
    amount: int,
    name: str,
    reference: str,
) -> list[dict[str, Any]]:
    """Change the owner in the other accounting too: serial numbers for units, the banks for cash."""
    vintage = vintage_of(asset)
    if vintage is not None:
        moved = units.move(
            connection,
            giver=one.account,
            taker=taker,
            vintage=vintage,
            tonnes=amount,
            type=name,
            reference=reference,
            market_day=booking.day,
        )
        return [block.body for block in moved]
    if asset == CASH:
        found = accounts_store.find(connection, [one.account, taker])
        move = CashMove(one.account, found[one.account].bank, taker, found[taker].bank, amount)
        ask_banks(connection, reference, [move])
    return []


def _realise(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    return _take(connection, caller, task, kind=PLEDGE)


def _deduct(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    return _take(connection, caller, task, kind=FREEZE)


EXECUTORS: Mapping[str, approvals.Executor] = {
    "release_encumbrance": _release,
    "realise_pledge": _realise,
    "deduct": _deduct,
}
