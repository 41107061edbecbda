"""Routes of serial numbers: the life of one, what an account held on a day, what went through its hands."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import Response

from core.accounts import service as accounts
from core.api import views
from core.api.calls import AfterNumber, ByAnyone, Limit, Number, StrictRoute
from core.callers import STAFF, Caller, refuse_unless
from core.paging import page
from core.quantities import parse_serial
from core.refusals import Answer, Reason, Refused
from core.units.history import store as history
from core.units.history.store import Move

router = APIRouter(route_class=StrictRoute)

Serial = Annotated[str, Path(pattern="^[A-Z0-9-]{1,40}$", examples=["CEA-2019-000000000001"])]


class MoveView(BaseModel):
    """One change of hands; an issue has no giver."""

    id: int
    serials: views.Serials
    giver: str | None
    taker: str
    type: str
    reference: str
    market_day: str


class Life(BaseModel):
    """A serial number from its issue to its present holder; ``next`` goes into ``after``."""

    serial: str
    issue: str
    issued: views.Serials
    holder: str | None
    moves: list[MoveView]
    next: str | None


class HeldOn(BaseModel):
    """What an account held at the end of a market day."""

    account: str
    day: str
    serials: list[views.Serials]
    tonnes: int


class Moves(BaseModel):
    """One page of what went through an account's hands, oldest first; ``next`` goes into ``after``."""

    account: str
    moves: list[MoveView]
    next: str | None


@router.get("/v1/serials/{serial}", response_model=Life, tags=["units"])
async def serial_life(call: ByAnyone, serial: Serial, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """Tell the life of a serial number: its issue, every change of hands, its present holder."""
    return await call.read(partial(_life, caller=call.caller, serial=serial, after=after, limit=limit))


@router.get("/v1/accounts/{number}/serials", response_model=HeldOn, tags=["units"])
async def held_on(call: ByAnyone, number: Number, day: Annotated[date, Query(examples=["2021-07-16"])]) -> Response:
    """Show which serials an account held at the end of a market day."""
    return await call.read(partial(_held_on, caller=call.caller, number=number, day=day))


@router.get("/v1/accounts/{number}/unit-moves", response_model=Moves, tags=["units"])
async def unit_moves(call: ByAnyone, number: Number, after: AfterNumber = 0, limit: Limit = 100) -> Response:
    """List which serials went through an account's hands, oldest first."""
    return await call.read(partial(_moves, caller=call.caller, number=number, after=after, limit=limit))


def _life(connection: Connection, *, caller: Caller, serial: str, after: int, limit: int) -> Answer | Refused:
    refused = refuse_unless(caller, *STAFF)  # it names everybody who ever held the unit
    if refused is not None:
        return refused
    try:
        vintage, serial_number = parse_serial(serial)
    except ValueError:
        return Refused(Reason.SERIAL_UNKNOWN)
    life = history.life_of(connection, vintage, serial_number, after=after, limit=limit + 1)
    if life is None:
        return Refused(Reason.SERIAL_UNKNOWN)
    moves, more = page(life.moves, limit, lambda move: move.id)
    told = {
        "serial": serial,
        "issue": life.issue,
        "issued": life.issued.body,
        "holder": life.holder,
        "moves": [_move(move) for move in moves],
        "next": more,
    }
    return Answer(200, told)


def _held_on(connection: Connection, *, caller: Caller, number: str, day: date) -> Answer | Refused:
    account = accounts.get(connection, caller, number)
    if isinstance(account, Refused):
        return account
    held = history.held_on(connection, number, day)
    blocks = [block.body for block in held]
    tonnes = sum(block.tonnes for block in held)
    return Answer(200, {"account": number, "day": day.isoformat(), "serials": blocks, "tonnes": tonnes})


def _moves(connection: Connection, *, caller: Caller, number: str, after: int, limit: int) -> Answer | Refused:
    account = accounts.get(connection, caller, number)
    if isinstance(account, Refused):
        return account
    listed, more = page(history.moves_of(connection, number, after, limit + 1), limit, lambda move: move.id)
    return Answer(200, {"account": number, "moves": [_move(move) for move in listed], "next": more})


def _move(move: Move) -> dict[str, Any]:
    return {
        "id": move.id,
        "serials": move.serials.body,
        "giver": move.giver,
        "taker": move.taker,
        "type": move.type,
        "reference": move.reference,
        "market_day": move.market_day.isoformat(),
    }
