"""Routes of statements: what an account held and did on a market day, as JSON, CSV or PDF."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import Response

from core.api.calls import ByAnyone, Date, Number, StrictRoute
from core.callers import Caller
from core.refusals import Answer, File, Refused
from core.statements import render, service

router = APIRouter(route_class=StrictRoute)


class DayStatement(BaseModel):
    """An account on a day: balances before and after, each booking, serial numbers at the end."""

    account: str
    name: str
    day: str
    balances: list[dict[str, Any]]
    bookings: list[dict[str, Any]]
    serials: list[dict[str, Any]]


FORMS = {"csv": ("text/csv; charset=utf-8", render.to_csv), "pdf": ("application/pdf", render.to_pdf)}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}, "application/pdf": {"schema": {"type": "string"}}}}
}


@router.get("/v1/accounts/{number}/statements/{day}", response_model=DayStatement, responses=FILES, tags=["holdings"])
async def day_statement(
    call: ByAnyone, number: Number, day: Date, form: Annotated[Literal["json", "csv", "pdf"], Query()] = "json"
) -> Response:
    """Show what the account held and did on a market day; ``form`` makes it a file."""
    return await call.read(partial(_statement, caller=call.caller, number=number, day=day, form=form))


def _statement(connection: Connection, *, caller: Caller, number: str, day: Any, form: str) -> Answer | File | Refused:
    built = service.build(connection, caller, number, day)
    if isinstance(built, Refused):
        return built
    if form == "json":
        return Answer(200, built.body)
    media_type, rendered = FORMS[form]
    return File(rendered(built), media_type, f"{number}-{day}.{form}")
