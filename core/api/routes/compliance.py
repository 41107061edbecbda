"""Routes of compliance: verified emissions, the rules of a year, obligations, penalties."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import csv_body, views
from core.api.bodies import EMITTER, Body, Day, Text
from core.api.calls import After, AfterNumber, ByAnyone, ByMaker, ByProposer, Limit, Number, StrictRoute, ToForesee
from core.api.commands import Command
from core.emissions import service as emissions
from core.emissions.obligations import service as obligations
from core.emissions.years import service as years
from core.surrender import penalty

router = APIRouter(route_class=StrictRoute)

UPLOAD = Command(emissions.propose, alone=True)
CHANGE_YEAR = Command(years.propose, alone=True)
PENALISE = Command(penalty.propose, alone=True)

Year = Annotated[int, Path(ge=2000, le=2099, examples=[2020])]


class EmissionLine(Body):
    """Verified emissions of one account."""

    account: Text = Field(examples=[EMITTER])
    tonnes: int = Field(examples=[118_500], description="whole tonnes, from nought")
    reason: Text | None = Field(None, examples=[None], description="why a figure that was confirmed before changes")


class Emissions(Body):
    """Verified emissions of a year; every wrong line is named."""

    year: int = Field(examples=[2020])
    lines: list[EmissionLine] = Field(min_length=1, max_length=20_000)


class ComplianceYear(Body):
    """What counts for a compliance year; a later one replaces it, and every obligation of the year is judged anew."""

    year: int = Field(examples=[2020])
    deadline: Day = Field(examples=["2021-12-31"], description="the last market day on which the year is met in time")
    vintages: list[int] = Field(examples=[[2019, 2020]], description="units of these count")
    offset_basis_points: int = Field(500, examples=[500], description="of the amount due, in hundredths of a percent")
    reversal_days: int = Field(30, examples=[30], description="business time in which a surrender can be taken back")
    authority: bool = Field(default=True, description="the authority decides also where no obligation is known")
    reason: Text = Field(examples=["Plan for 2019-2020"])


class Penalty(Body):
    """A penalty for an obligation that was short at its deadline."""

    account: Text = Field(examples=[EMITTER])
    year: int = Field(examples=[2020])
    reason: Text = Field(examples=["Not met by 2021-12-31"])


class YearRules(BaseModel):
    """What counts for a compliance year; version 0: nothing was laid down, and these are the defaults."""

    year: int
    version: int
    deadline: str | None
    vintages: list[int] | None
    offset_basis_points: int
    reversal_days: int
    authority: bool


class Years(BaseModel):
    """One page of years; ``next`` goes into ``after``."""

    years: list[YearRules]
    next: str | None


class Obligation(BaseModel, extra="allow"):
    """What an account owes for a year and has handed in, in tonnes; ``missing``: what it lacks to meet the year.

    ``shortage``, where one obligation is shown: how much of what is left it does not hold.
    """

    account: str
    year: int
    state: str
    due: int | None
    surrendered: int
    offset: int
    offset_counted: int
    pending_surrender: int
    pending_offset: int
    missing: int
    offset_left: int
    deducted: int


class AccountObligations(BaseModel):
    """An account over the years, the worst of them in ``standing``; ``next`` goes into ``after``."""

    account: str
    standing: str
    obligations: list[Obligation]
    next: str | None


class YearObligations(BaseModel):
    """One page of a year's obligations in order of accounts; ``next`` goes into ``after``."""

    year: int
    obligations: list[Obligation]
    next: str | None


class History(BaseModel):
    """One page of what happened to an obligation, oldest first; ``next`` goes into ``after``."""

    account: str
    year: int
    history: list[dict[str, Any]]
    next: str | None


class Versions(BaseModel):
    """One page of verified emissions with every correction; ``next`` goes into ``after``."""

    account: str
    emissions: list[dict[str, Any]]
    next: str | None


CSV_BODY = csv_body.described(
    ("account", "tonnes"),
    ("reason",),
    example=f"account,tonnes,reason\n{EMITTER},118500,\n",
    limits="At most 20,000 lines and 8 MiB.",
)


@router.post("/v1/emissions", status_code=202, response_model=views.Task, tags=["compliance"])
async def upload_emissions(call: ByProposer, body: Emissions) -> Response:
    """Upload verified emissions as the authority; another of its people confirms them."""
    return await call.put(UPLOAD, body.plain())


@router.post(
    "/v1/emissions/csv", status_code=202, response_model=views.Task, tags=["compliance"], openapi_extra=CSV_BODY
)
async def upload_emissions_csv(
    call: ByProposer, request: Request, *, year: Annotated[int, Query(ge=2000, le=2099, examples=[2020])]
) -> Response:
    """Upload verified emissions as a CSV file; every wrong row is named by its line in the file."""
    return await call.put(UPLOAD, {"year": year, **await csv_body.kept(request)})


@router.get("/v1/accounts/{number}/emissions", response_model=Versions, tags=["compliance"])
async def account_emissions(call: ByAnyone, number: Number, after: After = "", limit: Limit = 100) -> Response:
    """List an account's verified emissions with every correction and its reason."""
    return await call.read(
        partial(emissions.list_versions, caller=call.caller, number=number, after=after, limit=limit)
    )


@router.post("/v1/compliance-years", status_code=202, response_model=views.Task, tags=["compliance"])
async def change_year(call: ByMaker, body: ComplianceYear) -> Response:
    """Propose what counts for a compliance year: deadline, vintages, offset limit, time for reversal."""
    return await call.put(CHANGE_YEAR, body.plain())


@router.get("/v1/compliance-years", response_model=Years, tags=["compliance"])
async def list_years(call: ByAnyone, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List the years for which rules were laid down."""
    return await call.read(lambda connection: years.list_years(connection, call.caller, after=after, limit=limit))


@router.get("/v1/compliance-years/{year}", response_model=YearRules, tags=["compliance"])
async def show_year(call: ByAnyone, year: Year) -> Response:
    """Show what counts for a compliance year."""
    return await call.read(lambda connection: years.show(connection, call.caller, year))


@router.get("/v1/compliance-years/{year}/obligations", response_model=YearObligations, tags=["compliance"])
async def year_obligations(
    call: ByAnyone,
    year: Year,
    state: Annotated[str, Query(pattern="^[A-Z_]{0,20}$", examples=["SHORT"])] = "",
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List a year's obligations, of one state or all; a province sees its own firms."""
    found = partial(obligations.list_year, caller=call.caller, year=year, state=state, after=after, limit=limit)
    return await call.read(found)


@router.get("/v1/accounts/{number}/obligations", response_model=AccountObligations, tags=["compliance"])
async def account_obligations(call: ByAnyone, number: Number, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """Show how an account stands over the years."""
    found = partial(obligations.list_account, caller=call.caller, number=number, after=after, limit=limit)
    return await call.read(found)


@router.get("/v1/accounts/{number}/obligations/{year}", response_model=Obligation, tags=["compliance"])
async def obligation(call: ByAnyone, number: Number, year: Year) -> Response:
    """Show an obligation: what is missing, the days left, whether the account holds enough, what happened so far."""
    return await call.read(lambda connection: obligations.show(connection, call.caller, number, year))


@router.get("/v1/accounts/{number}/obligations/{year}/history", response_model=History, tags=["compliance"])
async def obligation_history(
    call: ByAnyone, number: Number, year: Year, after: AfterNumber = 0, limit: Limit = 100
) -> Response:
    """List what happened to an obligation."""
    found = partial(obligations.history, caller=call.caller, number=number, year=year, after=after, limit=limit)
    return await call.read(found)


@router.post("/v1/penalties", status_code=202, response_model=views.Task, tags=["compliance"])
async def penalise(call: ByProposer, body: Penalty) -> Response:
    """Propose a penalty for an obligation that is short; what is missing comes off the next allocation."""
    return await call.put(PENALISE, body.plain())


@router.post("/v1/penalties/dry-run", response_model=views.DryRun, tags=["compliance"])
async def foresee_penalty(call: ToForesee, body: Penalty) -> Response:
    """Show what a penalty would come to: the same code on the same data, undone."""
    return await call.foresee(partial(penalty.dry_run, caller=call.caller, body=body.plain()))
