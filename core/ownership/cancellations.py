"""Voluntary cancellation by two people: held on proposal, gone for good on approval, certified to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.accounts.balance import held
from core.accounts.rights import refuse_right, visible
from core.accounts.rules import Side, vintage_of
from core.approvals import service as approvals
from core.approvals.rehearsal import rehearse
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.db import counters
from core.encumbrance.booking import enter
from core.ledger.holds import service as holds
from core.ledger.holds.rules import Hold
from core.ledger.rules import CANCELLED, LOCKED, place_of
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
    number, day = str(uuid4()), market_day(clock.now(connection))
    source = place_of(asked.account, asked.product)
    made = holds.hold(connection, Hold(number, source, LOCKED, tonnes, None, number, day, kind="CANCEL"))
    if isinstance(made, Refused):
        return made
    payload = {name: body[name] for name in FIELDS} | {"hold": number}
    return approvals.propose(
        connection, caller, kind=KIND, payload=payload, subject=asked.account, accounts=[asked.account]
    )


def _decide(connection: Connection, asked: Cancellation) -> int | Refused:
    ground = enter(connection, asked.account, asked.product)
    found = accounts_store.find(connection, [asked.account])
    return decide(
        asked,
        source=Side(found.get(asked.account), ground.free),
        locked=ground.balance(LOCKED),
        trading=ground.trading,
        known_product=ground.balance() > 0 or accounts.is_known(connection, asked.product),
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    asked, now = approvals.kept(task, read_cancellation), clock.now(connection)
    day, vintage = market_day(now), vintage_of(asked.product)
    if vintage is None:
        raise TypeError(f"task {task.id} names no product")
    hold, gone = str(task.payload["hold"]), place_of(CANCELLED, asked.product)
    done = holds.post_hold(connection, hold, gone, now=now, kind="VOLUNTARY_CANCEL")
    if isinstance(done, Refused):
        return done
    serials = units.move(
        connection,
        giver=asked.account,
        taker=CANCELLED,
        vintage=vintage,
        tonnes=asked.tonnes,
        type="VOLUNTARY_CANCEL",
        reference=hold,
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
        "serials": [block.body for block in serials],
        "certificate": name_of(number),
        "sha256": made.sha256,
    }
    audit.record(connection, caller=caller.name, action="cancel units", subject=asked.account, detail=outcome)
    return outcome


def _undo(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    asked = approvals.kept(task, read_cancellation)
    done = holds.void_hold(connection, str(task.payload["hold"]), now=clock.now(connection))
    if isinstance(done, Refused):
        return done
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
    seen = visible(connection, caller, account)
    if isinstance(seen, Refused):
        return seen
    listed = store.certificates(connection, account, after=start, limit=limit + 1)
    found, more = page(listed, limit, lambda one: name_of(one.number))
    return Answer(200, {"account": account, "certificates": [one.body for one in found], "next": more})


EXECUTORS: Mapping[str, approvals.Executor] = {KIND: _execute}
UNDOERS: Mapping[str, approvals.Executor] = {KIND: _undo}


def dry_run(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what giving units up would come to; nothing of it stays, its certificate neither."""
    return rehearse(
        connection,
        caller,
        propose=lambda: propose(connection, caller, body),
        executors=EXECUTORS,
        look=lambda _outcome: {"holdings": held(connection, str(body["account"]))},
    )
