"""Accounts through the services, and through the API with its queue on a real database."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, Engine, text

from core.accounts import service as accounts
from core.accounts.operators import service as operators
from core.accounts.rights import refuse_right
from core.accounts.rules import number_of
from core.accounts.states import service as states
from core.api.app import create_app
from core.api.auth import Verifier
from core.approvals import service as approvals
from core.bootstrap import build_desk
from core.callers import Caller
from core.executors import EXECUTORS
from core.ledger import store as ledger
from core.ledger.rules import BANK, Transfer, place_of
from core.refusals import Answer, Refused
from core.settings import Settings
from core.telemetry import bind_service

ISSUER = "https://issuer.invalid"
DAY = "2021-07-16"
ANN, BOB = (Caller(name, frozenset({"maker", "checker"})) for name in ("ann", "bob"))
MIA, OTTO = (Caller(name, frozenset({"holder"})) for name in ("mia", "otto"))
INSERT_DAY = "INSERT INTO market_day (day, state, cumulative_t, cumulative_fen) VALUES (:day, :state, 0, 0)"
INSERT_OPENING = "INSERT INTO opening (day, version, positions, hash) VALUES (:day, 1, 1, sha256('x'))"
INSERT_POSITION = "INSERT INTO opening_position VALUES (:day, 1, :number, 'CNY', :amount)"


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    bind_service("test")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Desk:
    """Ann proposes, Bob decides, Cleo decides as well; Mia and Otto are of a subject."""

    engine: Engine
    ann: Caller = ANN
    bob: Caller = BOB
    mia: Caller = MIA
    otto: Caller = OTTO
    serials: Iterator[int] = field(default_factory=lambda: itertools.count(2001))

    def do(self, work: Callable[[Connection], Any]) -> Any:
        with self.engine.begin() as connection:
            return work(connection)

    def account(self, state: str = "OPEN", *, restriction: str | None = None, fen: int = 0) -> str:
        """Make an account in a state, as if its history were long."""
        number = number_of("E", "42", next(self.serials))
        row = {"n": number, "s": state, "r": restriction}

        def work(connection: Connection) -> None:
            insert = "INSERT INTO account (number, name, state, restriction) VALUES (:n, 'Firm', :s, :r)"
            connection.execute(text(insert), row)
            if fen:
                giver, taker = place_of(BANK, "CNY"), place_of(number, "CNY")
                one = Transfer(f"d:{number}", giver, taker, fen, "DEPOSIT", "t")
                ledger.post(connection, [one], market_day=date(2021, 7, 1))

        self.do(work)
        return number

    def propose(self, account: str, action: str, *, by: Caller | None = None, **more: str) -> Answer | Refused:
        body = {"account": account, "action": action, "reason": "because"} | more
        found: Answer | Refused = self.do(lambda c: states.propose_change(c, by or self.ann, body))
        return found

    def approve(self, proposed: Answer | Refused, *, by: Caller | None = None) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        task = str(proposed.body["id"])
        found: Answer | Refused = self.do(
            lambda c: approvals.approve(c, by or self.bob, task, EXECUTORS, rights=refuse_right)
        )
        return found

    def change(self, account: str, action: str, **more: str) -> dict[str, Any]:
        """Propose and approve, and return the account as it is then."""
        done = self.approve(self.propose(account, action, **more))
        assert isinstance(done, Answer), done
        return self.show(account)

    def show(self, account: str) -> dict[str, Any]:
        found = self.do(lambda c: accounts.get(c, self.ann, account))
        return dict(found.body)

    def history(self, account: str) -> list[dict[str, Any]]:
        found = self.do(lambda c: states.history(c, self.ann, account))
        return list(found.body["changes"])

    def operator(self, account: str, login: str, right: str) -> None:
        body = {"account": account, "login": login, "right": right, "action": "add"}
        done = self.approve(self.do(lambda c: operators.propose(c, self.ann, body)))
        assert isinstance(done, Answer), done

    def notices(self) -> list[tuple[str, str]]:
        """Return account and effect of each notice that waits, oldest first."""
        query = "SELECT payload FROM outbox WHERE topic = 'restriction' AND delivered_at IS NULL ORDER BY id"
        rows = self.do(lambda c: c.execute(text(query)).scalars().all())
        return [(row["account"], row["effect"]) for row in rows]

    def trading(self, *numbers: str, state: str = "TRADING", amount: int = 0) -> None:
        """Let a day be in progress in whose opening data these accounts stand."""

        def work(connection: Connection) -> None:
            day = {"day": DAY, "state": state}
            connection.execute(text(INSERT_DAY), day)
            connection.execute(text(INSERT_OPENING), day)
            for number in numbers:
                connection.execute(text(INSERT_POSITION), {"day": DAY, "number": number, "amount": amount})

        self.do(work)


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


@dataclass
class Web:
    """Callers of the API, each write under a key of its own unless one is given."""

    http: httpx.AsyncClient
    key_pair: Ed25519PrivateKey
    keys: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def headers(self, name: str, roles: tuple[str, ...], more: dict[str, str] | None) -> dict[str, str]:
        claims = {"sub": name, "roles": list(roles), "iss": ISSUER, "exp": int(time.time()) + 3600}
        token = jwt.encode(claims, self.key_pair, algorithm="EdDSA")
        return {"Authorization": f"Bearer {token}"} | (more or {})

    async def get(
        self, path: str, *, by: str = "reader", roles: tuple[str, ...] = ("auditor",), headers: Any = None, **more: Any
    ) -> httpx.Response:
        return await self.http.get(path, headers=self.headers(by, roles, headers), **more)

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        by: str = "ann",
        roles: tuple[str, ...] = ("maker", "checker"),
        headers: Any = None,
        key: str = "",
        **more: Any,
    ) -> httpx.Response:
        named = self.headers(by, roles, headers)
        named["Idempotency-Key"] = key or f"k{next(self.keys)}"
        if body is not None:
            more["json"] = body
        return await self.http.post(path, headers=named, **more)

    async def approve(self, task: str, *, by: str = "bob", roles: tuple[str, ...] = ("checker",)) -> httpx.Response:
        return await self.post(f"/v1/tasks/{task}/approve", by=by, roles=roles)

    async def file(self, content: bytes, *, charset: str = "", key: str = "", by: str = "ann") -> httpx.Response:
        kind = "text/csv" + (f"; charset={charset}" if charset else "")
        return await self.post("/v1/accounts/csv", by=by, key=key, content=content, headers={"Content-Type": kind})


@pytest.fixture
async def web(dsn: str, tmp_path: Path) -> AsyncIterator[Web]:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path = tmp_path / "issuer.pub.pem"
    path.write_bytes(public)
    built = build_desk(Settings(dsn=dsn, token_public_key=path, token_issuer=ISSUER, playground=True))
    built.open()
    app = create_app(built, Verifier(public, issuer=ISSUER))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as http:
        yield Web(http, key)
    built.close()
