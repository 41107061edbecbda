"""Routes of trusted accounts, of an account's own limits, and of free transfers by two people."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Body as Payload
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import views
from core.api.bodies import EMITTER, INSTITUTION, Amount, Body, MoveFreely, Nothing, Text
from core.api.calls import After, ByAnyone, ByProposer, Limit, Number, StrictRoute
from core.api.commands import Command
from core.transfers import proposals
from core.trust import service as trust

router = APIRouter(route_class=StrictRoute)

ADD = Command(trust.propose_addition)
REMOVE = Command(trust.remove)
LIMIT = Command(trust.propose_control)
PROPOSE_TRANSFER = {
    allowed: Command(partial(proposals.propose, free_transfers=allowed), alone=True) for allowed in (True, False)
}


class Trust(Body):
    """An account for the list."""

    trusted: Text = Field(examples=[INSTITUTION])


class Limits(Body):
    """What the account is to limit itself to in a single move; what is left out, or null, is no limit."""

    tonnes_max: Amount | None = Field(None, examples=[100_000])
    fen_max: Amount | None = Field(None, examples=[500_000_000])
    trusted_only: bool = Field(default=False, description="refuse moves to accounts outside the list")


class TrustedEntry(BaseModel):
    """An account of the list, and from when it counts."""

    account: str
    effective_at: str


class TrustList(BaseModel):
    """An account's own limits and one page of its list; ``next`` goes into ``after``."""

    account: str = Field(examples=[EMITTER])
    limits: dict[str, Any]
    trusted: list[TrustedEntry]
    next: str | None


class Removed(BaseModel):
    """An account that is on the list no more."""

    account: str
    trusted: str
    removed_at: str


@router.get("/v1/accounts/{number}/trusted", response_model=TrustList, tags=["trust"])
async def trusted(call: ByAnyone, number: Number, after: After = "", limit: Limit = 100) -> Response:
    """Show whom an account trusts, and what it has limited itself to."""
    return await call.read(lambda connection: trust.show(connection, call.caller, number, after=after, limit=limit))


@router.post("/v1/accounts/{number}/trusted", status_code=202, response_model=views.Task, tags=["trust"])
async def add_trusted(call: ByProposer, number: Number, body: Trust) -> Response:
    """Propose an account for the list; it counts from noon of the fourth working day after the approval."""
    return await call.put(ADD, body.plain(), account=number)


@router.post("/v1/accounts/{number}/trusted/{other}/remove", response_model=Removed, tags=["trust"])
async def remove_trusted(
    call: ByProposer, number: Number, other: Number, body: Annotated[Nothing | None, Payload()] = None
) -> Response:
    """Take an account off the list; it counts no more at once."""
    return await call.put(REMOVE, (body or Nothing()).plain(), account=number, trusted=other)


@router.post("/v1/accounts/{number}/limits", status_code=202, response_model=views.Task, tags=["trust"])
async def limits(call: ByProposer, number: Number, body: Limits) -> Response:
    """Propose what the account limits itself to; these limits take the place of those it has."""
    return await call.put(LIMIT, body.plain(), account=number)


@router.post("/v1/transfer-proposals", status_code=202, response_model=views.Task, tags=["trust"])
async def propose_transfer(call: ByProposer, body: MoveFreely) -> Response:
    """Propose a transfer between two owners; only the playground allows it.

    To an account of the giver's list it is carried out on approval. To another one it waits until noon of the next
    working day when it is proposed before noon, of the second one otherwise.
    """
    return await call.put(PROPOSE_TRANSFER[call.desk.playground], body.plain())
