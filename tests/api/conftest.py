"""The API on a real database: a queue, an application, callers with tokens, and a database that can go away."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, Engine, text

from core.api.app import create_app
from core.api.auth import Verifier
from core.api.calls import Desk
from core.api.group import Write
from core.api.queue import WriteQueue
from core.bootstrap import build_desk
from core.db.engine import write_engine
from core.refusals import Answer, Refused
from core.settings import Settings
from core.telemetry import bind_service

ISSUER = "https://issuer.invalid"


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Log as the processes do: the default draws every traceback in full colour, for seconds."""
    bind_service("test")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def issuer_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def public_key(issuer_key: Ed25519PrivateKey) -> bytes:
    return issuer_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="session")
def token(issuer_key: Ed25519PrivateKey) -> Callable[..., str]:
    """Sign a token; claims given by name replace the ordinary ones."""

    def sign(name: str, *roles: str, **other: Any) -> str:
        claims = {"sub": name, "roles": list(roles), "iss": ISSUER, "exp": int(time.time()) + 3600} | other
        return jwt.encode({n: v for n, v in claims.items() if v is not None}, issuer_key, algorithm="EdDSA")

    return sign


@pytest.fixture
def facts(dsn: str, tmp_path: Path, public_key: bytes) -> Settings:
    """The settings of a playground."""
    path = tmp_path / "issuer.pub.pem"
    path.write_bytes(public_key)
    return Settings(dsn=dsn, token_public_key=path, token_issuer=ISSUER, playground=True)


@pytest.fixture
def desk(facts: Settings) -> Iterator[Desk]:
    """What the routes work with; its queue is started."""
    built = build_desk(facts)
    built.open()
    yield built
    built.close()


@pytest.fixture
async def api(desk: Desk, public_key: bytes, token: Callable[..., str]) -> AsyncIterator[Any]:
    """The application, and callers to it."""
    app = create_app(desk, Verifier(public_key, issuer=ISSUER))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as http:
        yield Callers(http, token)


@dataclass
class Callers:
    """Sends requests as somebody, each write under a fresh key unless one is given."""

    http: httpx.AsyncClient
    token: Callable[..., str]
    keys: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    ROLES = ("maker", "checker", "operator", "bank", "probe")

    async def get(self, path: str, **options: Any) -> httpx.Response:
        roles = options.pop("roles", ("auditor",))
        return await self.http.get(path, headers=self._headers(options.pop("by", "reader"), roles, options), **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        headers = self._headers(options.pop("by", "somebody"), options.pop("roles", self.ROLES), options)
        headers.setdefault("Idempotency-Key", options.pop("key", None) or f"key-{next(self.keys)}")
        if body is not None:
            options["json"] = body
        return await self.http.post(path, headers=headers, **options)

    async def approve(self, task: str) -> httpx.Response:
        return await self.post(f"/v1/tasks/{task}/approve", by="second")

    async def account(self, name: str, **more: str) -> str:
        """Open an account by two people and return its number."""
        asked = await self.post("/v1/accounts", {"name": name, "kind": "E", "province": "42"} | more)
        assert asked.status_code == 202, asked.text
        opened = await self.approve(asked.json()["id"])
        assert opened.status_code == 200, opened.text
        return asked.json()["account"]["number"]

    async def funded(self, name: str, fen: int) -> str:
        """Open an account that holds cash."""
        number = await self.account(name)
        body = {
            "bank": "B001",
            "message_id": f"M-{next(self.keys)}",
            "entries": [{"account": number, "amount_fen": fen}],
        }
        booked = await self.post("/v1/deposits", body)
        assert booked.status_code == 201, booked.text
        return number

    async def cash(self, number: str) -> int:
        held = (await self.get(f"/v1/accounts/{number}/holdings")).json()["holdings"]
        return sum(h["amount"] for h in held if h["asset"] == "CNY")

    def _headers(self, name: str, roles: tuple[str, ...], options: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(name, *roles)}"} | options.pop("headers", {})


COUNT = text(
    "INSERT INTO beat (probe, n) VALUES (:name, 1) ON CONFLICT (probe) DO UPDATE SET n = beat.n + 1 RETURNING n"
)


@pytest.fixture
def counting() -> Callable[..., Write]:
    """Make writes whose effect can be counted: the effect's row says how often it was carried out."""

    def make(key: str, *, content: str = "", caller: str = "C", route: str = "POST /v1/t", run: Any = None) -> Write:
        def count(connection: Connection) -> Answer | Refused:
            n = connection.execute(COUNT, {"name": f"{caller} {route} {key}"}).scalar_one()
            return Answer(201, {"key": key, "n": n})

        return Write(caller, route, key, f"{route}{content}".encode(), run or count)

    return make


@pytest.fixture
def effects(engine: Engine) -> Callable[[], dict[str, int]]:
    """Read how often each effect was carried out."""

    def read() -> dict[str, int]:
        with engine.connect() as connection:
            return {name.split(" ")[-1]: n for name, n in connection.execute(text("SELECT probe, n FROM beat"))}

    return read


@pytest.fixture
def started(dsn: str) -> Iterator[Callable[..., WriteQueue]]:
    """Start queues as processes of their own would: each has a connection of its own."""
    made: list[tuple[WriteQueue, Engine]] = []

    def start(uri: str = dsn, **limits: Any) -> WriteQueue:
        engine = write_engine(uri, pool_size=1)
        queue = WriteQueue(engine, **{"hold_window_s": 20, **limits})
        queue.start()
        made.append((queue, engine))
        return queue

    yield start
    for queue, engine in made:
        queue.stop()
        engine.dispose()


@pytest.fixture
def queue(engine: Engine) -> Iterator[WriteQueue]:
    """A queue that is not started yet, so that a test can let requests gather."""
    built = WriteQueue(engine, hold_window_s=20)
    yield built
    if built._thread.is_alive():
        built.stop()


@pytest.fixture
def together(queue: WriteQueue) -> Callable[..., Any]:
    """Put requests in while the writer is not there yet, so that it finds them as one group."""

    async def run(*asked: Any) -> list[Any]:
        waiting = [asyncio.create_task(queue.put(one)) for one in asked]
        await asyncio.sleep(0.05)
        if not queue._thread.is_alive():
            queue.start()
        return await asyncio.gather(*waiting, return_exceptions=True)

    return run


@dataclass
class Forwarder:
    """A TCP line to the database that can be cut, refused or frozen."""

    target: tuple[str, int]
    listener: socket.socket | None = None
    lines: list[socket.socket] = field(default_factory=list)
    flowing: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    break_at_commit: str | None = None
    """``before`` or ``after`` the server got it: end the connection once at the next COMMIT."""

    def open(self) -> None:
        """Take connections."""
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.flowing.set()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        if self.listener is not None:
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.flowing.set()
        for line in self.lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        self.lines.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
                self.lines += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                when = self.break_at_commit if b"COMMIT" in data else None
                if when is not None:
                    self.break_at_commit = None
                    source.shutdown(socket.SHUT_RDWR)
                if when != "before":
                    sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(dsn: str) -> Iterator[Forwarder]:
    """A line to the test's database; ``line_dsn`` goes through it."""
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    built = Forwarder((str(known["host"]), int(known["port"])))
    built.open()
    yield built
    built.cut()


@pytest.fixture
def line_dsn(dsn: str, line: Forwarder) -> str:
    """The database's URI through the line."""
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    return dsn.replace(f"{known['host']}:{known['port']}", f"127.0.0.1:{line.port}")
