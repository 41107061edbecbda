"""Changes an account's list of trusted accounts and its own limits; tells what they mean for a move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.rights import refuse_right, visible
from core.accounts.rules import is_registry, refuse_target
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import shown
from core.paging import page
from core.refusals import Answer, Reason, Refused
from core.trust import store
from core.trust.rules import (
    Trusted,
    added_at,
    counts,
    due_at,
    read_control,
    read_number,
    refuse_addition,
    refuse_by_control,
)


@dataclass(frozen=True, slots=True)
class Leave:
    """What the giving account's own rules say of a move: it may be, and when."""

    trusted: bool
    not_before: datetime | None


def judge(connection: Connection, *, giver: str, taker: str, asset: str, amount: int) -> Leave | Refused:
    """Hold a move against what the giving account allows itself, and tell when it may be carried out."""
    now = clock.now(connection)
    trusted = counts(store.find(connection, giver, taker), now)
    refused = refuse_by_control(store.control(connection, giver), asset=asset, amount=amount, trusted=trusted)
    if refused is not None:
        return refused
    return Leave(trusted, None if trusted else due_at(now, clock.calendar(connection).is_trading_day))


def propose_addition(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose an account for the list; it counts from noon of the fourth working day after the approval."""
    account, trusted = read_number(body, "account"), read_number(body, "trusted")
    if isinstance(account, Refused):
        return account
    if isinstance(trusted, Refused):
        return trusted
    refused = _refuse_change(connection, caller, account) or _refuse_addition(connection, account, trusted)
    if refused is not None:
        return refused
    return approvals.propose(
        connection,
        caller,
        kind="trust_account",
        payload={"account": account, "trusted": trusted},
        subject=account,
        accounts=[account, trusted],
        decides=HOLDER,
    )


def remove(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Take an account off the list at once: one person is enough to become more careful."""
    account, trusted = read_number(body, "account"), read_number(body, "trusted")
    if isinstance(account, Refused):
        return account
    if isinstance(trusted, Refused):
        return trusted
    refused = _refuse_change(connection, caller, account)
    if refused is not None:
        return refused
    now = clock.now(connection)
    if not store.remove(connection, account, trusted, at=now):
        return Refused(Reason.NOT_TRUSTED)
    done = {"account": account, "trusted": trusted, "removed_at": shown(now)}
    audit.record(connection, caller=caller.name, action="remove trusted", subject=account, detail=done)
    return Answer(200, done)


def propose_control(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose what the account limits itself to; all limits at once, as they are to be."""
    account = read_number(body, "account")
    if isinstance(account, Refused):
        return account
    refused = _refuse_change(connection, caller, account)
    wanted = refused or read_control(body)
    if isinstance(wanted, Refused):
        return wanted
    return approvals.propose(
        connection,
        caller,
        kind="account_control",
        payload={"account": account, **wanted.body},
        subject=account,
        accounts=[account],
        decides=HOLDER,
    )


def show(connection: Connection, caller: Caller, account: str, *, after: str, limit: int) -> Answer | Refused:
    """Return the account's limits and a page of its list."""
    seen = visible(connection, caller, account)
    if isinstance(seen, Refused):
        return seen
    listed = store.page(connection, account, after=after, limit=limit + 1)
    found, more = page(listed, limit, lambda entry: entry.trusted)
    limits = store.control(connection, account).body
    return Answer(200, {"account": account, "limits": limits, "trusted": [entry.body for entry in found], "next": more})


def _refuse_change(connection: Connection, caller: Caller, account: str) -> Refused | None:
    refused = refuse_unless(caller, MAKER, HOLDER) or refuse_right(connection, caller, account, "maker")
    if refused is not None:
        return refused
    if is_registry(account) or account not in accounts.find(connection, [account]):
        return Refused(Reason.ACCOUNT_UNKNOWN)
    return None


def _refuse_addition(connection: Connection, account: str, trusted: str) -> Refused | None:
    known = accounts.find(connection, [trusted]).get(trusted)
    refused = refuse_target(trusted, known)
    if refused is not None:
        return refused
    return refuse_addition(account, trusted, entry=store.find(connection, account, trusted))


def _add(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    account, trusted = task.payload["account"], task.payload["trusted"]
    refused = _refuse_addition(connection, account, trusted)
    if refused is not None:
        return refused
    effective_at = added_at(clock.now(connection), clock.calendar(connection).is_trading_day)
    store.add(connection, Trusted(account, trusted, effective_at))
    outcome = {"effective_at": shown(effective_at)}
    audit.record(
        connection, caller=caller.name, action="add trusted", subject=account, detail={"trusted": trusted, **outcome}
    )
    return outcome


def _set_control(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    account, wanted = task.payload["account"], approvals.kept(task, read_control)
    store.set_control(connection, account, wanted, at=clock.now(connection))
    audit.record(connection, caller=caller.name, action="set limits", subject=account, detail=wanted.body)
    return {}


EXECUTORS: Mapping[str, approvals.Executor] = {"trust_account": _add, "account_control": _set_control}
