"""Surrender in two steps: held on application, handed in when the authority's person approves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.accounts.rules import Side
from core.approvals import service as approvals
from core.approvals.rules import MAKER, Caller, Task, refuse_unless
from core.audit import store as audit
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import PENDING_SURRENDER, SURRENDERED, Place, Transfer, place_of
from core.refusals import Answer, Refused
from core.surrender.rules import Application, decide, read_application
from core.units import store as units


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Apply to hand units in; they are held at once and handed in on approval.

    Once the exchange trades on the account's opening data, its units may be sold at any moment: then it must wait.
    Before trading starts it need not: the exchange is then sent a new version of the opening data before it opens.
    """
    application = refuse_unless(caller, MAKER) or read_application(body)
    if isinstance(application, Refused):
        return application
    tonnes = _decide(connection, application)
    if isinstance(tonnes, Refused):
        return tonnes
    day, hold = market_day(clock.now(connection)), str(uuid4())
    _book(connection, hold, _available(application), _pending(application), tonnes, "SURRENDER_HOLD", hold, day)
    payload = {
        "account": application.account,
        "product": application.product,
        "tonnes": tonnes,
        "year": application.year,
        "hold": hold,
    }
    return approvals.propose(connection, caller, kind="surrender", payload=payload, subject=application.account)


def _decide(connection: Connection, application: Application) -> int | Refused:
    available, pending = _available(application), _pending(application)
    held = ledger.lock_balances(connection, [available, pending])
    found = accounts_store.find(connection, [application.account])
    return decide(
        application,
        source=Side(found.get(application.account), held[available]),
        pending=held[pending],
        trading=accounts_store.may_be_sold(connection, application.account),
        known_product=held[available] > 0 or accounts.is_known(connection, application.product),
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    application, day = _kept(task), market_day(clock.now(connection))
    taker = place_of(SURRENDERED, application.product)
    _book(connection, task.id, _pending(application), taker, application.tonnes, "SURRENDER", task.id, day)
    if application.vintage is None:
        raise TypeError(f"task {task.id} names no product")
    moved = units.move(
        connection,
        giver=application.account,
        taker=SURRENDERED,
        vintage=application.vintage,
        tonnes=application.tonnes,
        type="SURRENDER",
        reference=task.id,
        market_day=day,
    )
    outcome = {"surrendered": application.tonnes, "serials": [str(block) for block in moved]}
    audit.record(connection, caller=caller.name, action="surrender", subject=application.account, detail=outcome)
    return outcome


def _release(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    application, day = _kept(task), market_day(clock.now(connection))
    back = (_pending(application), _available(application))
    _book(connection, task.id, *back, application.tonnes, "SURRENDER_RELEASE", task.id, day)
    outcome = {"released": application.tonnes}
    audit.record(connection, caller=caller.name, action="release hold", subject=application.account, detail=outcome)
    return outcome


def _kept(task: Task) -> Application:
    application = read_application(task.payload)
    if isinstance(application, Refused):
        raise TypeError(f"task {task.id} holds no application: {application}")
    return application


def _available(application: Application) -> Place:
    return place_of(application.account, application.product)


def _pending(application: Application) -> Place:
    return place_of(application.account, application.product, PENDING_SURRENDER)


def _book(
    connection: Connection,
    number: str,
    debit: Place,
    credit: Place,
    tonnes: int,
    kind: str,
    reference: str,
    day: date,
) -> None:
    ledger.post(connection, [Transfer(number, debit, credit, tonnes, kind, reference)], market_day=day)


EXECUTORS: Mapping[str, approvals.Executor] = {"surrender": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {"surrender": _release}
