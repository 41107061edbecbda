"""Routes of the market's rules: what is in force on a day, and how two people change it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from core.api import views
from core.api.bodies import Body, Day, Text
from core.api.calls import ByAnyone, ByMaker, Date, Limit, StrictRoute, ToForesee
from core.api.commands import Command
from core.callers import Caller
from core.day import foresight, rulebook
from core.parameters import service as parameters
from core.refusals import Answer, Refused

router = APIRouter(route_class=StrictRoute)

SET = Command(parameters.propose, alone=True)
KIND = "^(sector|product|vintage|mode|limit|tick|hours|calendar|cap)$"
PLACE = "^([a-z]{1,20}:[A-Za-z0-9/_-]{1,60}:[0-9]{1,9})?$"
EXAMPLES = [
    [
        {
            "kind": "product",
            "name": "CEA-2021",
            "value": {"open": True, "base_price_fen": 5800},
            "effective_from": "2021-07-19",
        },
        {"kind": "limit", "name": "listed/CEA-2021", "value": {"percent": 5}, "effective_from": "2021-07-19"},
    ]
]


class Change(Body):
    """A new version of one parameter; its value is whole and replaces the one before it."""

    kind: Text = Field(description="sector, product, vintage, mode, limit, tick, hours, calendar or cap")
    name: Text = Field(description="what it is about: CEA-2021, listed, listed/CEA-2021, price, steel, 2021-10-08")
    value: dict[Text, Any] = Field(description="by kind; GET /v1/parameters shows each kind's form", max_length=20)
    effective_from: Day | None = Field(
        None, description="first market day on which it holds; an exception of the calendar holds on its own date"
    )


class Changes(Body):
    """Changes that are decided together, all or none."""

    changes: list[Change] = Field(min_length=1, max_length=100, examples=EXAMPLES)
    why: Text = Field(examples=["Vintage 2021 begins to trade"])


class Parameter(BaseModel):
    """One version of one parameter, and the two people who made it so."""

    kind: str
    name: str
    version: int
    value: dict[str, Any]
    effective_from: str
    proposed_by: str
    decided_by: str
    decided_at: str
    task: str | None
    in_force: bool


class Parameters(BaseModel):
    """One page of versions; ``in_force`` is meant for ``day``. ``next`` goes into ``after``."""

    day: str
    parameters: list[Parameter]
    next: str | None


class PriceLimits(BaseModel):
    """Between which prices a product trades in a mode, both ends included."""

    product: str
    mode: str
    previous_close_fen: int
    low_fen: int
    high_fen: int


class MarketRules(BaseModel):
    """The rules of one market day; limits as far as the closes before it are known."""

    day: str
    trading_day: bool
    closed_because: str | None
    tick_fen: int
    modes: dict[str, dict[str, Any]]
    products: dict[str, dict[str, Any]]
    limits: list[PriceLimits]
    sectors: dict[str, dict[str, Any]]
    vintages: list[str]
    caps_t: dict[str, int]


class RulesBeforeAndAfter(BaseModel):
    """A day's rules as they are and as they would be, and who holds what comes or goes."""

    day: str
    before: MarketRules
    after: MarketRules
    products: dict[str, list[str]]
    sectors: dict[str, list[str]]
    holders: dict[str, dict[str, int]]


class Foreseen(BaseModel):
    """What the changes would do; ``trades`` are those of the last day that had any."""

    changes: list[dict[str, Any]]
    days: list[RulesBeforeAndAfter]
    trading_days: dict[str, Any]
    trades: dict[str, Any] | None


class ParametersDryRun(BaseModel):
    """What the same changes would do; nothing is kept."""

    dry_run: Literal[True]
    kind: str
    outcome: Foreseen


@router.get("/v1/parameters", response_model=Parameters, tags=["market rules"])
async def list_parameters(
    call: ByAnyone,
    kind: Annotated[str | None, Query(pattern=KIND, examples=["limit"])] = None,
    day: Annotated[Day | None, Query(description="only what is in force on it", examples=["2021-07-16"])] = None,
    after: Annotated[str, Query(pattern=PLACE)] = "",
    limit: Limit = 100,
) -> Response:
    """List every version of every parameter with who decided it, or those in force on a day."""
    return await call.read(partial(_list, kind=kind, day=day, after=after, limit=limit))


def _list(connection: Connection, *, after: str, **asked: Any) -> Answer:
    kind, name, version = after.split(":") if after else ("", "", "0")
    return Answer(200, parameters.list_versions(connection, after=(kind, name, int(version)), **asked))


@router.get("/v1/market-rules/{day}", response_model=MarketRules, tags=["market rules"])
async def market_rules(call: ByAnyone, day: Date) -> Response:
    """Show the rules of a market day as they are decided by now."""
    return await call.read(lambda connection: Answer(200, rulebook.show(connection, day)))


@router.post("/v1/parameters", status_code=202, response_model=views.Task, tags=["market rules"])
async def set_parameters(call: ByMaker, body: Changes) -> Response:
    """Propose changes of the market's rules; a second person decides, and they hold from their day on."""
    return await call.put(SET, body.plain())


@router.post("/v1/parameters/dry-run", response_model=ParametersDryRun, tags=["market rules"])
async def dry_run(call: ToForesee, body: Changes) -> Response:
    """Show what the same changes would do: days, limits, products, and which of the last trades they would refuse."""
    return await call.read(partial(_dry_run, caller=call.caller, body=body.plain()))


def _dry_run(connection: Connection, *, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    return foresight.dry_run(connection, caller, body)
