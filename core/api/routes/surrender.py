"""Routes of surrender: handing units in, taking that back in time, and what either would come to."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import bodies, views
from core.api.bodies import Body, Text
from core.api.calls import AfterId, ByAnyone, ByProposer, Limit, Number, StrictRoute, ToForesee
from core.api.commands import Command
from core.surrender import reversal
from core.surrender import service as surrenders

router = APIRouter(route_class=StrictRoute)

SURRENDER = Command(surrenders.propose, alone=True)
REVERSE = Command(reversal.propose, alone=True)


class Reverse(Body):
    """Why a surrender is taken back."""

    reason: Text = Field(examples=["Handed in for the wrong year"])


class Surrender(BaseModel):
    """Units handed in for a year, and what became of it: PENDING, SURRENDERED, RELEASED or REVERSED."""

    id: str
    account: str
    year: int
    product: str
    tonnes: int
    state: str
    task: str | None
    done_at: str | None
    reversible_until: str | None
    serials: list[views.Serials]


class Surrenders(BaseModel):
    """One page of an account's surrenders, oldest first; ``next`` goes into ``after``."""

    account: str
    surrenders: list[Surrender]
    next: str | None


@router.post("/v1/surrenders", status_code=202, response_model=views.Task, tags=["compliance"])
async def apply(call: ByProposer, body: bodies.Surrender) -> Response:
    """Hand units in for a compliance year; they are held at once and gone on approval.

    Where the year's emissions are verified, a person of the authority approves; else one of the registry's.
    """
    return await call.put(SURRENDER, body.plain())


@router.post("/v1/surrenders/dry-run", response_model=views.DryRun, tags=["compliance"])
async def dry_run(call: ToForesee, body: bodies.Surrender) -> Response:
    """Show what a surrender would come to: the same code on the same data, undone."""
    return await call.foresee(partial(surrenders.dry_run, caller=call.caller, body=body.plain()))


@router.get("/v1/surrenders/{surrender}", response_model=Surrender, tags=["compliance"])
async def show(call: ByAnyone, surrender: UUID) -> Response:
    """Show a surrender with the serials handed in, and until when it can be taken back."""
    return await call.read(partial(surrenders.get, caller=call.caller, number=str(surrender)))


@router.post("/v1/surrenders/{surrender}/reverse", status_code=202, response_model=views.Task, tags=["compliance"])
async def reverse(call: ByProposer, surrender: UUID, body: Reverse) -> Response:
    """Propose to take a surrender back within its time: the very units return, by linked entries, once."""
    return await call.put(REVERSE, body.plain(), surrender=str(surrender))


@router.get("/v1/accounts/{number}/surrenders", response_model=Surrenders, tags=["compliance"])
async def of_account(call: ByAnyone, number: Number, after: AfterId = None, limit: Limit = 100) -> Response:
    """List an account's surrenders, oldest first."""
    found = partial(surrenders.list_surrenders, caller=call.caller, number=number, after=after, limit=limit)
    return await call.read(found)
