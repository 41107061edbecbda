"""Routes of the reconciliation: runs, the breaks they found, and the two people who close one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi import Body as JsonBody
from pydantic import BaseModel, Field
from starlette.responses import Response

from core.api import views
from core.api.bodies import INSTITUTION, Body, Text
from core.api.calls import AfterNumber, ByAnyone, ByOperator, Call, Limit, StrictRoute, keyed_call
from core.api.commands import Command
from core.callers import MAKER, OPERATOR
from core.reconciliation import closing
from core.reconciliation import service as reconciliation

router = APIRouter(route_class=StrictRoute)

RECONCILE = Command(reconciliation.ask, alone=True)
CLOSE = Command(closing.propose, alone=True)

BreakNumber = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


class Reconcile(Body):
    """How thoroughly to compare."""

    histories: bool = Field(
        default=False, description="also hold every balance against its transfers, every block against its moves"
    )


class CorrectionBody(Body):
    """The entry that one of the two accountings lacks; its tonnes are the difference."""

    side: Text = Field(examples=["units"], description="ledger or units: the one that lacks the entry")
    other_account: Text = Field(examples=[INSTITUTION], description="the other account of the entry")


class CloseBreak(Body):
    """Why a break came about, and what makes both accountings agree again."""

    explanation: Text = Field(examples=["A transfer was booked by hand in the ledger only"])
    correction: CorrectionBody | None = Field(
        None, examples=[None], description="left out when the records agree again"
    )


class Run(BaseModel, extra="allow"):
    """A comparison of the two accountings."""

    number: int
    market_day: str
    cause: str
    asked_by: str
    histories: bool
    holdings: int
    totals: dict[str, dict[str, int]]
    breaks: int
    agreed: bool


class Runs(BaseModel):
    """One page of runs; ``next`` goes into ``after``."""

    runs: list[Run]
    next: str | None


class Break(BaseModel, extra="allow"):
    """A holding, or a total, on which ledger (expected) and units (actual) disagree."""

    number: int
    run: int
    level: str
    account: str | None
    asset: str
    expected: int
    actual: int
    located: list[dict[str, Any]]
    owner: str
    state: str


class Breaks(BaseModel):
    """One page of breaks; ``next`` goes into ``after``."""

    breaks: list[Break]
    next: str | None


@router.post("/v1/reconciliations", status_code=201, response_model=Run, tags=["reconciliation"])
async def reconcile(call: ByOperator, body: Annotated[Reconcile | None, JsonBody()] = None) -> Response:
    """Compare ledger and units now; whoever differs is stopped."""
    return await call.put(RECONCILE, (body or Reconcile()).plain())


@router.get("/v1/reconciliations", response_model=Runs, tags=["reconciliation"])
async def list_runs(call: ByAnyone, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List comparisons in the order in which they were made."""
    return await call.read(
        lambda connection: reconciliation.list_runs(connection, call.caller, after=after, limit=limit)
    )


@router.get("/v1/reconciliation-breaks", response_model=Breaks, tags=["reconciliation"])
async def list_breaks(
    call: ByAnyone,
    state: Annotated[str | None, Query(max_length=20, description="OPEN, EXPLAINED or CLOSED")] = None,
    after: AfterNumber = 0,
    limit: Limit = 100,
) -> Response:
    """List breaks, of one state or of all."""
    page = partial(reconciliation.list_breaks, caller=call.caller, state=state, after=after, limit=limit)
    return await call.read(page)


@router.get("/v1/reconciliation-breaks/{number}", response_model=Break, tags=["reconciliation"])
async def show_break(call: ByAnyone, number: BreakNumber) -> Response:
    """Show a break, where its records part, and what became of it."""
    return await call.read(lambda connection: reconciliation.show_break(connection, call.caller, number))


@router.post(
    "/v1/reconciliation-breaks/{number}/close", status_code=202, response_model=views.Task, tags=["reconciliation"]
)
async def close_break(
    call: Annotated[Call, Depends(keyed_call(MAKER, OPERATOR))], number: BreakNumber, body: CloseBreak
) -> Response:
    """Explain a break and propose to close it; it closes when a second person approves and the records agree."""
    return await call.put(CLOSE, body.plain(), **{"break": str(number)})
