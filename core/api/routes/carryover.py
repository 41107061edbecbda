"""Routes of carry-over: rule sets, applications, and what an account may still carry over."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import views
from core.api.bodies import EMITTER, Amount, Body, Day, Text
from core.api.calls import AfterId, ByAnyone, ByMaker, ByProposer, Limit, Number, StrictRoute, ToForesee
from core.api.commands import Command
from core.carryover import service as carryover

router = APIRouter(route_class=StrictRoute)

LAY_DOWN = Command(carryover.propose_rule, alone=True)
CARRY_OVER = Command(carryover.propose, alone=True)


class Rule(Body):
    """A rule set: limit = base_t + factor_thousandths / 1000 x net sales in the window, never below base_t."""

    name: Text = Field(examples=["power 2023-2024"])
    vintages: list[int] = Field(examples=[[2019, 2020, 2021, 2022, 2023]], description="units of these, one limit")
    to_vintage: int = Field(examples=[2024])
    base_t: int = Field(10_000, examples=[10_000])
    factor_thousandths: int = Field(1500, examples=[1500])
    sold_vintages: list[int] | None = Field(
        None, examples=[[2019, 2020, 2021, 2022, 2023, 2024]], description="whose trades count; else `vintages`"
    )
    sold_from: Day = Field(examples=["2021-07-16"])
    sold_until: Day = Field(examples=["2025-12-31"])
    apply_until: Day = Field(examples=["2025-12-31"])
    reason: Text = Field(examples=["Plan for 2023 and 2024"])


class CarryOver(Body):
    """Units of an earlier vintage to be carried over."""

    account: Text = Field(examples=[EMITTER])
    product: Text = Field(examples=["CEA-2019"])
    tonnes: Amount = Field(examples=[10_000])


class Rules(BaseModel):
    """The rule sets in force."""

    rules: list[dict[str, Any]]


class CarryOvers(BaseModel):
    """One page of an account's carry-overs, and by rule set what it may still carry over."""

    account: str
    limits: list[dict[str, Any]]
    carry_overs: list[dict[str, Any]]
    next: str | None


@router.post("/v1/carry-over-rules", status_code=202, response_model=views.Task, tags=["compliance"])
async def lay_down(call: ByMaker, body: Rule) -> Response:
    """Propose a rule set of carry-over, a first or a changed one."""
    return await call.put(LAY_DOWN, {name: value for name, value in body.plain().items() if value is not None})


@router.get("/v1/carry-over-rules", response_model=Rules, tags=["compliance"])
async def rules(call: ByAnyone) -> Response:
    """List the rule sets of carry-over."""
    return await call.read(lambda connection: carryover.list_rules(connection, call.caller))


@router.post("/v1/carry-overs", status_code=202, response_model=views.Task, tags=["compliance"])
async def apply(call: ByProposer, body: CarryOver) -> Response:
    """Apply to carry units over: set aside now, cancelled and issued in the later vintage on approval."""
    return await call.put(CARRY_OVER, body.plain())


@router.post("/v1/carry-overs/dry-run", response_model=views.DryRun, tags=["compliance"])
async def dry_run(call: ToForesee, body: CarryOver) -> Response:
    """Show what a carry-over would come to: the same code on the same data, undone."""
    return await call.foresee(partial(carryover.dry_run, caller=call.caller, body=body.plain()))


@router.get("/v1/accounts/{number}/carry-overs", response_model=CarryOvers, tags=["compliance"])
async def of_account(
    call: ByAnyone,
    number: Number,
    after: AfterId = None,
    limit: Limit = 100,
) -> Response:
    """List an account's carry-overs, with how its limits are worked out."""
    found = partial(carryover.list_carry_overs, caller=call.caller, number=number, after=after, limit=limit)
    return await call.read(found)
