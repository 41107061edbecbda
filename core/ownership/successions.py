"""Inheritance, merger and split: by document, confirmed by the authority and reviewed twice, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import store as accounts_store
from core.accounts.rights import refuse_right, refuse_view
from core.accounts.rules import vintage_of
from core.accounts.states import service as states
from core.accounts.states import store as states_store
from core.accounts.states.rules import Action, Change
from core.accounts.states.store import NO_TASK
from core.approvals import service as approvals
from core.approvals.rehearsal import foreseen
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, AUTHORITY_MAKER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.db import counters
from core.encumbrance import store as encumbrances
from core.encumbrance.store import Event
from core.ledger import store as ledger
from core.ledger.rules import Transfer, place_of
from core.outbox import store as outbox
from core.outbox.cash import CashMove, ask_banks
from core.ownership import obligations, store
from core.ownership.rules import KINDS, MERGER, Estate, Plan, Succession, plan, read_succession
from core.ownership.store import Record
from core.quantities import CASH
from core.refusals import Answer, Reason, Refused
from core.units import store as units

CLOSING = "closing"
"""Topic of the outbox rows that name accounts to be closed as soon as the exchange has nothing of theirs."""

FIELDS = ("kind", "account", "into_account", "parts", "document", "closes")
TYPES = {"merger": "MERGE_TRANSFER", "split": "SPLIT_TRANSFER", "inheritance": "INHERIT_TRANSFER"}


def try_out(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Say what a succession would do now, by the rules of the real run; nothing is written."""
    made = _ask(connection, caller, body, lock=False)
    return made if isinstance(made, Refused) else foreseen(made[0].kind, made[1].body)


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose a succession; the authority of the province confirms it, and a second of its people."""
    made = _ask(connection, caller, body, lock=True)
    if isinstance(made, Refused):
        return made
    asked, planned = made
    payload = {name: body[name] for name in FIELDS if name in body} | {"plan": planned.body}
    concerned = [asked.giver, *(part.account for part in asked.parts)]
    return approvals.propose(
        connection,
        caller,
        kind=asked.kind,
        payload=payload,
        subject=asked.giver,
        accounts=concerned,
        decides=AUTHORITY_CHECKER,
        reviews=2,
    )


def _ask(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, lock: bool
) -> tuple[Succession, Plan] | Refused:
    asked = refuse_unless(caller, MAKER, AUTHORITY_MAKER) or read_succession(body)
    if isinstance(asked, Refused):
        return asked
    refused = refuse_right(connection, caller, asked.giver, "maker")
    planned = refused or plan(asked, _look(connection, asked, lock=lock))
    return planned if isinstance(planned, Refused) else (asked, planned)


def _look(connection: Connection, asked: Succession, *, lock: bool, task: str = NO_TASK) -> Estate:
    """Read what the giver has and what the successors hold of the same; to decide, lock it first.

    Encumbrances come before balances, as with everybody who changes both.
    """
    takers = [part.account for part in asked.parts]
    owners = [asked.giver, *takers]
    alive = encumbrances.alive(connection, asked.giver, lock=lock)
    held = {(b.owner, b.asset, b.bucket): b.amount for b in ledger.balances(connection, owners)}
    kinds = sorted({(asset, bucket) for owner, asset, bucket in held if owner == asked.giver})
    if lock:
        places = [place_of(owner, *kind) for owner in owners for kind in kinds]
        locked = ledger.lock_balances(connection, places)
        held = {(place.owner, place.asset, place.bucket): amount for place, amount in locked.items()}
    found = accounts_store.find(connection, owners)
    return Estate(
        giver=found.get(asked.giver),
        takers={number: found[number] for number in takers if number in found},
        held={(asset, bucket): amount for (owner, asset, bucket), amount in held.items() if owner == asked.giver},
        taker_held={key: amount for key, amount in held.items() if key[0] != asked.giver},
        encumbrances=alive,
        trading=accounts_store.may_be_sold(connection, asked.giver),
        open_tasks=states_store.open_tasks(connection, asked.giver, but=task),
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    asked = approvals.kept(task, read_succession)
    owed = obligations.owed(connection, asked.giver, asked.parts[0].account) if asked.kind == MERGER else []
    estate = _look(connection, asked, lock=True, task=task.id)
    planned = plan(asked, estate)
    if isinstance(planned, Refused):
        return planned
    day = market_day(clock.now(connection))
    serials = _move(connection, asked, planned, estate, reference=task.id, day=day)
    for one, taker in planned.encumbrances:
        after = replace(one, account=taker)
        encumbrances.change(connection, after)
        detail = {"from_account": asked.giver, "to_account": taker}
        event = Event("MOVED", one.held, caller.name, day, document=asked.document, detail=detail)
        encumbrances.note(connection, after, event)
    owing = obligations.move(connection, owed, reference=task.id)
    number = counters.take(connection, "succession")
    movements = [{**one.body, "serials": serials.get((one.taker, one.asset), [])} for one in planned.movements]
    moved = planned.body["encumbrances"]
    made = Record(number, asked.kind, asked.giver, asked.document, movements, moved, planned.closes, day)
    store.insert_succession(connection, made, task=task.id)
    if planned.closes:
        _end(connection, caller, asked, task=task)
    outcome = {**made.body, "obligations": owing, "serials": _listed(serials)}
    audit.record(connection, caller=caller.name, action=asked.kind, subject=asked.giver, detail=outcome)
    return {"succession": outcome}


def _listed(serials: Mapping[tuple[str, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"to_account": taker, "asset": asset, "serials": blocks} for (taker, asset), blocks in serials.items()]


def _move(
    connection: Connection, asked: Succession, planned: Plan, estate: Estate, *, reference: str, day: date
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Change the owner in the ledger, in the serial numbers and at the banks; return who got which serials."""
    kind = TYPES[asked.kind]
    transfers = [
        Transfer(
            str(uuid4()),
            place_of(asked.giver, one.asset, one.bucket),
            place_of(one.taker, one.asset, one.bucket),
            one.amount,
            kind,
            reference,
        )
        for one in planned.movements
    ]
    ledger.post(connection, transfers, market_day=day)
    totals: dict[tuple[str, str], int] = {}
    for one in planned.movements:
        totals[one.taker, one.asset] = totals.get((one.taker, one.asset), 0) + one.amount
    moves, cash = [], []
    for (taker, asset), amount in sorted(totals.items()):
        vintage = vintage_of(asset)
        if vintage is not None:
            moves.append(units.Move(asked.giver, taker, vintage, amount, kind, reference))
        elif asset == CASH and estate.giver is not None:
            cash.append(CashMove(asked.giver, estate.giver.bank, taker, estate.takers[taker].bank, amount))
    given = units.move_all(connection, moves, market_day=day)
    ask_banks(connection, reference, cash)
    pairs = zip(moves, given, strict=True)
    return {(move.taker, move.vintage.product): [block.body for block in blocks] for move, blocks in pairs}


def _end(connection: Connection, caller: Caller, asked: Succession, *, task: Task) -> None:
    """Close the giver now, or stop it and close it once the exchange has nothing of its any more."""
    reason = f"{asked.kind}: {asked.document}"
    people = {"proposed_by": task.proposed_by, "decided_by": caller.name, "task": task.id}
    closed = states.enact(connection, Change(asked.giver, Action.CLOSE, reason), **people)
    if isinstance(closed, Refused):
        stopped = states.enact(connection, Change(asked.giver, Action.SUSPEND, reason), **people)
        if isinstance(stopped, Refused):
            raise TypeError(f"{asked.giver} can neither be closed nor stopped: {stopped}")
        outbox.put(connection, CLOSING, asked.giver, {"account": asked.giver, "reason": reason, "by": caller.name})


def closings(connection: Connection) -> list[str]:
    """Name the accounts that a succession ended and that still wait to be closed."""
    waiting = [message.payload["account"] for message in outbox.waiting(connection, CLOSING)]
    found = accounts_store.find(connection, waiting) if waiting else {}
    ready = [number for number, account in found.items() if account.pending_state is None]
    return [number for number in sorted(ready) if states.refuse_unless_empty(connection, number) is None]


def close(connection: Connection, worker: Caller, number: str) -> bool:
    """Close an account that a succession ended, if nothing keeps it open any more."""
    for message in outbox.waiting(connection, CLOSING):
        if message.payload["account"] == number:
            change = Change(number, Action.CLOSE, str(message.payload["reason"]))
            closed = states.enact(connection, change, proposed_by=message.payload["by"], decided_by=worker.name)
            if isinstance(closed, Refused):
                return False
            outbox.delivered(connection, message)
            return True
    return False


def get(connection: Connection, caller: Caller, name: str) -> Answer | Refused:
    """Return a succession to those who may see the account that gave."""
    digits = name.removeprefix("SUC-")
    is_number = name.startswith("SUC-") and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 18
    found = store.succession(connection, int(digits)) if is_number else None
    if found is None or refuse_view(connection, caller, found.giver) is not None:
        return Refused(Reason.SUCCESSION_UNKNOWN)
    return Answer(200, found.body)


EXECUTORS: Mapping[str, approvals.Executor] = dict.fromkeys(KINDS, _execute)
