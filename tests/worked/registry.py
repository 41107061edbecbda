"""The people of a worked year, and what they do: everything over HTTP, as its clients do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
from sqlalchemy import Connection, Engine

from chaos.simulators.exchange.floor import Floor
from core.day.worker import Worker
from core.exchange import booking
from core.exchange import store as exchange
from core.exchange.rules import Received, Totals
from core.statements.rules import amount_text

TICKS_MAX = 60


@dataclass(frozen=True)
class Person:
    """Somebody with a login."""

    name: str
    roles: tuple[str, ...]
    province: str | None = None


MAKER, CHECKER = Person("registry.lin", ("maker",)), Person("registry.zhao", ("checker",))
OPERATOR, AUDITOR = Person("registry.night", ("operator",)), Person("auditor.he", ("auditor",))
MINISTRY = Person("ministry.qian", ("authority_maker", "authority_checker"))
HUBEI = Person("hubei.sun", ("authority_maker",), "42")
HUBEI_CHECKER = Person("hubei.zhou", ("authority_checker",), "42")
HUBEI_SECOND = Person("hubei.wu", ("authority_checker",), "42")
SHANGHAI = Person("shanghai.zheng", ("authority_maker",), "31")
SHANGHAI_CHECKER = Person("shanghai.wang", ("authority_checker",), "31")


@dataclass(frozen=True)
class Subject:
    """Somebody who has an account, and the person who acts for it."""

    number: str
    holder: Person


@dataclass
class Year:
    """The registry and its counterparties, as the people of the year use them."""

    http: httpx.Client
    bank: httpx.Client
    ccer: httpx.Client
    floor: Floor
    engine: Engine
    worker: Worker
    token: Callable[[Person], str]
    keys: Iterator[int] = field(default_factory=itertools.count)

    # --- how people speak to the registry ---

    def ask(self, path: str, by: Person = AUDITOR, **params: Any) -> httpx.Response:
        """Read."""
        return self.http.get(path, params=params, headers={"Authorization": f"Bearer {self.token(by)}"})

    def get(self, path: str, by: Person = AUDITOR, **params: Any) -> Any:
        """Read what is there."""
        answer = self.ask(path, by, **params)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def send(self, path: str, body: Any, by: Person) -> httpx.Response:
        """Write, each time under a new key."""
        headers = {"Authorization": f"Bearer {self.token(by)}", "Idempotency-Key": f"key-{next(self.keys)}"}
        return self.http.post(path, json=body, headers=headers)

    def post(self, path: str, body: Any, by: Person = MAKER) -> Any:
        """Write what the registry accepts."""
        answer = self.send(path, body, by)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def refused(self, path: str, body: Any, by: Person = MAKER) -> tuple[str, str]:
        """Write what the registry refuses; return the code of the refusal and what it says of the case."""
        answer = self.send(path, body, by)
        assert answer.is_client_error, (path, answer.text)
        return answer.json()["code"], answer.json().get("detail", "")

    def foresee(self, path: str, body: Any, by: Person = MAKER) -> httpx.Response:
        """Ask for a dry run, which needs no key."""
        return self.http.post(f"{path}/dry-run", json=body, headers={"Authorization": f"Bearer {self.token(by)}"})

    def approve(self, task: Mapping[str, Any], *by: Person) -> Any:
        """Let other people approve; return the outcome."""
        done = None
        for person in by:
            done = self.post(f"/v1/tasks/{task['id']}/approve", {}, person)
        assert done is not None
        assert done["state"] == "APPROVED", done
        return done["outcome"]

    def done(self, path: str, body: Any, *people: Person) -> Any:
        """Let the first of the people propose and the others approve: by custom, the registry's maker and checker."""
        proposer, *deciders = people or (MAKER, CHECKER)
        return self.approve(self.post(path, body, proposer), *deciders)

    # --- what the registry says of an account ---

    def held(self, subject: Subject) -> dict[tuple[str, str], int]:
        """Return what the account holds, by asset and bucket."""
        found = self.get(f"/v1/accounts/{subject.number}/holdings")["holdings"]
        return {(held["asset"], held["bucket"]): held["amount"] for held in found if held["amount"]}

    def tonnes(self, subject: Subject, product: str = "CEA-2019") -> int:
        """Return what the account may dispose of."""
        return self.held(subject).get((product, "available"), 0)

    def fen(self, subject: Subject) -> int:
        """Return the cash that the account may dispose of."""
        return self.held(subject).get(("CNY", "available"), 0)

    def obligation(self, subject: Subject, year: int = 2020) -> tuple[str, int, int, int, int]:
        """Return state, tonnes due, surrendered, offset and missing."""
        found = self.get(f"/v1/accounts/{subject.number}/obligations/{year}")
        return found["state"], found["due"], found["surrendered"], found["offset"], found["missing"]

    def statement(self, subject: Subject, day: str, form: str, by: Person | None = None) -> httpx.Response:
        """Fetch the statement of a day, as its owner does."""
        answer = self.ask(f"/v1/accounts/{subject.number}/statements/{day}", by or subject.holder, form=form)
        assert answer.status_code == 200, answer.text
        return answer

    # --- time, and what happens by itself ---

    def settle(self) -> None:
        """Let the settle worker do all there is to do now."""
        for _ in range(TICKS_MAX):
            if not self.worker.tick():
                return
        raise AssertionError("the worker finds no end")

    def at(self, moment: str) -> None:
        """Let it be a moment in Shanghai, and happen what then happens."""
        self.post("/v1/clock", {"now": f"{moment}:00+08:00".replace(" ", "T")}, OPERATOR)
        self.settle()

    def morning(self, day: str, *, tonnes: int, fen: int) -> None:
        """Begin a market day; days without business before it give way. ``tonnes`` and ``fen`` were traded so far."""
        self.at(f"{day} 08:30")
        self.post("/v1/days", {"day": day, "cumulative_t": tonnes, "cumulative_fen": fen}, OPERATOR)
        self.settle()
        assert self.get(f"/v1/days/{day}")["state"] == "OPENING_ACKED"

    def trade(self, day: str, rows: list[dict[str, Any]]) -> None:
        """Trade on the exchange's floor, and take in what it sends: every trade is judged by the day's rules."""
        self.floor.load(day, None, rows)
        self.floor.close()
        trading = self.floor.loaded()
        batch = [Received.of_body(seq, trade.row(), "A") for seq, trade in enumerate(trading.trades, start=1)]
        stream = booking.open_stream(self.engine, date.fromisoformat(day), exchange.APPL_ID)
        assert isinstance(stream, booking.Stream)
        booked = booking.book(self.engine, stream, batch)
        assert isinstance(booked, booking.Booked)
        assert booked.refused == []
        theirs = trading.totals
        facts = (theirs.new_count, theirs.changed_count, len(batch), theirs.quantity, theirs.turnover_fen)
        booking.end(self.engine, booked.stream, Totals(*facts, theirs.sha256_hex))

    def read(self, work: Callable[[Connection], Any]) -> Any:
        """Look into the database itself."""
        with self.engine.connect() as connection:
            return work(connection)


def printed(statement: Mapping[str, Any]) -> None:
    """Print a statement for people; pytest shows it with -s."""
    sys.stdout.write("\n".join(_lines(statement)) + "\n")


def _lines(statement: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n{statement['account']}  {statement['name']}  {statement['day']}"
    for held in statement["balances"]:
        was, now = (amount_text(held["asset"], held[when]) for when in ("opening", "closing"))
        yield f"  {held['asset']:<9}{held['bucket']:<18}{was:>16} -> {now:>16}"
    for booked in statement["bookings"]:
        change, balance = (amount_text(booked["asset"], booked[what]) for what in ("change", "balance"))
        place = f"{booked['asset']:<9}{booked['bucket']:<18}"
        yield f"    {booked['type']:<18}{place}{change:>16} = {balance:>16}  {booked['other_account']}"
    for serials in statement["serials"]:
        yield f"  {serials['first']} .. {serials['last']}  {serials['tonnes']:>10,} t"
