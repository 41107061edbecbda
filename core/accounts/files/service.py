"""Opens tens of thousands of accounts with one file and one decision: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import store
from core.accounts.files.rules import File, with_taken
from core.accounts.rules import OPENINGS_VALID_DAYS
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.callers import MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.refusals import Answer, Refused

KIND = "open_account_file"


def propose(connection: Connection, caller: Caller, file: File) -> Answer | Refused:
    """Apply for every account of the file; the answer names each wrong line of it."""
    refused = refuse_unless(caller, MAKER)
    if refused is not None:
        return refused
    store.lock_numbers(connection)
    codes = {one.credit_code for one in file.applications if one.credit_code is not None}
    errors = with_taken(file, store.taken_codes(connection, codes))
    if errors:
        return Refused.of_lines(errors)
    batch = str(uuid4())
    made = store.apply(connection, file.applications, at=clock.now(connection), batch=batch)
    payload = {
        "batch": batch,
        "sha256": file.sha256,
        "count": len(made),
        "state": "APPLIED",
        "first": made[0].number,
        "last": made[-1].number,
    }
    return approvals.propose(
        connection,
        caller,
        kind=KIND,
        payload={"file": payload},
        subject=f"file {file.sha256[:12]}",
        valid_days=OPENINGS_VALID_DAYS,
    )


def _open(connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any]:
    named = task.payload["file"]
    if store.open_batch(connection, named["batch"], at=clock.now(connection)) != named["count"]:
        raise RuntimeError(f"task {task.id} proposed accounts that are no longer applied for")
    return {"file": {**named, "state": "OPEN"}}


def _turn_down(connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any]:
    named = task.payload["file"]
    store.turn_batch_down(connection, named["batch"])
    return {"file": {**named, "state": "REJECTED"}}


EXECUTORS: Mapping[str, approvals.Executor] = {KIND: _open}
UNDOERS: Mapping[str, approvals.Executor] = {KIND: _turn_down}
