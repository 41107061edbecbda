"""Routes of accounts' states: restrict, suspend, close, and the history of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts import service as accounts
from core.accounts.states import service as states
from core.accounts.states.rules import Action
from core.api import bodies, etag, views
from core.api.calls import ByAnyone, ByProposer, Call, Number, StrictRoute
from core.api.commands import Command
from core.callers import Caller
from core.refusals import Answer, Refused

router = APIRouter(route_class=StrictRoute)


class ChangeState(bodies.Body):
    """Why an account's state is to change."""

    reason: bodies.Text = Field(examples=["Investigation 2021-17"])


class Restrict(ChangeState):
    """What is to move no more, and why."""

    restriction: bodies.Text = Field(examples=["out"], description="in, out or all")


class StateChange(BaseModel):
    """One line of an account's history."""

    state_before: str
    state: str
    restriction: str | None
    reason: str
    proposed_by: str
    decided_by: str
    task: str | None
    at: str


class States(BaseModel):
    """An account's state now and every change of it, oldest first."""

    account: str
    state: str
    restriction: str | None
    exchange_notified_at: str | None
    changes: list[StateChange]


def _now(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return accounts.get(connection, caller, body["account"])


CHANGE_STATE = Command(etag.guarded(states.propose_change, _now), alone=True)


PROPOSAL: dict[str, Any] = {
    "status_code": 202,
    "response_model": views.Task,
    "responses": etag.CHANGED,
    "tags": ["accounts"],
}


@router.post("/v1/accounts/{number}/restrict", **PROPOSAL)
async def restrict(call: ByProposer, number: Number, body: Restrict, if_match: etag.IfMatch = None) -> Response:
    """Propose that units may no longer move in, out or both.

    A second person decides. While the account may trade, the exchange is told first: until it has acknowledged, the
    account shows RESTRICTION_PENDING.
    """
    return await _propose(call, number, Action.RESTRICT, body, if_match)


@router.post("/v1/accounts/{number}/unrestrict", **PROPOSAL)
async def unrestrict(call: ByProposer, number: Number, body: ChangeState, if_match: etag.IfMatch = None) -> Response:
    """Propose to lift a restriction; a second person decides."""
    return await _propose(call, number, Action.UNRESTRICT, body, if_match)


@router.post("/v1/accounts/{number}/suspend", **PROPOSAL)
async def suspend(call: ByProposer, number: Number, body: ChangeState, if_match: etag.IfMatch = None) -> Response:
    """Propose to stop an account altogether; a second person decides.

    While the account may trade, the exchange is told first, and the account shows RESTRICTION_PENDING until then.
    """
    return await _propose(call, number, Action.SUSPEND, body, if_match)


@router.post("/v1/accounts/{number}/resume", **PROPOSAL)
async def resume(call: ByProposer, number: Number, body: ChangeState, if_match: etag.IfMatch = None) -> Response:
    """Propose to let a suspended account go on as before; a second person decides."""
    return await _propose(call, number, Action.RESUME, body, if_match)


@router.post("/v1/accounts/{number}/close", **PROPOSAL)
async def close(call: ByProposer, number: Number, body: ChangeState, if_match: etag.IfMatch = None) -> Response:
    """Propose to close an account that has nothing left; a second person decides.

    While the account may trade, the exchange is told first, and the account shows CLOSURE_PENDING until then.
    """
    return await _propose(call, number, Action.CLOSE, body, if_match)


async def _propose(call: Call, number: str, action: Action, body: ChangeState, if_match: str | None) -> Response:
    named = {"account": number, "action": action.value, **etag.named(if_match)}
    return await call.put(CHANGE_STATE, body.plain(), **named)


@router.get("/v1/accounts/{number}/states", response_model=States, responses=etag.NOT_MODIFIED, tags=["accounts"])
async def state_history(call: ByAnyone, number: Number, if_none_match: etag.IfNoneMatch = None) -> Response:
    """Show every change of an account's state: why, proposed and decided by whom, told to the exchange when."""
    return await etag.read(call, lambda c: states.history(c, call.caller, number), if_none_match)
