"""Routes of allocation: plans as JSON or CSV, what they would do, what they did, what is kept back."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi import Body as Payload
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.allocation import plans, releases
from core.allocation import service as allocation
from core.api import csv_body, views
from core.api.bodies import EMITTER, Body, Nothing, Text
from core.api.calls import AfterNumber, ByAnyone, ByMaker, ByProposer, Limit, Number, StrictRoute
from core.api.commands import Command

router = APIRouter(route_class=StrictRoute)

ALLOCATE = Command(allocation.propose, alone=True)
RELEASE = Command(releases.propose, alone=True)

PlanNumber = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]

KIND = (
    "full (as it is left out): each line whole; pre: share_percent of each line now; final: each line is what is due in"
    " the end, and the difference is allocated or taken back; adjust: each line is a change; take_back: each line back"
)
FOLLOWS = "number of the plan that a final, adjust or take_back plan changes"
PROVINCE = "two digits: all accounts are firms that this province answers for"
DECIDES = "checker, or authority_checker: the province's own; only for a plan of one province"


class PlanLine(Body):
    """What one account is allocated."""

    account: Text = Field(examples=[EMITTER])
    tonnes: int = Field(examples=[120_000], description="above zero; nought in a final plan, below in an adjust plan")
    withheld: Text | None = Field(None, examples=["Report not verified"], description="keep the units back, and why")


class Allocate(Body):
    """An allocation plan."""

    product: Text = Field(examples=["CEA-2019"])
    plan: Text = Field(examples=["Hubei 2019-2020, final"])
    lines: list[PlanLine] = Field(max_length=20_000)
    kind: Text | None = Field(None, examples=["full"], description=KIND)
    share_percent: int | None = Field(None, examples=[None], description="1 to 100, of a pre plan")
    follows: int | None = Field(None, examples=[None], description=FOLLOWS)
    province: Text | None = Field(None, examples=["42"], description=PROVINCE)
    decides: Text | None = Field(None, examples=["checker"], description=DECIDES)


class ReleaseWithheld(Body):
    """Accounts whose withheld units are to be handed out."""

    accounts: list[Text] = Field(min_length=1, max_length=20_000, examples=[[EMITTER]])
    reason: Text = Field(examples=["The report is verified now"])


class Plan(BaseModel, extra="allow"):
    """A plan, how far it is, and what it did in all."""

    number: int
    product: str
    plan: str
    kind: str
    state: str
    lines: int
    tonnes: int


class Plans(BaseModel):
    """One page of plans; ``next`` goes into ``after``."""

    plans: list[Plan]
    next: str | None


class Lines(BaseModel):
    """One page of a plan's lines with what became of each; ``next`` goes into ``after``."""

    number: int
    lines: list[dict[str, Any]]
    next: str | None


class Totals(BaseModel):
    """What a plan states and did by province; the sums are those of the plan."""

    number: int
    product: str
    provinces: list[dict[str, Any]]
    total: dict[str, int]


class Deductions(BaseModel):
    """What next allocations are less by, and how it was worked off; ``next`` goes into ``after``."""

    account: str
    deductions: list[dict[str, Any]]
    next: str | None


@router.post("/v1/allocations", status_code=202, response_model=views.Task, tags=["allocation"])
async def allocate(call: ByProposer, body: Allocate) -> Response:
    """Propose an allocation plan; units are issued when a second person approves."""
    return await call.put(ALLOCATE, {name: value for name, value in body.plain().items() if value is not None})


CSV_BODY = csv_body.described(
    ("account", "tonnes"),
    ("withheld",),
    example=f"account,tonnes,withheld\n{EMITTER},120000,\n",
    limits="At most 60,000 lines and 8 MiB.",
)


@router.post(
    "/v1/allocations/csv", status_code=202, response_model=views.Task, tags=["allocation"], openapi_extra=CSV_BODY
)
async def allocate_csv(  # noqa: PLR0913  # all by name: what the JSON body says beside its lines
    call: ByProposer,
    request: Request,
    *,
    product: Annotated[str, Query(max_length=100, examples=["CEA-2019"])],
    plan: Annotated[str, Query(max_length=500, examples=["Hubei 2019-2020, final"])],
    kind: Annotated[str | None, Query(max_length=100, description=KIND)] = None,
    share_percent: Annotated[int | None, Query(ge=1, le=100)] = None,
    follows: Annotated[int | None, Query(ge=1, le=2**63 - 1, description=FOLLOWS)] = None,
    province: Annotated[str | None, Query(max_length=100, description=PROVINCE)] = None,
    decides: Annotated[str | None, Query(max_length=100, description=DECIDES)] = None,
) -> Response:
    """Propose a plan of up to 60,000 lines as a CSV file; every wrong row is named by its line in the file."""
    said = {
        "product": product,
        "plan": plan,
        **await csv_body.kept(request),
        "kind": kind,
        "share_percent": share_percent,
        "follows": follows,
        "province": province,
        "decides": decides,
    }
    return await call.put(ALLOCATE, {name: value for name, value in said.items() if value is not None})


@router.get("/v1/allocations", response_model=Plans, tags=["allocation"])
async def list_plans(call: ByAnyone, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List plans in the order in which they were proposed."""
    return await call.read(lambda connection: plans.list_plans(connection, call.caller, after=after, limit=limit))


@router.get("/v1/allocations/{plan}", response_model=Plan, tags=["allocation"])
async def show_plan(call: ByAnyone, plan: PlanNumber) -> Response:
    """Show a plan, how far it is, and what it did in all."""
    return await call.read(lambda connection: plans.show(connection, call.caller, plan))


@router.get("/v1/allocations/{plan}/lines", response_model=Lines, tags=["allocation"])
async def plan_lines(call: ByAnyone, plan: PlanNumber, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List a plan's lines as they were uploaded, with what became of each."""
    return await call.read(partial(plans.lines, caller=call.caller, number=plan, after=after, limit=limit))


@router.get("/v1/allocations/{plan}/totals", response_model=Totals, tags=["allocation"])
async def plan_totals(call: ByAnyone, plan: PlanNumber) -> Response:
    """Add a plan up by province and product; a province sees its own sum."""
    return await call.read(lambda connection: plans.totals(connection, call.caller, plan))


@router.post("/v1/allocations/{plan}/dry-run", response_model=views.DryRun, tags=["allocation"])
async def dry_run(call: ByAnyone, plan: PlanNumber, _body: Annotated[Nothing | None, Payload()] = None) -> Response:
    """Show what approving a proposed plan would do now: the figures that the real run books, or why it is refused."""
    return await call.read(lambda connection: allocation.dry_run(connection, call.caller, plan))


@router.post("/v1/allocations/{plan}/release", status_code=202, response_model=views.Task, tags=["allocation"])
async def release(call: ByMaker, plan: PlanNumber, body: ReleaseWithheld) -> Response:
    """Propose to hand out what the plan keeps back for these accounts."""
    return await call.put(RELEASE, body.plain(), plan=str(plan))


@router.get("/v1/accounts/{number}/deductions", response_model=Deductions, tags=["allocation"])
async def account_deductions(call: ByAnyone, number: Number, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List what the account's next allocations are less by, and how it was worked off."""
    return await call.read(partial(plans.deductions_of, caller=call.caller, account=number, after=after, limit=limit))
