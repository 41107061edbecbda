"""A whole registry over real HTTP with its exchange, its bank and the offset registry: what a year is played on."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import structlog
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, Engine
from typer.testing import CliRunner

from chaos.simulators.bank import Bank, BankSettings
from chaos.simulators.ccer.server import Ccer, CcerSettings
from chaos.simulators.exchange.floor import Floor
from chaos.simulators.exchange.http import files_app
from core.api.app import create_app
from core.api.auth import Verifier
from core.bank.client import BankClient
from core.bootstrap import build_desk
from core.chores import CHORES
from core.cli import app as commands
from core.day.arrows import Parties
from core.day.chores import Chore
from core.day.counterparty import ExchangeFiles
from core.day.worker import Worker
from core.ledger.keys import SealingKey
from core.offset import link
from core.offset.wire import OffsetRegistry
from core.settings import Settings
from core.telemetry import bind_service

pytest.register_assert_rewrite("tests.worked.allocating", "tests.worked.complying")

from tests.worked.registry import Person, Year  # noqa: E402  # after what it asserts is to be explained

ISSUER = "https://issuer.invalid"


@contextmanager
def serving(app: Any) -> Iterator[httpx.Client]:
    """Serve an application over real HTTP, and hand out a client for it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        host, port = listening.getsockname()
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def sealing_key() -> SealingKey:
    """The key with which the registry signs the seal of each day."""
    return SealingKey(Ed25519PrivateKey.generate())


@pytest.fixture
def few_words() -> Iterator[None]:
    """Log what is wrong only: between printed statements nobody reads the rest."""
    before = structlog.get_config()
    bind_service("test")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@pytest.fixture
def year(dsn: str, engine: Engine, few_words: None, sealing_key: SealingKey, tmp_path: Path) -> Iterator[Year]:
    """A registry whose first day has not come, its exchange, its bank, and the offset registry."""
    issuer = Ed25519PrivateKey.generate()
    public = issuer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer.pub.pem").write_bytes(public)

    def token(person: Person) -> str:
        claims = {"sub": person.name, "roles": list(person.roles), "iss": ISSUER, "exp": int(time.time()) + 3600}
        return jwt.encode(claims | ({"province": person.province} if person.province else {}), issuer, "EdDSA")

    (tmp_path / "bank.token").write_text(token(Person("bank-1", ("bank",))), encoding="utf-8")
    with ExitStack() as served:
        ccer = served.enter_context(serving(Ccer(CcerSettings(state=tmp_path / "ccer.journal")).app()))
        facts = Settings(
            dsn=dsn,
            token_public_key=tmp_path / "issuer.pub.pem",
            token_issuer=ISSUER,
            playground=True,
        )
        app = create_app(build_desk(facts), Verifier(public, issuer=ISSUER))
        http = served.enter_context(serving(app))
        at_bank = BankSettings(
            api=[str(http.base_url).rstrip("/")], token_path=tmp_path / "bank.token", state=tmp_path / "bank.journal"
        )
        to_registry = served.enter_context(httpx.Client(timeout=30))
        bank = served.enter_context(serving(Bank(at_bank, to_registry).app()))
        floor = Floor()
        line = served.enter_context(serving(files_app(floor)))
        parties = Parties(engine, ExchangeFiles([line]), {"B001": BankClient("B001", bank)}, "settle@test", sealing_key)
        lots = Chore("offset registry", link.waiting, link.deliver(OffsetRegistry(ccer)))
        yield Year(http, bank, ccer, floor, engine, Worker(parties, (*CHORES, lots)), token)


@dataclass(frozen=True)
class Books:
    """The registry's own proofs, as an operator and an outsider call them up."""

    dsn: str
    folder: Path
    sound: Callable[[Connection], None]

    def run(self, *command: str) -> str:
        """Run ``registry ...``; whatever is not whole ends it with another code than nought."""
        ended = CliRunner().invoke(commands, command)
        assert ended.exit_code == 0, ended.output
        return " ".join(ended.stdout.split())


@pytest.fixture
def books(dsn: str, sealing_key: SealingKey, tmp_path: Path, sound: Callable[[Connection], None]) -> Books:
    """The proofs; the public half of the sealing key is there as outsiders have it."""
    public = sealing_key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "seal.pub.pem").write_bytes(public)
    return Books(dsn, tmp_path, sound)
