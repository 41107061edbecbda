"""The routes that read, on the primary; and the one that asks about a key, which writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts import service as accounts
from core.api import store, views
from core.api.calls import Call, StrictRoute, call
from core.api.commands import show_clock
from core.approvals import service as approvals
from core.approvals.rules import Caller
from core.day import service as days
from core.refusals import Answer, Reason, Refused
from core.reports import service as reports
from core.settlement import store as settlement

router = APIRouter(route_class=StrictRoute)

ByAnyone = Annotated[Call, Depends(call())]
Number = Annotated[str, Path(pattern="^[A-Z0-9-]{1,40}$", examples=["E42-00001001-60"])]
Date = Annotated[date, Path(examples=["2021-07-16"])]
After = Annotated[str, Query(pattern="^[A-Za-z0-9-]{0,100}$")]


@router.get("/v1/accounts", response_model=views.Accounts, tags=["accounts"])
async def list_accounts(
    call: ByAnyone, after: After = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Response:
    """List accounts in order of their numbers."""
    page = {"after": after, "limit": limit}
    return await call.read(lambda connection: accounts.list_accounts(connection, call.caller, page))


@router.get("/v1/accounts/{number}", response_model=views.Account, tags=["accounts"])
async def account(call: ByAnyone, number: Number) -> Response:
    """Show one account."""
    return await call.read(lambda connection: accounts.get(connection, call.caller, number))


@router.get("/v1/accounts/{number}/holdings", response_model=views.Holdings, tags=["holdings"])
async def holdings(call: ByAnyone, number: Number) -> Response:
    """Show what an account holds: amounts by bucket, and serial numbers."""
    return await call.read(lambda connection: accounts.holdings(connection, call.caller, number))


@router.get("/v1/accounts/{number}/transfers", response_model=views.Statement, tags=["holdings"])
async def statement(
    call: ByAnyone, number: Number, after: After = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Response:
    """List the account's transfers in the order in which they were booked."""
    return await call.read(partial(_statement, caller=call.caller, number=number, after=after, limit=limit))


def _statement(connection: Connection, *, caller: Caller, number: str, after: str, limit: int) -> Answer | Refused:
    return accounts.transfers(connection, caller, number, after=after, limit=limit)


@router.get("/v1/tasks/{task}", response_model=views.Task, tags=["approvals"])
async def task(call: ByAnyone, task: UUID) -> Response:
    """Show a proposal and what became of it."""
    return await call.read(lambda connection: approvals.get(connection, call.caller, str(task)))


@router.get("/v1/requests/{key:path}", response_model=views.KeyState, tags=["operations"])
async def request_state(call: ByAnyone, key: str) -> Response:
    """Settle what became of a key of the caller's own.

    ``done`` with the answer it got, or ``not_done``, and then it never will be: a request that comes later
    under this key is refused. Either is durable on the standby before it is said.
    """
    return await call.inquire(key)


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
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """List the day's settled trades in the order of the exchange."""
    return await call.read(partial(_trades, day=day, after=after, limit=limit))


def _or_unknown(body: Mapping[str, Any] | None, detail: str = "") -> Answer | Refused:
    return Refused(Reason.DAY_UNKNOWN, detail) if body is None else Answer(200, body)


def _trades(connection: Connection, *, day: date, after: int, limit: int) -> Answer:
    found = settlement.settled_trades(connection, day, after=after, limit=limit)
    listed = [{**asdict(trade), "executed_at": trade.executed_at.isoformat()} for trade in found]
    more = found[-1].appl_seq if len(found) == limit else None
    return Answer(200, {"day": day.isoformat(), "trades": listed, "next": more})


@router.get("/v1/clock", response_model=views.Clock, tags=["days"])
async def clock(call: ByAnyone) -> Response:
    """Show business time."""
    return await call.read(lambda connection: Answer(200, show_clock(connection)))


@router.get("/v1/beats/{probe}", response_model=views.Beat, tags=["operations"])
async def beat(call: ByAnyone, probe: Annotated[str, Path(pattern="^[^\\x00]{1,100}$")]) -> Response:
    """Show a probe's newest number."""
    return await call.read(partial(_last_beat, probe=probe))


def _last_beat(connection: Connection, probe: str) -> Answer | Refused:
    found = store.last_beat(connection, probe)
    if found is None:
        return Refused(Reason.NO_SUCH_ADDRESS, "This probe has not written yet.")
    return Answer(200, {"probe": probe, "n": found[0], "at": found[1].isoformat()})
