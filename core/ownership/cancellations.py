"""Voluntary cancellation by two people: held on proposal, gone for good on approval, certified to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.accounts.rights import refuse_right, refuse_view
from core.accounts.rules import Side, vintage_of
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.db import counters
from core.encumbrance.booking import enter
from core.encumbrance.rules import awaited
from core.ledger import store as ledger
from core.ledger.rules import AVAILABLE, CANCELLED, LOCKED, Place, Transfer, place_of
from core.ownership import store
from core.ownership.cancelling import Cancellation, certify, decide, name_of, number_of, read_cancellation
from core.paging import NO_CURSOR, page
from core.refusals import Answer, Reason, Refused
from core.units import store as units

KIND = "cancel_units"
FIELDS = ("account", "product", "tonnes", "beneficiary", "reason")


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose to give units up; they are held at once, and cancelled when the registry's checker approves."""
    asked = refuse_unless(caller, MAKER, HOLDER) or read_cancellation(body)
    if isinstance(asked, Refused):
        return asked
    tonnes = refuse_right(connection, caller, asked.account, "maker") or _decide(connection, asked)
    if isinstance(tonnes, Refused):
        return tonnes
    _book(connection, tonnes, (_place(asked, AVAILABLE), _place(asked, LOCKED)), "CANCEL_HOLD")
    payload = {name: body[name] for name in FIELDS}
    return approvals.propose(
        connection, caller, kind=KIND, payload=payload, subject=asked.account, accounts=[asked.account]
    )


def _decide(connection: Connection, asked: Cancellation) -> int | Refused:
    ground = enter(connection, asked.account, asked.product)
    found = accounts_store.find(connection, [asked.account])
    buried = any(one.everything is not None for one in ground.alive)
    return decide(
        asked,
        source=Side(found.get(asked.account), 0 if buried else ground.balance()),
        locked=ground.balance(LOCKED),
        awaited=awaited(ground.alive),
        trading=ground.trading,
        known_product=ground.balance() > 0 or accounts.is_known(connection, asked.product),
    )


def _place(asked: Cancellation, bucket: str) -> Place:
    return place_of(asked.account, asked.product, bucket)


def _book(connection: Connection, tonnes: int, way: tuple[Place, Place], kind: str) -> None:
    number, day = str(uuid4()), market_day(clock.now(connection))
    ledger.post(connection, [Transfer(number, *way, tonnes, kind, number)], market_day=day)


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    asked, day = approvals.kept(task, read_cancellation), market_day(clock.now(connection))
    vintage = vintage_of(asked.product)
    if vintage is None:
        raise TypeError(f"task {task.id} names no product")
    way = (_place(asked, LOCKED), place_of(CANCELLED, asked.product))
    ledger.post(connection, [Transfer(task.id, *way, asked.tonnes, "VOLUNTARY_CANCEL", task.id)], market_day=day)
    serials = units.move(
        connection,
        giver=asked.account,
        taker=CANCELLED,
        vintage=vintage,
        tonnes=asked.tonnes,
        type="VOLUNTARY_CANCEL",
        reference=task.id,
        market_day=day,
    )
    holder = accounts_store.find(connection, [asked.account])[asked.account]
    number = counters.take(connection, "certificate")
    made = certify(number, asked, holder=holder, tonnes=asked.tonnes, serials=serials, day=day)
    store.insert_certificate(
        connection, made, task=task.id, account=asked.account, product=asked.product, tonnes=asked.tonnes, day=day
    )
    outcome = {
        "cancelled": asked.tonnes,
        "serials": [str(block) for block in serials],
        "certificate": name_of(number),
        "sha256": made.sha256,
    }
    audit.record(connection, caller=caller.name, action="cancel units", subject=asked.account, detail=outcome)
    return outcome


def _undo(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    asked = approvals.kept(task, read_cancellation)
    _book(connection, asked.tonnes, (_place(asked, LOCKED), _place(asked, AVAILABLE)), "CANCEL_HOLD_RELEASE")
    outcome = {"released": asked.tonnes}
    audit.record(connection, caller=caller.name, action="release hold", subject=asked.account, detail=outcome)
    return outcome


def show(connection: Connection, number: str) -> Answer | Refused:
    """Return a certificate to anybody who knows its number."""
    wanted = number_of(number)
    found = store.certificate(connection, wanted) if wanted is not None else None
    return Refused(Reason.CERTIFICATE_UNKNOWN) if found is None else Answer(200, found.body)


def of_account(connection: Connection, caller: Caller, account: str, *, after: str, limit: int) -> Answer | Refused:
    """Return a page of the account's certificates; ``next`` is the cursor of the page after."""
    start = number_of(after) if after else 0
    if start is None:
        return NO_CURSOR
    if account not in accounts_store.find(connection, [account]):
        return Refused(Reason.ACCOUNT_UNKNOWN)
    refused = refuse_view(connection, caller, account)
    if refused is not None:
        return refused
    listed = store.certificates(connection, account, after=start, limit=limit + 1)
    found, more = page(listed, limit, lambda one: name_of(one.number))
    return Answer(200, {"account": account, "certificates": [one.body for one in found], "next": more})


EXECUTORS: Mapping[str, approvals.Executor] = {KIND: _execute}
UNDOERS: Mapping[str, approvals.Executor] = {KIND: _undo}
