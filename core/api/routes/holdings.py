"""Routes of what accounts hold: holdings, transfers, deposits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts import balance as accounts_balance
from core.accounts import service as accounts
from core.api import bodies, views
from core.api.calls import After, ByAnyone, ByBank, ByProposer, Limit, Number, StrictRequest, StrictRoute
from core.api.commands import Command
from core.bank import service as bank
from core.bank.wire import WireError, parse_camt054
from core.callers import Caller
from core.ledger.rules import Place, place_of
from core.refusals import Answer, Reason, Refused, RefusedError
from core.transfers import service as transfers

router = APIRouter(route_class=StrictRoute)

Asset = Annotated[str, Path(pattern="^[A-Z0-9-]{1,20}$", examples=["CEA-2019"], description="CEA-<vintage>, or CNY")]


def _both_sides(body: Mapping[str, Any]) -> Sequence[Place]:
    return [place_of(body[side], body["asset"]) for side in ("from_account", "to_account")]


TRANSFER = {
    allowed: Command(
        run=partial(transfers.transfer, free_transfers=allowed),
        run_all=partial(transfers.transfer_all, free_transfers=allowed),
        places=_both_sides,
    )
    for allowed in (True, False)
}
DEPOSIT = Command(bank.record_deposits, alone=True)


@router.get("/v1/accounts/{number}/holdings", response_model=views.Holdings, tags=["holdings"])
async def holdings(call: ByAnyone, number: Number) -> Response:
    """Show what an account holds: amounts by bucket, and serial numbers."""
    return await call.read(lambda connection: accounts.holdings(connection, call.caller, number))


@router.get("/v1/accounts/{number}/holdings/{asset}", response_model=views.Balance, tags=["holdings"])
async def balance(call: ByAnyone, number: Number, asset: Asset) -> Response:
    """Show how much of one asset an account holds, by bucket."""
    return await call.read(partial(accounts_balance.show, caller=call.caller, number=number, asset=asset))


@router.get("/v1/accounts/{number}/transfers", response_model=views.Statement, tags=["holdings"])
async def statement(call: ByAnyone, number: Number, after: After = "", limit: Limit = 100) -> Response:
    """List the account's transfers in the order in which they were booked."""
    return await call.read(partial(_statement, caller=call.caller, number=number, after=after, limit=limit))


def _statement(connection: Connection, *, caller: Caller, number: str, after: str, limit: int) -> Answer | Refused:
    return accounts.transfers(connection, caller, number, after=after, limit=limit)


@router.post("/v1/transfers", status_code=201, response_model=views.Transfer, tags=["holdings"])
async def transfer(call: ByProposer, body: bodies.MoveFreely) -> Response:
    """Move an amount between two owners; only the playground allows it."""
    return await call.put(TRANSFER[call.desk.playground], body.plain())


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
    return await call.put(DEPOSIT, await _notice(request))


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
