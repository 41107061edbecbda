"""Routes of proposals and the second person who decides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body
from sqlalchemy import Connection
from starlette.responses import Response

from core.api import bodies, views
from core.api.calls import ByAnyone, ByChecker, StrictRoute
from core.api.commands import EXECUTORS, UNDOERS, Command
from core.approvals import service as approvals
from core.approvals.rules import Caller
from core.refusals import Answer, Refused

router = APIRouter(route_class=StrictRoute)


def _approve(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return approvals.approve(connection, caller, body["task"], EXECUTORS)


def _reject(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return approvals.reject(connection, caller, body["task"], body, UNDOERS)


APPROVE = Command(_approve, alone=True)
REJECT = Command(_reject, alone=True)


@router.get("/v1/tasks/{task}", response_model=views.Task, tags=["approvals"])
async def task(call: ByAnyone, task: UUID) -> Response:
    """Show a proposal and what became of it."""
    return await call.read(lambda connection: approvals.get(connection, call.caller, str(task)))


@router.post("/v1/tasks/{task}/approve", response_model=views.Task, tags=["approvals"])
async def approve(call: ByChecker, task: UUID, body: Annotated[bodies.Nothing | None, Body()] = None) -> Response:
    """Carry a proposal out, as a second person."""
    return await call.put(APPROVE, (body or bodies.Nothing()).plain(), task=str(task))


@router.post("/v1/tasks/{task}/reject", response_model=views.Task, tags=["approvals"])
async def reject(call: ByChecker, task: UUID, body: bodies.Reject) -> Response:
    """Turn a proposal down; what it held is free again."""
    return await call.put(REJECT, body.plain(), task=str(task))
