"""Gives and takes the right to act for an account, each by two people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.operators import store
from core.accounts.operators.rules import Wish, decide, read_wish
from core.accounts.rights import refuse_right, visible
from core.accounts.rules import Account, check, is_registry
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import CHECKER, HOLDER, MAKER, Caller
from core.clock import store as clock
from core.refusals import Answer, Reason, Refused

KIND = "account_operator"


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose to give a login a right for an account, or to take it away.

    What somebody of the subject proposes, another of its checkers decides, or the registry; what the registry
    proposes, the registry decides.
    """
    wish = read_wish(body)
    if isinstance(wish, Refused):
        return wish
    refused = refuse_right(connection, caller, wish.account, "maker") or _judge(connection, wish)
    if refused is not None:
        return refused
    return approvals.propose(
        connection,
        caller,
        kind=KIND,
        payload=wish.payload,
        subject=wish.account,
        accounts=[wish.account],
        decides=CHECKER if MAKER in caller.roles else HOLDER,
    )


def _judge(connection: Connection, wish: Wish) -> Refused | None:
    account = _find(connection, wish.account)
    if isinstance(account, Refused):
        return account
    return decide(account, wish, has=wish.right in store.given(connection, wish.account, wish.login))


def _carry_out(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    wish = approvals.kept(task, read_wish)
    accounts.lock(connection, [wish.account])
    refused = _judge(connection, wish)
    if refused is not None:
        return refused
    change = store.grant if wish.gives else store.revoke
    change(connection, wish.account, wish.login, wish.right, at=clock.now(connection), by=caller.name)
    audit.record(connection, caller=caller.name, action="operator", subject=wish.account, detail=wish.payload)
    return {"operators": [one.body for one in store.operators(connection, wish.account)]}


EXECUTORS: Mapping[str, approvals.Executor] = {KIND: _carry_out}


def show(connection: Connection, caller: Caller, number: str, *, past: bool = False) -> Answer | Refused:
    """Return who may act for an account; with ``past`` those of before as well."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    if is_registry(number):
        return Refused(Reason.ACCOUNT_UNKNOWN)
    found = store.operators(connection, number, past=past)
    return Answer(200, {"account": number, "operators": [one.body for one in found]})


def own(connection: Connection, caller: Caller) -> Answer:
    """Return the accounts that the caller serves, with the rights for each."""
    served = [
        {"account": number, "rights": sorted(store.given(connection, number, caller.name))}
        for number in store.accounts_of(connection, caller.name)
    ]
    return Answer(200, {"login": caller.name, "accounts": served})


def _find(connection: Connection, number: str) -> Account | Refused:
    found = accounts.find(connection, [number]).get(number) if check(number) else None
    return found if found is not None and not is_registry(number) else Refused(Reason.ACCOUNT_UNKNOWN)
