"""Routes of the authorities: which province answers for which firm."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import views
from core.api.bodies import EMITTER, Body, Day, Text
from core.api.calls import ByAnyone, ByProposer, Number, StrictRoute
from core.api.commands import Command
from core.authority import service as authority

router = APIRouter(route_class=StrictRoute)

PROPOSE_MOVE = Command(authority.propose_move, alone=True)


class MoveProvince(Body):
    """A firm that changes hands between two provinces."""

    account: Text = Field(examples=[EMITTER])
    province: Text = Field(examples=["31"], description="two digits by GB/T 2260")
    from_day: Day = Field(examples=["2021-08-02"], description="the first market day of the new province")
    reason: Text = Field(examples=["Seat moved to Shanghai"])


class Tenures(BaseModel):
    """Which province answered for an account since when, oldest first."""

    account: str
    tenures: list[dict[str, Any]]


@router.post("/v1/province-moves", status_code=202, response_model=views.Task, tags=["authorities"])
async def move_province(call: ByProposer, body: MoveProvince) -> Response:
    """Propose that another province answers for a firm from a day ahead; the ministry decides."""
    return await call.put(PROPOSE_MOVE, body.plain())


@router.get("/v1/accounts/{number}/provinces", response_model=Tenures, tags=["authorities"])
async def provinces(call: ByAnyone, number: Number) -> Response:
    """Show which province answered for an account since when."""
    return await call.read(lambda connection: authority.history(connection, call.caller, number))
