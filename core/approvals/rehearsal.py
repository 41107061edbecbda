"""Tells what a proposal would come to: it is proposed, carried out by a second person, and all of it undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from core.approvals import store
from core.approvals.service import Executor
from core.callers import Caller
from core.refusals import Answer, Refused, RefusedError


def rehearse(
    connection: Connection,
    caller: Caller,
    *,
    propose: Callable[[], Answer | Refused],
    executors: Mapping[str, Executor],
    look: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Answer | Refused:
    """Return what ``look`` sees after the proposal was carried out, or the refusal that the real run would meet.

    It is the same code on the same data, inside a savepoint that is always rolled back: so it cannot differ from the
    real run, except for what others do in between.
    """
    savepoint = connection.begin_nested()
    try:
        return _played(connection, caller, propose, executors, look)
    except RefusedError as error:
        return error.refused
    finally:
        savepoint.rollback()


def _played(
    connection: Connection,
    caller: Caller,
    propose: Callable[[], Answer | Refused],
    executors: Mapping[str, Executor],
    look: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Answer | Refused:
    proposed = propose()
    if isinstance(proposed, Refused):
        return proposed
    task = store.find(connection, UUID(str(proposed.body["id"])))
    if task is None:
        raise RuntimeError("a proposal that was just made is not there")
    second = Caller(f"second to {caller.name}", frozenset())
    outcome = executors[task.kind](connection, second, task)
    if isinstance(outcome, Refused):
        return outcome
    return foreseen(task.kind, outcome, **look(outcome))


def foreseen(kind: str, outcome: Mapping[str, Any], **beside: Any) -> Answer:
    """Word what a dry run saw: every one is answered in this form, with what else helps to judge it beside."""
    return Answer(200, {"dry_run": True, "kind": kind, "outcome": dict(outcome), **beside})
