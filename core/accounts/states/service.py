"""Changes accounts' states by two people; what takes a direction of trading away waits until the exchange knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.rights import refuse_right, visible
from core.accounts.rules import CLOSED, CLOSURE_PENDING, EVERYTHING, RESTRICTION_PENDING, Account, check, is_registry
from core.accounts.states import store
from core.accounts.states.rules import (
    Action,
    Change,
    Standing,
    decide,
    must_know,
    must_know_before,
    read_change,
)
from core.accounts.states.store import NO_TASK, Entry
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import CHECKER, HOLDER, MAKER, Caller
from core.clock import store as clock
from core.clock.rules import market_time
from core.ledger import store as ledger
from core.outbox import store as outbox
from core.outbox.store import Message
from core.refusals import Answer, Reason, Refused
from core.units import store as units

KIND = "account_state"
NOTICE = "restriction"
"""Topic of the outbox rows that tell the exchange what an account may no longer do, or may do again."""

BY_HOLDER = frozenset({Action.RESTRICT, Action.CLOSE})
"""What somebody of the subject may ask for; only the registry lifts what it may have imposed."""


def propose_change(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose a change of an account's state; nothing happens before a second person agrees."""
    change = read_change(body)
    if isinstance(change, Refused):
        return change
    judged = _refuse_proposer(connection, caller, change) or _judge(
        connection, change, find_subject(connection, change.account)
    )
    if isinstance(judged, Refused):
        return judged
    own = change.action is Action.RESTRICT and MAKER not in caller.roles
    return approvals.propose(
        connection,
        caller,
        kind=KIND,
        payload=change.payload,
        subject=change.account,
        accounts=[change.account],
        decides=HOLDER if own else CHECKER,
    )


def _refuse_proposer(connection: Connection, caller: Caller, change: Change) -> Refused | None:
    if MAKER in caller.roles:
        return None
    if HOLDER in caller.roles and change.action in BY_HOLDER:
        return refuse_right(connection, caller, change.account, "maker")
    return Refused(Reason.NOT_PERMITTED, f"The registry's makers may {change.action.value} an account.")


def find_subject(connection: Connection, number: str, *, lock: bool = False) -> Account | Refused:
    """Return a subject's account."""
    if not check(number):
        return Refused(Reason.NUMBER_INVALID)
    found = (accounts.lock if lock else accounts.find)(connection, [number]).get(number)
    return found if found is not None and not is_registry(number) else Refused(Reason.ACCOUNT_UNKNOWN)


def _judge(
    connection: Connection, change: Change, account: Account | Refused, *, task: str = NO_TASK
) -> Standing | Refused:
    if isinstance(account, Refused):
        return account
    after = decide(account, change)
    if isinstance(after, Standing) and change.action is Action.CLOSE:
        return refuse_unless_empty(connection, account.number, but=task) or after
    return after


def refuse_unless_empty(connection: Connection, number: str, *, but: str = NO_TASK) -> Refused | None:
    """Refuse to close an account that has anything left, in either accounting, at the exchange or on a desk."""
    held = [f"{b.amount} {b.asset} {b.bucket}" for b in ledger.balances(connection, [number]) if b.amount]
    held += [f"{block.tonnes} t in serial numbers" for block in units.holdings(connection, number)]
    if held:
        return Refused(Reason.ACCOUNT_NOT_EMPTY, f"It holds {'; '.join(held[:5])}.")
    if store.holds_at_exchange(connection, number):
        return Refused(Reason.ACCOUNT_NOT_EMPTY, "A day is not delivered yet.")
    waiting = store.open_tasks(connection, number, but=but)
    return Refused(Reason.ACCOUNT_BUSY, f"{waiting} open.") if waiting else None


def _carry_out(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    change = approvals.kept(task, read_change)
    return enact(connection, change, proposed_by=task.proposed_by, decided_by=caller.name, task=task.id)


EXECUTORS: Mapping[str, approvals.Executor] = {KIND: _carry_out}


def enact(
    connection: Connection, change: Change, *, proposed_by: str, decided_by: str, task: str | None = None
) -> Mapping[str, Any] | Refused:
    """Carry out what two people have decided: at once, or, while the account may trade, once the exchange knows."""
    account = find_subject(connection, change.account, lock=True)
    if isinstance(account, Refused):
        return account
    after = _judge(connection, change, account, task=task or NO_TASK)
    if isinstance(after, Refused):
        return after
    before, task = Standing.of(account), task or str(uuid4())
    waits = must_know_before(before, after) and store.may_trade_now(connection, account.number)
    shown = after
    if waits and after.state == CLOSED:
        store.set_closing(connection, account.number, task=task)
        shown = Standing(CLOSURE_PENDING, before.restriction)
    elif waits:
        store.set_pending(connection, account.number, after, task=task)
        shown = Standing(RESTRICTION_PENDING, after.restriction)
    else:
        store.set_state(connection, account.number, after)
    at = clock.now(connection)
    entry = Entry(account.state, shown.state, after.restriction, change.reason, proposed_by, decided_by, task, at)
    store.note(connection, account.number, entry)
    if must_know(before, after):
        _tell(connection, account.number, _effect(account, after), task)
    detail = {"action": change.action.value, "from": account.state, "to": shown.state, "reason": change.reason}
    audit.record(connection, caller=decided_by, action="account state", subject=account.number, detail=detail)
    return _seen(connection, account.number)


def _seen(connection: Connection, number: str) -> dict[str, Any]:
    return {"account": number, "now": accounts.find(connection, [number])[number].body}


def _effect(account: Account, standing: Standing) -> str:
    """Say what the exchange is to know: whatever a blocked account's state becomes, nothing of it trades."""
    return EVERYTHING if account.blocked is not None else standing.effect


def _tell(connection: Connection, number: str, effect: str, task: str) -> None:
    """Leave a notice for the exchange; who settles delivers it."""
    store.forget_notice(connection, number)
    since = market_time(clock.now(connection)).isoformat()
    payload = {"account": number, "effect": effect, "from": since, "task": task}
    outbox.put(connection, NOTICE, f"{number}:{task}:{effect}", payload)


def acknowledged(
    connection: Connection, message: Message, *, day: date | None, last_seq: int | None, worker: str
) -> bool:
    """The exchange knows: what waited for that takes effect, in the transaction that marks the notice.

    Trades of ``day`` up to ``last_seq`` were made before. False when another worker has noted it.
    """
    number, task = str(message.payload["account"]), str(message.payload["task"])
    account = accounts.lock(connection, [number])[number]
    waiting = outbox.waiting(connection, NOTICE)
    if all(one.id != message.id for one in waiting):
        return False
    outbox.delivered(connection, message)
    at = clock.now(connection)
    if all(one.id <= message.id or one.payload["account"] != number for one in waiting):
        store.note_notice(connection, number, at=at)
    if store.pending_task(connection, number) == task:
        if day is not None and last_seq is not None:
            store.note_last_trade(connection, number, day, last_seq)
        _take_effect(connection, account, task)
        detail = {"task": task, "effect": message.payload["effect"]}
        audit.record(connection, caller=worker, action="exchange knows", subject=number, detail=detail)
    return True


def _take_effect(connection: Connection, account: Account, task: str) -> None:
    decided = [entry for entry in store.history(connection, account.number) if entry.task == task][-1]
    after, reason = Standing(account.pending_state or account.state, account.pending_restriction), decided.reason
    if account.state == CLOSURE_PENDING:
        left = refuse_unless_empty(connection, account.number)
        if left is not None:  # something arrived meanwhile: the account goes on as it was before
            after, reason = Standing(decided.state_before, account.restriction), f"not closed: {left.detail}"
            _tell(connection, account.number, _effect(account, after), task)
    store.set_state(connection, account.number, after)
    shown = RESTRICTION_PENDING if account.state != CLOSURE_PENDING else CLOSURE_PENDING
    at = clock.now(connection)
    people = (decided.proposed_by, decided.decided_by)
    store.note(connection, account.number, Entry(shown, after.state, after.restriction, reason, *people, task, at))


def block(connection: Connection, numbers: Collection[str], *, why: str, by: str) -> list[str]:
    """Stop everything on accounts whose accountings differ, at once; return those that were not blocked before."""
    return _set_blocked(connection, numbers, why, by)


def unblock(connection: Connection, numbers: Collection[str], *, by: str) -> list[str]:
    """Let accounts go whose difference two people have cleared; return those that were blocked."""
    return _set_blocked(connection, numbers, None, by)


def keep_blocked(connection: Connection, number: str, *, why: str, by: str) -> None:
    """Leave an account blocked for another reason; for the exchange nothing changes."""
    accounts.lock(connection, [number])
    if store.set_reason(connection, number, why):
        audit.record(connection, caller=by, action="block", subject=number, detail={"why": why})


def _set_blocked(connection: Connection, numbers: Collection[str], why: str | None, by: str) -> list[str]:
    locked = accounts.lock(connection, numbers)
    changed = store.set_blocked(connection, numbers, why)
    for number in changed:
        if not is_registry(number):
            effect = EVERYTHING if why else Standing.decided(locked[number]).effect
            _tell(connection, number, effect, str(uuid4()))
        detail = {"why": why} if why else {}
        audit.record(connection, caller=by, action="block" if why else "unblock", subject=number, detail=detail)
    return changed


def history(connection: Connection, caller: Caller, number: str) -> Answer | Refused:
    """Return every change of an account's state with reason and people."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    if is_registry(number):
        return Refused(Reason.ACCOUNT_UNKNOWN)
    told = account.exchange_notified_at
    return Answer(
        200,
        {
            "account": number,
            "state": account.shown_state,
            "restriction": account.stopped,
            "exchange_notified_at": market_time(told).isoformat() if told else None,
            "changes": [entry.body for entry in store.history(connection, number)],
        },
    )
