"""Asks the offset registry what is to be asked and books its answers; killed anywhere, it ends the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from core.approvals.rehearsal import rehearse
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import Caller
from core.clock import store as clock
from core.emissions.obligations import service as obligations
from core.emissions.years import store as years
from core.offset import service, store
from core.offset.rules import (
    CANCEL,
    CONFIRMED,
    FREEZE,
    FREEZING,
    RELEASE,
    RELEASED,
    RELEASING,
    SELECTED,
    SYNCED,
    USED,
    Lot,
    read_application,
    state_of_application,
)
from core.offset.wire import CANCELLED, FROZEN, Reply
from core.outbox import store as outbox
from core.refusals import Answer, Refused


class Registry(Protocol):
    """The other registry, as it is asked."""

    def ask(self, question: str, lot: Mapping[str, Any]) -> Reply:
        """Ask to freeze, cancel or release a lot; return in which state it is there now."""


def waiting(connection: Connection) -> Sequence[str]:
    """Name the questions that were not answered yet, oldest first."""
    return [message.reference for message in outbox.waiting(connection, service.TOPIC)]


def deliver(registry: Registry) -> Callable[[Connection, Caller, str], str | None]:
    """Make the chore that asks one question and books its answer.

    The other registry is asked before anything is locked here, and does the same thing once however often it is asked.
    So a kill before the answer costs a repeat, and a kill after it does too.
    """

    def do(connection: Connection, caller: Caller, reference: str) -> str | None:
        found = [m for m in outbox.waiting(connection, service.TOPIC) if m.reference == reference]
        if not found:
            return None
        question, lot = found[0].payload["question"], found[0].payload["lot"]
        reply = registry.ask(question, lot)
        return settle(connection, caller, found[0], reply)

    return do


def settle(connection: Connection, caller: Caller, message: outbox.Message, reply: Reply) -> str | None:
    """Book an answer; None when it was booked already."""
    lot = _locked(connection, reply.lot)
    if message not in outbox.waiting(connection, service.TOPIC):
        return None  # another worker was faster
    state = BOOKED[message.payload["question"]](connection, lot, reply)
    outbox.delivered(connection, message)
    detail = {"question": message.payload["question"], "answer": reply.state, "state": state, "lot": lot.id}
    audit.record(connection, caller=caller.name, action="offset registry", subject=lot.account, detail=detail)
    return state


def _locked(connection: Connection, number: str) -> Lot:
    """Lock a lot with all it belongs to, in the order in which a decision does: application, obligation, lot."""
    [lot] = store.find(connection, [number])
    found = store.application(connection, lot.application, hold=True) if lot.application is not None else None
    if found is not None:
        obligations.lock(connection, lot.account, int(found["year"]))
    [lot] = store.find(connection, [number], hold=True)
    return lot


def _froze(connection: Connection, lot: Lot, reply: Reply) -> str:
    if lot.state != FREEZING:
        return lot.state  # given up meanwhile: the release that was asked for ends it
    state = SYNCED if reply.state == FROZEN else RELEASED
    store.move(connection, lot, state, at=clock.now(connection), note=reply.detail)
    return state


def _cancelled(connection: Connection, lot: Lot, reply: Reply) -> str:
    if lot.state != CONFIRMED or lot.application is None:
        raise RuntimeError(f"lot {lot.id} was cancelled over there and is {lot.state} here")
    used = reply.state == CANCELLED
    service.free(connection, lot, used=used)
    now, state = clock.now(connection), USED if used else RELEASED
    store.move(connection, lot, state, at=now, note=reply.detail)
    lots = service.lots_of(connection, lot.application)
    sum_used = sum(one.tonnes for one in lots if one.state == USED)
    store.move_application(connection, lot.application, state_of_application(lots), used=sum_used, at=now)
    return state


def _released(connection: Connection, lot: Lot, reply: Reply) -> str:
    if reply.state in (FROZEN, CANCELLED):
        raise RuntimeError(f"lot {lot.id} is {reply.state} over there though its release was asked for: {reply.detail}")
    if lot.state == RELEASING:
        store.move(connection, lot, RELEASED, at=clock.now(connection), note=lot.note)
    return RELEASED


BOOKED: Mapping[str, Callable[[Connection, Lot, Reply], str]] = {
    FREEZE: _froze,
    CANCEL: _cancelled,
    RELEASE: _released,
}


def timed_out(connection: Connection) -> Sequence[str]:
    """Name lots whose time is over and that nobody has confirmed."""
    return store.expired(connection, now=clock.now(connection))


def time_out(connection: Connection, caller: Caller, number: str) -> str | None:
    """Let go of a lot whose time is over; an application for it can no longer be confirmed."""
    lot = _locked(connection, number)
    now = clock.now(connection)
    if lot.state not in (FREEZING, SYNCED, SELECTED) or now < lot.until:
        return None
    service.let_go(connection, lot, at=now, note="its time was over")
    audit.record(connection, caller=caller.name, action="time out offset lot", subject=lot.account, detail=lot.body)
    return RELEASING


def dry_run(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what an offset would come to, given that the other registry cancels what it has frozen."""
    executors = {"offset": _whole_way}

    def look(_outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        rules = years.in_force(connection, int(body["year"]))
        return {"obligation": obligations.facts(connection, str(body["account"]), rules)}

    asked = read_application(body)
    if isinstance(asked, Refused):
        return asked
    return rehearse(
        connection,
        caller,
        propose=lambda: service.propose(connection, caller, body),
        executors=executors,
        look=look,
    )


def _whole_way(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    outcome = service.EXECUTORS["offset"](connection, caller, task)
    if isinstance(outcome, Refused):
        return outcome
    for message in outbox.waiting(connection, service.TOPIC):
        lot = message.payload["lot"]["lot"]
        if message.payload["question"] == CANCEL and lot in {one["id"] for one in task.payload["lots"]}:
            settle(connection, caller, message, Reply(lot, CANCELLED))
    return outcome
