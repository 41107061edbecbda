"""Routes of registration accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.accounts import service as accounts
from core.api import bodies, views
from core.api.calls import After, ByAnyone, ByMaker, Number, StrictRoute
from core.api.commands import Command

router = APIRouter(route_class=StrictRoute)

OPEN_ACCOUNT = Command(accounts.propose_opening)
OPEN_ACCOUNTS = Command(accounts.propose_openings, alone=True)


@router.post("/v1/accounts", status_code=202, response_model=views.Task, tags=["accounts"])
async def open_account(call: ByMaker, body: bodies.OpenAccount) -> Response:
    """Apply for an account; a second person opens it."""
    return await call.put(OPEN_ACCOUNT, body.plain())


@router.post("/v1/account-batches", status_code=202, response_model=views.Task, tags=["accounts"])
async def open_accounts(call: ByMaker, body: bodies.OpenAccounts) -> Response:
    """Apply for many accounts at once: all or none."""
    return await call.put(OPEN_ACCOUNTS, body.plain())


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
