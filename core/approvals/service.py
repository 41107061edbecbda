"""Proposals wait here for a second person; the layer above says what each kind of task does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from core.approvals import store
from core.approvals.rules import (
    APPROVED,
    AWAITING,
    REJECTED,
    Caller,
    Task,
    is_plain_text,
    refuse_decision,
)
from core.audit import store as audit
from core.clock import store as clock
from core.refusals import Answer, Reason, Refused

Executor = Callable[[Connection, Caller, Task], Mapping[str, Any] | Refused]
"""Carries a task out, or takes it back, and returns the outcome; when it refuses it has written nothing."""


def propose(connection: Connection, caller: Caller, *, kind: str, payload: Mapping[str, Any], subject: str) -> Answer:
    """Keep a proposal that the calling service has checked; the answer is the task, not yet done."""
    task = Task(str(uuid4()), kind, payload, AWAITING, caller.name, clock.now(connection))
    store.insert(connection, task)
    audit.record(connection, caller=caller.name, action=f"propose {kind}", subject=subject, detail={"task": task.id})
    return Answer(202, task.body, {"Location": f"/v1/tasks/{task.id}"})


def get(connection: Connection, _caller: Caller, task_id: str) -> Answer | Refused:
    """Return a task with its state and outcome."""
    number = _uuid(task_id)
    task = store.find(connection, number) if number is not None else None
    return Answer(200, task.body) if task is not None else Refused(Reason.TASK_UNKNOWN)


def approve(
    connection: Connection, caller: Caller, task_id: str, executors: Mapping[str, Executor]
) -> Answer | Refused:
    """Carry the task out as the second person; a refusal leaves the task waiting."""
    task = _locked(connection, task_id)
    refused = refuse_decision(task, caller)
    if refused is not None or task is None:
        return refused or Refused(Reason.TASK_UNKNOWN)
    outcome = executors[task.kind](connection, caller, task)
    if isinstance(outcome, Refused):
        return outcome
    return _decided(connection, caller, task, state=APPROVED, outcome=outcome)


def reject(
    connection: Connection, caller: Caller, task_id: str, body: Mapping[str, Any], undoers: Mapping[str, Executor]
) -> Answer | Refused:
    """Turn the task down with a reason; what the proposal held is released."""
    task = _locked(connection, task_id)
    refused = refuse_decision(task, caller)
    if refused is not None or task is None:
        return refused or Refused(Reason.TASK_UNKNOWN)
    reason = body.get("reason")
    if not is_plain_text(reason, 500):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    undo = undoers.get(task.kind)
    undone = undo(connection, caller, task) if undo is not None else {}
    if isinstance(undone, Refused):
        return undone
    return _decided(connection, caller, task, state=REJECTED, outcome={**undone, "reason": reason})


def _decided(connection: Connection, caller: Caller, task: Task, *, state: str, outcome: Mapping[str, Any]) -> Answer:
    at = clock.now(connection)
    store.decide(connection, task.id, state=state, by=caller.name, at=at, outcome=outcome)
    detail = {"kind": task.kind, "proposed_by": task.proposed_by}
    audit.record(connection, caller=caller.name, action=state.lower(), subject=task.id, detail=detail)
    return Answer(200, replace(task, state=state, decided_by=caller.name, decided_at=at, outcome=outcome).body)


def _locked(connection: Connection, task_id: str) -> Task | None:
    number = _uuid(task_id)
    return store.lock(connection, number) if number is not None else None


def _uuid(task_id: str) -> UUID | None:
    try:
        return UUID(task_id)
    except ValueError:
        return None
