"""Routes of the market day and the business clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.responses import Response

from core.api import bodies, views
from core.api.calls import AfterNumber, ByAnyone, ByOperator, Date, StrictRoute
from core.api.commands import Command
from core.callers import Caller
from core.clock import store as clock_store
from core.clock.rules import decide_move, market_time
from core.day import service as days
from core.paging import page
from core.refusals import Answer, Reason, Refused
from core.reports import service as reports
from core.settlement import store as settlement

router = APIRouter(route_class=StrictRoute)


def _move_clock(connection: Connection, caller: Caller, body: Mapping[str, Any], *, allowed: bool) -> Answer | Refused:
    if not allowed:
        return Refused(Reason.NOT_PERMITTED, "The clock is moved over the API in the playground only.")
    moved = decide_move(now=clock_store.lock(connection), to=datetime.fromisoformat(body["now"]))
    if isinstance(moved, Refused):
        return moved
    clock_store.move(connection, to=moved, by=caller.name)
    return Answer(200, _show_clock(connection))


def _show_clock(connection: Connection) -> dict[str, object]:
    """Return business time as callers read it, in the market's zone."""
    moment = market_time(clock_store.now(connection))
    return {"now": moment.isoformat(), "market_day": moment.date().isoformat()}


OPEN_DAY = Command(days.open_day, alone=True)
MOVE_CLOCK = {allowed: Command(partial(_move_clock, allowed=allowed)) for allowed in (True, False)}


@router.post("/v1/days", status_code=201, response_model=views.MarketDay, tags=["days"])
async def open_day(call: ByOperator, body: bodies.OpenDay) -> Response:
    """Open a market day: its opening data is built and goes to the exchange."""
    return await call.put(OPEN_DAY, body.plain())


@router.get("/v1/days/{day}", response_model=views.MarketDay, tags=["days"])
async def market_day(call: ByAnyone, day: Date) -> Response:
    """Show how far a market day is."""
    return await call.read(lambda connection: _or_unknown(days.show(connection, day)))


@router.get("/v1/days/{day}/report", response_model=views.Report, tags=["days"])
async def report(call: ByAnyone, day: Date) -> Response:
    """Show the daily clearing report (清结算信息日报)."""
    return await call.read(lambda connection: _or_unknown(reports.show(connection, day), "It has no report yet."))


@router.get("/v1/days/{day}/trades", response_model=views.Trades, tags=["days"])
async def trades(
    call: ByAnyone,
    day: Date,
    after: AfterNumber = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """List the day's settled trades in the order of the exchange."""
    return await call.read(partial(_trades, day=day, after=after, limit=limit))


def _or_unknown(body: Mapping[str, Any] | None, detail: str = "") -> Answer | Refused:
    return Refused(Reason.DAY_UNKNOWN, detail) if body is None else Answer(200, body)


def _trades(connection: Connection, *, day: date, after: int, limit: int) -> Answer:
    rows = settlement.settled_trades(connection, day, after=after, limit=limit + 1)
    found, more = page(rows, limit, lambda trade: trade.appl_seq)
    listed = [{**asdict(trade), "executed_at": trade.executed_at.isoformat()} for trade in found]
    return Answer(200, {"day": day.isoformat(), "trades": listed, "next": None if more is None else int(more)})


@router.post("/v1/clock", response_model=views.Clock, tags=["days"])
async def move_clock(call: ByOperator, body: bodies.MoveClock) -> Response:
    """Move business time forward."""
    return await call.put(MOVE_CLOCK[call.desk.playground], body.plain())


@router.get("/v1/clock", response_model=views.Clock, tags=["days"])
async def clock(call: ByAnyone) -> Response:
    """Show business time."""
    return await call.read(lambda connection: Answer(200, _show_clock(connection)))
