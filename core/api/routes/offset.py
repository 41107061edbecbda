"""Routes of offset: lots frozen in the offset registry, and applications to use them."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import bodies, views
from core.api.bodies import EMITTER, Text
from core.api.calls import AfterId, ByAnyone, ByProposer, Limit, Number, StrictRoute, ToForesee
from core.api.commands import Command
from core.offset import link
from core.offset import service as offset

router = APIRouter(route_class=StrictRoute)

FREEZE = Command(offset.freeze, alone=True)
RELEASE = Command(offset.release, alone=True)
OFFSET = Command(offset.propose, alone=True)

LotId = Annotated[UUID, Path(examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]
Serial = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": 999_999_999_999})]


class Units(bodies.Body):
    """Offset units (CCER) of one project, a tonne each; both serials are included."""

    account: Text = Field(examples=[EMITTER])
    project: Text = Field(examples=["CCER-0123"], description="project number in the offset registry")
    first: Serial = Field(examples=[1])
    last: Serial = Field(examples=[5000])


class Offset(bodies.Body):
    """Frozen lots that are to offset a part of a year's obligation; each is used whole."""

    account: Text = Field(examples=[EMITTER])
    year: int = Field(examples=[2020])
    lots: list[Text] = Field(min_length=1, max_length=100, examples=[["0f8fad5b-d9cb-469f-a165-70867728950e"]])


class Lot(BaseModel, extra="allow"):
    """Offset units of one account: FREEZING, SYNCED, SELECTED, CONFIRMED, then USED; or RELEASING, RELEASED."""

    id: str
    account: str
    project: str
    first: int
    last: int
    tonnes: int
    state: str
    application: str | None
    until: str
    note: str


class Lots(BaseModel):
    """One page of an account's lots; ``next`` goes into ``after``."""

    account: str
    lots: list[Lot]
    next: str | None


@router.post("/v1/offset-lots", status_code=202, response_model=Lot, tags=["compliance"])
async def freeze(call: ByProposer, body: Units) -> Response:
    """Have the offset registry freeze units for an account; the lot can be used once it is SYNCED."""
    return await call.put(FREEZE, body.plain())


@router.get("/v1/offset-lots/{lot}", response_model=Lot, tags=["compliance"])
async def show(call: ByAnyone, lot: LotId) -> Response:
    """Show a lot and what happened to it."""
    return await call.read(lambda connection: offset.get(connection, call.caller, str(lot)))


@router.post("/v1/offset-lots/{lot}/release", status_code=202, response_model=Lot, tags=["compliance"])
async def release(call: ByProposer, lot: LotId, body: Annotated[bodies.Nothing | None, Body()] = None) -> Response:
    """Let go of a lot that is not selected; the offset registry sets its units free."""
    return await call.put(RELEASE, (body or bodies.Nothing()).plain(), lot=str(lot))


@router.get("/v1/accounts/{number}/offset-lots", response_model=Lots, tags=["compliance"])
async def of_account(call: ByAnyone, number: Number, after: AfterId = None, limit: Limit = 100) -> Response:
    """List an account's lots of offset units."""
    return await call.read(partial(offset.list_lots, caller=call.caller, number=number, after=after, limit=limit))


@router.post("/v1/offsets", status_code=202, response_model=views.Task, tags=["compliance"])
async def apply(call: ByProposer, body: Offset) -> Response:
    """Apply to offset a part of what is due; the authority confirms, then the units are cancelled and registered."""
    return await call.put(OFFSET, body.plain())


@router.post("/v1/offsets/dry-run", response_model=views.DryRun, tags=["compliance"])
async def dry_run(call: ToForesee, body: Offset) -> Response:
    """Show what an offset would come to, given that the offset registry cancels what it has frozen."""
    return await call.foresee(partial(link.dry_run, caller=call.caller, body=body.plain()))
