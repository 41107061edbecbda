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
from core.api import bodies, etag, views
from core.api.calls import ByAnyone, ByProposer, Number, StrictRoute
from core.api.commands import Command
from core.callers import Caller
from core.refusals import Answer, Refused

router = APIRouter(route_class=StrictRoute)


class ChangeState(bodies.Body):
    """A change of an account's state, with the reason for it."""

    action: bodies.Text = Field(examples=["restrict"], description="restrict, unrestrict, suspend, resume, close")
    reason: bodies.Text = Field(examples=["Investigation 2021-17"])
    restriction: bodies.Text | None = Field(
        None, examples=["out"], description="in, out or all; only where the action is restrict"
    )


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


@router.post(
    "/v1/accounts/{number}/state",
    status_code=202,
    response_model=views.Task,
    responses=etag.CHANGED,
    tags=["accounts"],
)
async def change_state(call: ByProposer, number: Number, body: ChangeState, if_match: etag.IfMatch = None) -> Response:
    """Propose to restrict, suspend, resume or close an account.

    A second person decides. What takes a direction of trading away while the account may trade is told to the
    exchange first: until it has acknowledged, the account shows RESTRICTION_PENDING (or CLOSURE_PENDING).
    """
    return await call.put(CHANGE_STATE, body.plain(), account=number, **etag.named(if_match))


@router.get("/v1/accounts/{number}/states", response_model=States, responses=etag.NOT_MODIFIED, tags=["accounts"])
async def state_history(call: ByAnyone, number: Number, if_none_match: etag.IfNoneMatch = None) -> Response:
    """Show every change of an account's state: why, proposed and decided by whom, told to the exchange when."""
    return await etag.read(call, lambda c: states.history(c, call.caller, number), if_none_match)
