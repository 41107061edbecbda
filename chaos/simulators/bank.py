"""A settlement bank as the registry meets it: ISO 20022 messages over HTTP, and levers for the people who test."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import structlog
import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chaos.simulators.bank_book import Book, ContradictionError, Deposit
from core.bank.wire import (
    ACCEPTED,
    CONTENT_TYPE,
    REJECTED,
    TECHNICALLY_VALID,
    CreditNotice,
    Movement,
    PaymentOrder,
    Statement,
    Status,
    StatusReport,
    WireError,
    parse_pain001,
    write_camt053,
    write_camt054,
    write_pain002,
)

LOG = structlog.get_logger()
BEIJING = timezone(timedelta(hours=8))
NOTICE_RETRY_S = 0.5
PATIENCE_S = 60.0
"""How long a control call waits for the registry's answer; the notice is sent on until there is one."""
ASK_AGAIN = frozenset({401, 408, 425, 429})
"""Answers below 500 that say nothing about the notice itself: no token yet, too early, too many."""


class BankSettings(BaseSettings):
    """Where this bank listens, whom it tells, and what it remembers."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_SIM_", frozen=True, extra="ignore")

    listen: str = "127.0.0.1:8080"
    bank: str = "B001"
    api: list[str] = []
    """Base URLs of the registry's API, as JSON; tried in turn."""
    token_path: Path | None = None
    """File with the bearer token of this bank."""
    state: Path = Path("bank.journal")
    """The journal; a restart reads it back."""


class Notifier:
    """Tells the registry about deposits until it answers; runs in a thread of its own."""

    def __init__(self, facts: BankSettings, book: Book, http: httpx.Client) -> None:
        self._facts, self._book, self._http = facts, book, http
        self._addresses = count()
        self._news = threading.Event()
        self._answered = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier life left unanswered."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._news.set()
        with self._answered:
            self._answered.notify_all()
        self._thread.join(timeout=2)

    def wait_for(self, deposit: Deposit, timeout_s: float) -> None:
        """Wake the thread up, and wait until the registry has answered this deposit."""
        self._news.set()
        with self._answered:
            self._answered.wait_for(lambda: deposit.state != "credited" or self._stop.is_set(), timeout=timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.clear()
            waiting = self._book.open_notices()
            for name, deposit in waiting:
                self._tell(name, deposit)
            with self._answered:
                self._answered.notify_all()
            self._news.wait(NOTICE_RETRY_S if self._book.open_notices() else None)

    def _tell(self, name: str, deposit: Deposit) -> None:
        if not self._facts.api:
            return
        entries = tuple(Movement(account, fen) for account, fen in deposit.entries)
        notice = CreditNotice(name, datetime.fromisoformat(deposit.at), self._facts.bank, entries)
        address = self._facts.api[next(self._addresses) % len(self._facts.api)]
        headers = {"Content-Type": CONTENT_TYPE, "Idempotency-Key": name}
        if self._facts.token_path is not None and self._facts.token_path.exists():
            headers["Authorization"] = f"Bearer {self._facts.token_path.read_text(encoding='utf-8').strip()}"
        try:
            answer = self._http.post(f"{address}/v1/deposits", content=write_camt054(notice), headers=headers)
        except httpx.HTTPError as error:
            LOG.warning("notice_unanswered", message_id=name, error=str(error))
            return
        if answer.is_success:
            self._book.close_deposit(name, notified=True, answer=_content(answer))
        elif answer.status_code < 500 and answer.status_code not in ASK_AGAIN:
            LOG.error("notice_refused", message_id=name, answer=answer.text)
            self._book.close_deposit(name, notified=False, answer=_content(answer))


def _content(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return answer.text


class Bank:
    """The routes of one bank."""

    def __init__(self, facts: BankSettings, http: httpx.Client | None = None) -> None:
        self._facts = facts
        self._book = Book(facts.state)
        self._notifier = Notifier(facts, self._book, http or httpx.Client(timeout=httpx.Timeout(50.0, connect=2.0)))

    def app(self) -> Starlette:
        """Build the web application."""
        routes: list[tuple[str, str, Callable[[Request, bytes], Response]]] = [
            ("POST", "/v1/messages", self._message),
            ("POST", "/v1/releases", self._release),
            ("GET", "/v1/statements/{day}", self._statement),
            ("POST", "/sim/deposits", self._deposits),
            ("POST", "/sim/adjust", self._adjust),
            ("GET", "/sim/balances", self._balances),
            ("GET", "/healthz", lambda _request, _content: JSONResponse({"status": "up"})),
        ]
        return Starlette(
            routes=[Route(path, _endpoint(handle), methods=[method]) for method, path, handle in routes],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._notifier.start()
        yield
        await run_in_threadpool(self._notifier.stop)
        self._book.close()

    def _message(self, _request: Request, content: bytes) -> Response:
        """Answer a payment order: everything held, or nothing, with a reason for each account that cannot pay."""
        order = parse_pain001(content)
        if order.bank != self._facts.bank:
            return _problem(422, f"this is {self._facts.bank}, not {order.bank}")
        movements = [(movement.account, movement.amount_fen) for movement in order.movements]
        answered = self._book.order(order.message_id, hashlib.sha256(content).hexdigest(), movements)
        return Response(write_pain002(_report(order, answered.refused)), media_type=CONTENT_TYPE)

    def _release(self, request: Request, content: bytes) -> Response:
        message_id = str(_json(request, content).get("message_id", ""))
        if not self._book.release(message_id):
            return _problem(404, f"nothing is held under {message_id}")
        return JSONResponse({"message_id": message_id, "released": True})

    def _statement(self, request: Request, _content: bytes) -> Response:
        day = date.fromisoformat(request.path_params["day"])
        total, balances = self._book.snapshot()
        closed_at = datetime.combine(day, time(15, 30), BEIJING)
        name = f"STMT-{self._facts.bank}-{day}"
        statement = Statement(name, closed_at, day, self._facts.bank, total, balances)
        return Response(write_camt053(statement), media_type=CONTENT_TYPE)

    def _deposits(self, request: Request, content: bytes) -> Response:
        """Take money in and tell the registry; the answer waits for the registry's."""
        asked = _json(request, content)
        name, entries = str(asked["message_id"]), _entries(asked["entries"])
        deposit = self._book.deposit(name, entries, at=datetime.now(BEIJING).isoformat(timespec="seconds"))
        self._notifier.wait_for(deposit, PATIENCE_S)
        status = {"notified": 201, "reversed": 422}.get(deposit.state, 202)
        return JSONResponse({"message_id": name, "state": deposit.state, "registry": deposit.answer}, status)

    def _adjust(self, request: Request, content: bytes) -> Response:
        asked = _json(request, content)
        self._book.adjust(str(asked["account"]), int(asked["amount_fen"]))
        return JSONResponse({"account": asked["account"], "amount_fen": asked["amount_fen"]})

    def _balances(self, _request: Request, _content: bytes) -> Response:
        total, balances = self._book.snapshot()
        return JSONResponse({"bank": self._facts.bank, "total_fen": total, "balances": balances})


def _report(order: PaymentOrder, refused: dict[str, str]) -> StatusReport:
    """Word the answer; count and sum are added up here, from what was understood."""
    fine = TECHNICALLY_VALID if refused else ACCEPTED
    statuses = tuple(
        Status(movement.account, REJECTED if movement.account in refused else fine, refused.get(movement.account, ""))
        for movement in order.movements
    )
    return StatusReport(
        message_id=f"STS-{order.message_id}"[:35],
        created_at=order.created_at,
        original_id=order.message_id,
        transactions=len(statuses),
        control_sum_fen=sum(max(m.amount_fen, -m.amount_fen) for m in order.movements),
        group=REJECTED if refused else ACCEPTED,
        statuses=statuses,
    )


def _entries(listed: list[dict[str, Any]]) -> list[tuple[str, int]]:
    entries = [(str(entry["account"]), entry["amount_fen"]) for entry in listed]
    if not entries or any(type(fen) is not int or fen <= 0 for _, fen in entries):
        raise ValueError("entries are credits of whole fen")
    return entries


def _json(request: Request, content: bytes) -> dict[str, Any]:
    asked = json.loads(content)
    if not isinstance(asked, dict):
        raise TypeError(f"{request.url.path} takes an object")
    return asked


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)


def _endpoint(handle: Callable[[Request, bytes], Response]) -> Callable[[Request], Any]:
    """Run a handler in a thread, and turn what it cannot read into an answer."""

    async def endpoint(request: Request) -> Response:
        content = await request.body()
        try:
            return await run_in_threadpool(handle, request, content)
        except ContradictionError as error:
            return _problem(409, str(error))
        except (WireError, ValueError, KeyError, TypeError) as error:
            return _problem(422, f"{type(error).__name__}: {error}")

    return endpoint


def main() -> None:
    """Run the bank until it is told to end."""
    facts = BankSettings()
    host, _, port = facts.listen.rpartition(":")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    app = Bank(facts).app()
    uvicorn.run(app, host=host, port=int(port), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
