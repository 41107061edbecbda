"""Serves the offset registry's books over HTTP: what the registry asks, and levers for the people who test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chaos.simulators.ccer.book import CANCELLED, FROZEN, RELEASED, Book, ContradictionError, Lot, Units


class CcerSettings(BaseSettings):
    """Where the offset registry listens, and what it remembers."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_SIM_", frozen=True, extra="ignore")

    listen: str = "127.0.0.1:8080"
    state: Path = Path("ccer.journal")
    """The journal; a restart reads it back."""


class Ccer:
    """The routes of the offset registry."""

    def __init__(self, facts: CcerSettings) -> None:
        self.book = Book(facts.state)

    def app(self) -> Starlette:
        """Build the web application."""
        routes: list[tuple[str, str, Callable[[Request, dict[str, Any]], Response]]] = [
            ("POST", "/v1/freezes", self._freeze),
            ("POST", "/v1/cancellations", self._cancel),
            ("POST", "/v1/releases", self._release),
            ("GET", "/v1/lots/{lot}", self._status),
            ("POST", "/sim/units", self._issue),
            ("POST", "/sim/expire", self._expire),
            ("GET", "/healthz", lambda _request, _asked: JSONResponse({"status": "up"})),
        ]
        return Starlette(
            routes=[Route(path, _endpoint(handle), methods=[method]) for method, path, handle in routes],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        self.book.close()

    def _freeze(self, _request: Request, asked: dict[str, Any]) -> Response:
        return _answer(asked["lot"], self.book.freeze(str(asked["lot"]), asked), wanted=FROZEN)

    def _cancel(self, _request: Request, asked: dict[str, Any]) -> Response:
        return _answer(asked["lot"], self.book.cancel(str(asked["lot"])), wanted=CANCELLED)

    def _release(self, _request: Request, asked: dict[str, Any]) -> Response:
        return _answer(asked["lot"], self.book.release(str(asked["lot"])), wanted=RELEASED)

    def _status(self, request: Request, _asked: dict[str, Any]) -> Response:
        number = request.path_params["lot"]
        lot = self.book.lots.get(number)
        if lot is None:
            return JSONResponse({"detail": "no such lot"}, 404)
        return JSONResponse({"lot": number, "state": lot.state, "detail": lot.detail})

    def _issue(self, _request: Request, asked: dict[str, Any]) -> Response:
        units = Units(str(asked["project"]), int(asked["first"]), int(asked["last"]))
        self.book.issue(str(asked["account"]), units)
        return JSONResponse(asked, 201)

    def _expire(self, _request: Request, asked: dict[str, Any]) -> Response:
        return JSONResponse({"released": self.book.expire(str(asked["now"]))})


def _answer(number: object, lot: Lot | None, *, wanted: str) -> Response:
    """Say in which state a lot is; 409 when it is not the one asked for."""
    if lot is None:
        return JSONResponse({"lot": number, "state": "UNKNOWN", "detail": "never frozen"}, 409)
    body = {"lot": number, "state": lot.state, "detail": lot.detail}
    ended = {"REFUSED"} if wanted == RELEASED else set()
    return JSONResponse(body, 200 if lot.state in {wanted, *ended} else 409)


def _endpoint(handle: Callable[[Request, dict[str, Any]], Response]) -> Callable[[Request], Any]:
    """Run a handler in a thread, and turn what it cannot read into an answer."""

    async def endpoint(request: Request) -> Response:
        content = await request.body()
        try:
            asked = json.loads(content) if content else {}
            if not isinstance(asked, dict):
                return JSONResponse({"detail": "an object is expected"}, 422)
            return await run_in_threadpool(handle, request, asked)
        except ContradictionError as error:
            return JSONResponse({"detail": str(error)}, 422)
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 422)

    return endpoint


def main() -> None:
    """Run the offset registry until it is told to end."""
    facts = CcerSettings()
    host, _, port = facts.listen.rpartition(":")
    app = Ccer(facts).app()
    uvicorn.run(app, host=host, port=int(port), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
