"""Proposals wait here for other people; the layer above says what each kind of task does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection

from core.approvals import store
from core.approvals.rules import (
    APPROVED,
    AWAITING,
    CANCELLED,
    DELAYED,
    EITHER,
    EXPIRED,
    REJECTED,
    STATES,
    TERMINATED,
    VALID_DAYS,
    WITHDRAWN,
    Decision,
    Task,
    approvable,
    expiry_of,
    rejectable,
    withdrawable,
)
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, CHECKER, HOLDER, SEES_ALL, Caller, Right
from core.clock import store as clock
from core.clock.rules import market_day
from core.paging import page as cut
from core.paging import read_cursor
from core.refusals import Answer, Reason, Refused, RefusedError
from core.texts import is_plain_text

Executor = Callable[[Connection, Caller, Task], Mapping[str, Any] | Refused]
"""Carries a task out, or takes it back, and returns the outcome; when it refuses it has written nothing.

The caller is who decided last; for a task that was delayed or expired, the process that noticed that it is due.
"""

Kept = TypeVar("Kept")

Rights = Callable[[Connection, Caller, str, Right], Refused | None]
"""Refuses a caller who has not the right (view, maker, checker) for an account."""


class UnreadableTaskError(Exception):
    """A task holds what the service that kept it does not read any more."""


def propose(  # noqa: PLR0913  # all by name, and nearly all have a default
    connection: Connection,
    caller: Caller,
    *,
    kind: str,
    payload: Mapping[str, Any],
    subject: str,
    accounts: Sequence[str] = (),
    decides: str = CHECKER,
    reviews: int = 1,
    not_before: datetime | None = None,
    valid_days: int = VALID_DAYS,
) -> Answer:
    """Keep a proposal that the calling service has checked; the answer is the task, not yet done.

    ``accounts`` are those concerned; when ``subject`` is one of them, it is the one acted for. ``decides`` is CHECKER,
    AUTHORITY_CHECKER (of the province of all accounts, or of the ministry), EITHER of them, or HOLDER (a checker of
    the account acted for, or the registry's). Approved before ``not_before``, the task waits as DELAYED and is
    carried out when it is due. What is not decided within ``valid_days`` working days expires.
    """
    now = clock.now(connection)
    task = Task(
        str(uuid4()),
        kind,
        payload,
        AWAITING,
        caller.name,
        now,
        accounts=tuple(accounts),
        acted_for=subject if subject in accounts else None,
        decides=decides,
        reviews=reviews,
        not_before=not_before,
        expires_at=expiry_of(now, clock.calendar(connection).is_trading_day, days=valid_days),
    )
    store.insert(connection, task)
    audit.record(connection, caller=caller.name, action=f"propose {kind}", subject=subject, detail={"task": task.id})
    return Answer(202, task.body, {"Location": f"/v1/tasks/{task.id}"})


def kept(task: Task, read: Callable[[Mapping[str, Any]], Kept | Refused]) -> Kept:
    """Read again what a task holds, by what read it when it was proposed.

    That it cannot be read any more is a fault of ours, never an answer about what the caller asks.
    """
    found = read(task.payload)
    if isinstance(found, Refused):
        raise UnreadableTaskError(f"task {task.id} holds no {task.kind} that can be read: {found}")
    return found


def get(connection: Connection, caller: Caller, task_id: str, *, rights: Rights | None = None) -> Answer | Refused:
    """Return a task with its state and outcome; somebody of a subject sees his own and his accounts' only."""
    number = _uuid(task_id)
    task = store.find(connection, number) if number is not None else None
    if task is None or not _sees(connection, caller, task, rights):
        return Refused(Reason.TASK_UNKNOWN)
    return Answer(200, task.body)


def _sees(connection: Connection, caller: Caller, task: Task, rights: Rights | None) -> bool:
    if HOLDER not in caller.roles or caller.roles.intersection(SEES_ALL) or task.proposed_by == caller.name:
        return True
    account = task.acted_for
    return account is not None and rights is not None and rights(connection, caller, account, "view") is None


def tasks(
    connection: Connection, caller: Caller, page: Mapping[str, Any], *, rights: Rights | None = None
) -> Answer | Refused:
    """Return a page of tasks, oldest first; somebody of a subject names an account, or sees what he proposed."""
    state, account, after = page.get("state"), page.get("account"), read_cursor(page.get("after") or "")
    if state is not None and state not in STATES:
        return Refused(Reason.MALFORMED, f"state: one of {', '.join(STATES)}.")
    if isinstance(after, Refused):
        return after
    wanted = store.Wanted(state=state, kind=page.get("kind"), account=account)
    if not caller.roles.intersection(SEES_ALL):
        refused = rights(connection, caller, account, "view") if account is not None and rights is not None else None
        if refused is not None:
            return refused
        wanted = replace(wanted, acted_for=account) if account is not None else replace(wanted, proposer=caller.name)
    limit = page["limit"]
    listed = store.page(connection, wanted, after=after[0], limit=limit + 1)
    found, more = cut(listed, limit, lambda task: task.ordinal)
    return Answer(200, {"tasks": [task.body for task in found], "next": more})


def approve(
    connection: Connection,
    caller: Caller,
    task_id: str,
    executors: Mapping[str, Executor],
    *,
    rights: Rights | None = None,
) -> Answer | Refused:
    """Approve as another person; the last one who is needed carries the task out, or lets it wait for its time.

    A refusal leaves the task waiting.
    """
    found, now = _locked(connection, task_id), clock.now(connection)
    task = approvable(found, caller, now=now, **_standing(connection, caller, found, rights))
    if isinstance(task, Refused):
        return task
    if len(task.approvers) + 1 < task.reviews:
        return _said(connection, task, Decision(caller.name, now, "approve"), "review")
    if task.not_before is not None and now < task.not_before:
        said = Decision(caller.name, now, "approve")
        return _decided(connection, task, said, state=DELAYED, outcome=None)
    outcome = executors[task.kind](connection, caller, task)
    if isinstance(outcome, Refused):
        return outcome
    return _decided(connection, task, Decision(caller.name, now, "approve"), state=APPROVED, outcome=outcome)


def reject(
    connection: Connection,
    caller: Caller,
    task_id: str,
    body: Mapping[str, Any],
    undoers: Mapping[str, Executor],
    *,
    rights: Rights | None = None,
) -> Answer | Refused:
    """Turn the task down with a reason, or stop it while it is delayed; what the proposal held is released."""
    found, now = _locked(connection, task_id), clock.now(connection)
    task = rejectable(found, caller, **_standing(connection, caller, found, rights))
    if isinstance(task, Refused):
        return task
    reason = body.get("reason")
    if not is_plain_text(reason, 500):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    state, verdict = (REJECTED, "reject") if task.state == AWAITING else (CANCELLED, "cancel")
    return _undone(connection, caller, task, undoers, Decision(caller.name, now, verdict), state, {"reason": reason})


def withdraw(connection: Connection, caller: Caller, task_id: str, undoers: Mapping[str, Executor]) -> Answer | Refused:
    """Take a proposal back as its proposer, as long as it is not carried out."""
    task = withdrawable(_locked(connection, task_id), caller)
    if isinstance(task, Refused):
        return task
    said = Decision(caller.name, clock.now(connection), "withdraw")
    return _undone(connection, caller, task, undoers, said, WITHDRAWN, {})


def _undone(
    connection: Connection,
    caller: Caller,
    task: Task,
    undoers: Mapping[str, Executor],
    said: Decision,
    state: str,
    facts: Mapping[str, Any],
) -> Answer | Refused:
    undo = undoers.get(task.kind)
    undone = undo(connection, caller, task) if undo is not None else {}
    if isinstance(undone, Refused):
        return undone
    return _decided(connection, task, said, state=state, outcome={**undone, **facts})


def due(connection: Connection, *, limit: int = 100) -> Sequence[str]:
    """Name tasks whose time has come: delayed ones to carry out, waiting ones to expire."""
    return store.due(connection, now=clock.now(connection), limit=limit)


def settle(
    connection: Connection,
    worker: Caller,
    task_id: str,
    *,
    executors: Mapping[str, Executor],
    undoers: Mapping[str, Executor],
) -> str | None:
    """Do what the time has come for with one task, and return its new state; None when another worker has.

    A delayed task that can no longer be carried out is TERMINATED with the code of the refusal, and undone.
    """
    task, now = _locked(connection, task_id), clock.now(connection)
    if task is None:
        return None
    if task.state == AWAITING and task.expires_at is not None and task.expires_at <= now:
        return _end(connection, worker, task, undoers, state=EXPIRED, facts={})
    if task.state != DELAYED or task.not_before is None or now < task.not_before:
        return None
    outcome = _attempt(connection, worker, task, executors[task.kind])
    if isinstance(outcome, Refused):
        facts = {"code": outcome.reason.code, "sentence": outcome.reason.sentence, "detail": outcome.detail}
        return _end(connection, worker, task, undoers, state=TERMINATED, facts=facts)
    return _close(connection, worker, task, state=APPROVED, outcome=outcome)


def _attempt(connection: Connection, worker: Caller, task: Task, executor: Executor) -> Mapping[str, Any] | Refused:
    try:
        return executor(connection, worker, task)
    except RefusedError as error:
        return error.refused


def _end(
    connection: Connection,
    worker: Caller,
    task: Task,
    undoers: Mapping[str, Executor],
    *,
    state: str,
    facts: Mapping[str, Any],
) -> str:
    undo = undoers.get(task.kind)
    undone = undo(connection, worker, task) if undo is not None else {}
    if isinstance(undone, Refused):
        raise RefusedError(undone)  # what a proposal holds can always be released: this is a fault, and tried again
    return _close(connection, worker, task, state=state, outcome={**undone, **facts})


def _close(connection: Connection, worker: Caller, task: Task, *, state: str, outcome: Mapping[str, Any]) -> str:
    store.decide(connection, task.id, state=state, by=None, at=clock.now(connection), outcome=outcome)
    detail = {"kind": task.kind, "proposed_by": task.proposed_by, "approved_by": sorted(task.approvers)}
    audit.record(connection, caller=worker.name, action=state.lower(), subject=task.id, detail=detail)
    return state


def _said(connection: Connection, task: Task, said: Decision, action: str) -> Answer:
    store.say(connection, task, said)
    detail = {"kind": task.kind, "proposed_by": task.proposed_by, "verdict": said.verdict}
    audit.record(connection, caller=said.by, action=action, subject=task.id, detail=detail)
    return Answer(200, replace(task, decisions=(*task.decisions, said)).body)


def _decided(
    connection: Connection, task: Task, said: Decision, *, state: str, outcome: Mapping[str, Any] | None
) -> Answer:
    by = said.by if said.verdict != "withdraw" else task.decided_by
    store.decide(connection, task.id, state=state, by=by, at=said.at, outcome=outcome)
    decided = replace(task, state=state, decided_by=by, decided_at=said.at, outcome=outcome)
    return _said(connection, decided, said, state.lower())


def _standing(connection: Connection, caller: Caller, task: Task | None, rights: Rights | None) -> dict[str, Any]:
    """Look up what decides whether the caller may decide: whose firms these are, and what he may do for them."""
    if task is None or not task.accounts:
        return {}
    if task.decides in (AUTHORITY_CHECKER, EITHER):
        day = market_day(clock.now(connection))
        return {"provinces": store.provinces(connection, task.accounts, day=day)}
    if task.decides == HOLDER and HOLDER in caller.roles and rights is not None and task.acted_for is not None:
        return {"as_holder": rights(connection, caller, task.acted_for, "checker") is None}
    return {}


def _locked(connection: Connection, task_id: str) -> Task | None:
    number = _uuid(task_id)
    return store.lock(connection, number) if number is not None else None


def _uuid(task_id: str) -> UUID | None:
    try:
        return UUID(task_id)
    except ValueError:
        return None
