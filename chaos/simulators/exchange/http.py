"""The exchange over HTTP: the file services that the lines reach, and the control that only drills reach."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from chaos.simulators.exchange.floor import Floor
from chaos.simulators.exchange.market import ExchangeError


class Day(BaseModel):
    """A day's trades; rate None is as fast as the lines carry."""

    day: str
    rate_per_s: Annotated[float, Field(gt=0)] | None = None
    trades: list[dict[str, Any]]


class Rate(BaseModel):
    """How fast trades come due."""

    rate_per_s: Annotated[float, Field(gt=0)] | None


class Mischief(BaseModel):
    """One thing that one gateway does wrong with one number."""

    gateway: Literal["A", "B"]
    seq: Annotated[int, Field(ge=1)]
    how: Literal["skip", "duplicate", "garble", "other_body"]


class Restriction(BaseModel):
    """What an account may no longer do, or, with none, may do again."""

    account: str
    effect: Literal["none", "in", "out", "all"]
    number: Annotated[int, Field(ge=1)]


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"title": str(error)}, status_code=409)


def files_app(floor: Floor) -> FastAPI:
    """Build what both gateway addresses serve."""
    app = FastAPI(title="exchange files", docs_url=None, redoc_url=None)

    @app.post("/v1/opening-data")
    async def opening_data(message: dict[str, Any]) -> dict[str, object]:
        return floor.open(message)

    @app.post("/v1/clearing-results")
    async def clearing_results(message: dict[str, Any]) -> dict[str, object]:
        return floor.check_clearing(message)

    @app.post("/v1/restrictions")
    async def restrictions(notice: Restriction) -> dict[str, object]:
        return floor.restrict(notice.account, notice.effect, notice.number)

    @app.get("/healthz")
    async def healthz() -> dict[str, object]:
        return {"sessions": floor.sessions}

    return app


def control_app(floor: Floor) -> FastAPI:
    """Build what drills use to run the exchange's day."""
    app = FastAPI(title="exchange control", docs_url=None, redoc_url=None)
    app.add_exception_handler(ExchangeError, _conflict)

    @app.post("/sim/day")
    async def load(day: Day) -> dict[str, object]:
        floor.load(day.day, day.rate_per_s, day.trades)
        return floor.status()

    @app.post("/sim/start")
    async def start() -> dict[str, object]:
        floor.start()
        return floor.status()

    @app.post("/sim/rate")
    async def rate(wanted: Rate) -> dict[str, object]:
        floor.rate(wanted.rate_per_s)
        return floor.status()

    @app.post("/sim/close")
    async def close() -> dict[str, object]:
        floor.close()
        return floor.status()

    @app.post("/sim/mischief")
    async def mischief(wanted: Mischief) -> dict[str, object]:
        floor.mischief[wanted.gateway, wanted.seq] = wanted.how
        return floor.status()

    @app.get("/sim/opening")
    async def opening() -> dict[str, object]:
        """Show the newest opening data as accepted."""
        return floor.opening_data()

    @app.get("/sim/status")
    async def status() -> dict[str, object]:
        return floor.status()

    return app
