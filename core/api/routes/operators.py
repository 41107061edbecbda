"""Routes of the people who may act for an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts.operators import service as operators
from core.api import bodies, etag, views
from core.api.calls import ByAnyone, ByProposer, Number, StrictRoute
from core.api.commands import Command
from core.callers import Caller
from core.refusals import Answer, Refused

router = APIRouter(route_class=StrictRoute)


class RemoveOperator(bodies.Body):
    """A right to be taken away."""

    right: bodies.Text = Field(examples=["maker"], description="view, maker or checker")


class AddOperator(RemoveOperator):
    """A right to be given to a login."""

    login: bodies.Text = Field(examples=["wang.fang"], description="the name in the person's token")


class Operator(BaseModel):
    """One right of one login."""

    account: str
    login: str
    right: str
    granted_at: str
    granted_by: str
    revoked_at: str | None
    revoked_by: str | None


class Operators(BaseModel):
    """Who may act for an account."""

    account: str
    operators: list[Operator]


class Served(BaseModel):
    """An account that a login serves."""

    account: str
    rights: list[str]


class OwnAccounts(BaseModel):
    """The accounts that the caller serves."""

    login: str
    accounts: list[Served]


def _now(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return operators.show(connection, caller, body["account"])


CHANGE_OPERATOR = Command(etag.guarded(operators.propose, _now))


PROPOSAL: dict[str, Any] = {
    "status_code": 202,
    "response_model": views.Task,
    "responses": etag.CHANGED,
    "tags": ["accounts"],
}
Login = Annotated[
    str, Path(pattern="^[^\\x00]{1,100}$", examples=["wang.fang"], description="as in the person's token")
]


@router.post("/v1/accounts/{number}/operators", **PROPOSAL)
async def add_operator(call: ByProposer, number: Number, body: AddOperator, if_match: etag.IfMatch = None) -> Response:
    """Propose to give somebody a right for an account; a second person decides."""
    return await call.put(CHANGE_OPERATOR, body.plain(), account=number, action="add", **etag.named(if_match))


@router.post("/v1/accounts/{number}/operators/{login:path}/remove", **PROPOSAL)
async def remove_operator(
    call: ByProposer, number: Number, login: Login, body: RemoveOperator, if_match: etag.IfMatch = None
) -> Response:
    """Propose to take a right for an account away from somebody; a second person decides."""
    named = {"account": number, "login": login, "action": "remove", **etag.named(if_match)}
    return await call.put(CHANGE_OPERATOR, body.plain(), **named)


@router.get("/v1/accounts/{number}/operators", response_model=Operators, responses=etag.NOT_MODIFIED, tags=["accounts"])
async def list_operators(
    *,
    call: ByAnyone,
    number: Number,
    past: Annotated[bool, Query(description="those of before as well")] = False,
    if_none_match: etag.IfNoneMatch = None,
) -> Response:
    """Show who may view, propose or decide for an account."""
    return await etag.read(call, lambda c: operators.show(c, call.caller, number, past=past), if_none_match)


@router.get("/v1/me/accounts", response_model=OwnAccounts, tags=["accounts"])
async def own_accounts(call: ByAnyone) -> Response:
    """Show the accounts that the caller serves, and with which rights."""
    return await call.read(lambda connection: operators.own(connection, call.caller))
