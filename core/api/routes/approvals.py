"""Routes of proposals and the other people who decide them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts.rights import refuse_right
from core.api import bodies, views
from core.api.calls import After, ByAnyone, ByDecider, ByProposer, Call, Limit, StrictRoute, call
from core.api.commands import Command
from core.approvals import service as approvals
from core.callers import HOLDER, SEES_ALL, Caller
from core.executors import EXECUTORS, UNDOERS
from core.refusals import Answer, Refused

router = APIRouter(route_class=StrictRoute)

ByInvolved = Annotated[Call, Depends(call(*SEES_ALL, HOLDER))]


class Tasks(BaseModel):
    """One page, oldest first; ``next`` goes into ``after`` for the page that follows."""

    tasks: list[views.Task]
    next: str | None


def _approve(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return approvals.approve(connection, caller, body["task"], EXECUTORS, rights=refuse_right)


def _reject(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return approvals.reject(connection, caller, body["task"], body, UNDOERS, rights=refuse_right)


def _withdraw(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return approvals.withdraw(connection, caller, body["task"], UNDOERS)


APPROVE = Command(_approve, alone=True)
REJECT = Command(_reject, alone=True)
WITHDRAW = Command(_withdraw, alone=True)


@router.get("/v1/tasks", response_model=Tasks, tags=["approvals"])
async def tasks(
    call: ByInvolved,
    state: Annotated[str | None, Query(examples=["AWAITING_APPROVAL"])] = None,
    kind: Annotated[str | None, Query(pattern="^[a-z_]{1,60}$", examples=["surrender"])] = None,
    account: Annotated[str | None, Query(pattern="^[A-Z0-9-]{1,40}$", examples=[bodies.EMITTER])] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List proposals, oldest first. Somebody of a subject names one of its accounts, or sees what he proposed."""
    page = {"state": state, "kind": kind, "account": account, "after": after, "limit": limit}
    return await call.read(partial(_tasks, caller=call.caller, page=page))


def _tasks(connection: Connection, *, caller: Caller, page: Mapping[str, Any]) -> Answer | Refused:
    return approvals.tasks(connection, caller, page, rights=refuse_right)


@router.get("/v1/tasks/{task}", response_model=views.Task, tags=["approvals"])
async def task(call: ByAnyone, task: UUID) -> Response:
    """Show a proposal and what became of it."""
    return await call.read(partial(_task, caller=call.caller, task=str(task)))


def _task(connection: Connection, *, caller: Caller, task: str) -> Answer | Refused:
    return approvals.get(connection, caller, task, rights=refuse_right)


@router.post("/v1/tasks/{task}/approve", response_model=views.Task, tags=["approvals"])
async def approve(call: ByDecider, task: UUID, body: Annotated[bodies.Nothing | None, Body()] = None) -> Response:
    """Approve a proposal as another person.

    The last reviewer who is needed carries it out; before its time it is DELAYED, and carried out when it is due.
    """
    return await call.put(APPROVE, (body or bodies.Nothing()).plain(), task=str(task))


@router.post("/v1/tasks/{task}/reject", response_model=views.Task, tags=["approvals"])
async def reject(call: ByDecider, task: UUID, body: bodies.Reject) -> Response:
    """Turn a proposal down, or cancel it while it is delayed; what it held is free again."""
    return await call.put(REJECT, body.plain(), task=str(task))


@router.post("/v1/tasks/{task}/withdraw", response_model=views.Task, tags=["approvals"])
async def withdraw(call: ByProposer, task: UUID, body: Annotated[bodies.Nothing | None, Body()] = None) -> Response:
    """Take a proposal back as its proposer, as long as it is not carried out."""
    return await call.put(WITHDRAW, (body or bodies.Nothing()).plain(), task=str(task))
