"""The routes that change something; each needs an Idempotency-Key."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from core.api import bodies, views
from core.api.calls import Call, StrictRequest, StrictRoute, keyed_call
from core.approvals.rules import BANK_ROLE, CHECKER, MAKER, OPERATOR, PROBE
from core.bank.wire import WireError, parse_camt054
from core.refusals import Reason, Refused, RefusedError

router = APIRouter(route_class=StrictRoute)

ByMaker = Annotated[Call, Depends(keyed_call(MAKER))]
ByChecker = Annotated[Call, Depends(keyed_call(CHECKER))]
ByOperator = Annotated[Call, Depends(keyed_call(OPERATOR))]
ByBank = Annotated[Call, Depends(keyed_call(BANK_ROLE))]
ByProbe = Annotated[Call, Depends(keyed_call(PROBE))]


@router.post("/v1/accounts", status_code=202, response_model=views.Task, tags=["accounts"])
async def open_account(call: ByMaker, body: bodies.OpenAccount) -> Response:
    """Apply for an account; a second person opens it."""
    return await call.put(call.desk.commands.open_account, body.plain())


@router.post("/v1/account-batches", status_code=202, response_model=views.Task, tags=["accounts"])
async def open_accounts(call: ByMaker, body: bodies.OpenAccounts) -> Response:
    """Apply for many accounts at once: all or none."""
    return await call.put(call.desk.commands.open_accounts, body.plain())


@router.post("/v1/tasks/{task}/approve", response_model=views.Task, tags=["approvals"])
async def approve(call: ByChecker, task: UUID, body: Annotated[bodies.Nothing | None, Body()] = None) -> Response:
    """Carry a proposal out, as a second person."""
    return await call.put(call.desk.commands.approve, (body or bodies.Nothing()).plain(), task=str(task))


@router.post("/v1/tasks/{task}/reject", response_model=views.Task, tags=["approvals"])
async def reject(call: ByChecker, task: UUID, body: bodies.Reject) -> Response:
    """Turn a proposal down; what it held is free again."""
    return await call.put(call.desk.commands.reject, body.plain(), task=str(task))


@router.post("/v1/allocations", status_code=202, response_model=views.Task, tags=["holdings"])
async def allocate(call: ByMaker, body: bodies.Allocate) -> Response:
    """Propose an allocation plan; units are issued when a second person approves."""
    return await call.put(call.desk.commands.allocate, body.plain())


@router.post("/v1/transfers", status_code=201, response_model=views.Transfer, tags=["holdings"])
async def transfer(call: ByMaker, body: bodies.MoveFreely) -> Response:
    """Move an amount between two owners; only the playground allows it."""
    return await call.put(call.desk.commands.transfer, body.plain())


@router.post("/v1/surrenders", status_code=202, response_model=views.Task, tags=["holdings"])
async def surrender(call: ByMaker, body: bodies.Surrender) -> Response:
    """Hand units in for a compliance year; they are held at once and gone on approval."""
    return await call.put(call.desk.commands.surrender, body.plain())


DEPOSIT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Deposits"}},
            "application/xml": {"schema": {"type": "string", "description": "ISO 20022 camt.054, booked credits"}},
        },
    }
}


@router.post(
    "/v1/deposits", status_code=201, response_model=views.Deposit, tags=["holdings"], openapi_extra=DEPOSIT_BODY
)
async def deposit(call: ByBank, request: Request) -> Response:
    """Book a bank's notice of credit, as camt.054 or as JSON; a message is booked once."""
    return await call.put(call.desk.commands.deposit, await _notice(request))


async def _notice(request: Request) -> dict[str, object]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in {"application/xml", "text/xml"}:
        try:
            return parse_camt054(await request.body()).body()
        except WireError as error:
            raise RefusedError(Refused(Reason.MALFORMED, f"{error}.")) from error
    if media_type != "application/json":
        raise RefusedError(Refused(Reason.MALFORMED, "A notice is application/xml or application/json."))
    try:
        return bodies.Deposits.model_validate(await StrictRequest(request.scope, request.receive).json()).plain()
    except json.JSONDecodeError as error:
        raise RefusedError(Refused(Reason.MALFORMED, f"{error.msg}.")) from error
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


@router.post("/v1/clock", response_model=views.Clock, tags=["days"])
async def move_clock(call: ByOperator, body: bodies.MoveClock) -> Response:
    """Move business time forward."""
    return await call.put(call.desk.commands.move_clock, body.plain())


@router.post("/v1/days", status_code=201, response_model=views.MarketDay, tags=["days"])
async def open_day(call: ByOperator, body: bodies.OpenDay) -> Response:
    """Open a market day: its opening data is built and goes to the exchange."""
    return await call.put(call.desk.commands.open_day, body.plain())


@router.post("/v1/beats", status_code=201, response_model=views.Beat, tags=["operations"])
async def beat(call: ByProbe, body: bodies.Beat) -> Response:
    """Note that the outside probe could write."""
    return await call.put(call.desk.commands.beat, body.plain())
