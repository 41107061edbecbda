"""Hands withheld units out to their accounts, when a second person approves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.rules import LINES_MAX, refuse_target
from core.allocation import store
from core.allocation.deductions import store as deductions
from core.allocation.store import Entry, Kept
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import WITHHELD, Transfer, place_of
from core.quantities import Vintage
from core.refusals import Answer, LineError, Reason, Refused
from core.texts import is_plain_text
from core.units import store as units


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose to hand out what a plan keeps back for some accounts."""
    refused = refuse_unless(caller, MAKER) or _refuse_form(body)
    if refused is not None:
        return refused
    number, named = int(body["plan"]), list(body["accounts"])
    shares = _judge(connection, number, named)
    if isinstance(shares, Refused):
        return shares
    payload = {"plan_number": number, "accounts": named, "tonnes": sum(shares.values()), "reason": body["reason"]}
    return approvals.propose(
        connection, caller, kind="release_allocation", payload=payload, subject=f"plan {number}", accounts=named
    )


def _refuse_form(body: Mapping[str, Any]) -> Refused | None:
    named = body.get("accounts")
    if not isinstance(named, list) or not 0 < len(named) <= LINES_MAX:
        return Refused(Reason.MALFORMED, f"accounts: a list of 1 to {LINES_MAX} numbers.")
    if not all(is_plain_text(number, 40) for number in named) or len(set(named)) != len(named):
        return Refused(Reason.MALFORMED, "accounts: account numbers, each once.")
    if not is_plain_text(body.get("reason")):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    return None


def _judge(connection: Connection, number: int, named: list[str]) -> dict[str, int] | Refused:
    """Return what is kept back for each of the accounts, or refuse for every wrong one at once."""
    kept = store.find(connection, number)
    if kept is None:
        return Refused(Reason.PLAN_UNKNOWN)
    waiting, found = store.withheld(connection, number), accounts.find(connection, named)
    errors = []
    for n, account in enumerate(named, start=1):
        refused = refuse_target(account, found.get(account))
        if refused is None and account not in waiting:
            refused = Refused(Reason.LINE_NOT_WITHHELD)
        if refused is not None:
            errors.append(LineError(n, refused.reason, f"{account} {refused.detail}".strip()))
    return Refused.of_lines(errors) if errors else {account: waiting[account] for account in named}


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    deductions.lock(connection)
    number = task.payload["plan_number"]
    shares = _judge(connection, number, list(task.payload["accounts"]))
    kept = store.find(connection, number)
    if isinstance(shares, Refused) or kept is None:
        return shares if isinstance(shares, Refused) else Refused(Reason.PLAN_UNKNOWN)
    _book(connection, kept, shares, task.id)
    entries = [Entry(number, account, "RELEASED", tonnes) for account, tonnes in shares.items()]
    store.insert_entries(connection, entries, cause=number, reference=task.id, at=clock.now(connection))
    outcome = {"released": sum(shares.values())}
    audit.record(connection, caller=caller.name, action="release allocation", subject=f"plan {number}", detail=outcome)
    return outcome


def _book(connection: Connection, kept: Kept, shares: Mapping[str, int], task_id: str) -> None:
    day, source = market_day(clock.now(connection)), place_of(WITHHELD, kept.product)
    transfers = [
        Transfer(f"{task_id}/{n}", source, place_of(account, kept.product), tonnes, "ALLOCATE_RELEASE", task_id)
        for n, (account, tonnes) in enumerate(shares.items(), start=1)
    ]
    ledger.post(connection, transfers, market_day=day)
    units.distribute(
        connection,
        giver=WITHHELD,
        takers=list(shares.items()),
        vintage=Vintage.of_product(kept.product),
        type="ALLOCATE_RELEASE",
        reference=task_id,
        market_day=day,
    )


EXECUTORS: Mapping[str, approvals.Executor] = {"release_allocation": _execute}
