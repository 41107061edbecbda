"""A real PostgreSQL for each run, a clean database for each test, and a small market in it."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts import service as accounts
from core.allocation import service as allocation
from core.approvals import service as approvals
from core.audit import store as audit
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.db.engine import write_engine
from core.db.migrate import upgrade
from core.db.prepare import Passwords, prepare
from core.db.transaction import read
from core.encumbrance import store as encumbrances
from core.executors import EXECUTORS, UNDOERS
from core.ledger import store as ledger
from core.ledger.rules import BANK, ISSUANCE, Transfer, place_of
from core.quantities import CASH, Vintage
from core.reconciliation import store as reconciliation
from core.refusals import Answer, Refused
from core.transfers import service as transfers
from core.units import store as units
from core.units.history import store as history
from deploy.binaries import as_node_user, postgres_bin
from deploy.ports import free_port

FAST = {  # a test's database may die with the machine; the cluster's never does
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URI of a real PostgreSQL that this run owns."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    data, port = folder / "data", free_port("127.0.0.1")
    subprocess.run(
        as_node_user([str(postgres_bin() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"]),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = " ".join(f"-c {name}={value or repr('')}" for name, value in (FAST | {"port": str(port)}).items())
    pg_ctl = [str(postgres_bin() / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    subprocess.run(as_node_user([*pg_ctl, "-o", options, "start"]), check=True, stdout=subprocess.DEVNULL)
    try:
        admin = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        prepare(admin, Passwords(None, None, None))
        upgrade(f"postgresql://registry_owner@127.0.0.1:{port}/registry")
        yield admin
    finally:
        subprocess.run(as_node_user([*pg_ctl, "-m", "immediate", "stop"]), check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def dsn(postgres: str, request: pytest.FixtureRequest, _numbers: Iterator[int]) -> Iterator[str]:
    """The application's URI of a database of its own, migrated and empty."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE registry OWNER registry_owner")
        for role in ("registry_owner", "registry_app"):
            admin.execute(f"ALTER ROLE {role} IN DATABASE {name} SET search_path = registry")
    yield postgres.replace("postgres@", "registry_app@").replace("/postgres", f"/{name}")
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


def _sound(connection: Connection) -> None:
    """Both accountings agree on everybody; the books balance; no serial twice or missing; both chains hold."""
    booked: dict[tuple[str, int], int] = {}
    owners = list(connection.execute(text("SELECT number FROM account")).scalars())
    for held in ledger.balances(connection, owners):
        assert held.amount >= 0 or held.owner in {ISSUANCE, BANK}
        if held.asset == CASH:
            continue
        key = (held.owner, int(held.asset[4:]))
        # What was issued left the issuing account, and what was taken back is there until it is handed out again.
        issued = units.issued(connection, Vintage(key[1])) if held.owner == ISSUANCE else 0
        booked[key] = booked.get(key, 0) + held.amount + issued
    assert reconciliation.differences(connection) == []
    assert encumbrances.differences(connection) == []
    assert units.totals(connection) == {key: tonnes for key, tonnes in booked.items() if tonnes}
    assert set(ledger.imbalance(connection).values()) <= {0}
    assert ledger.drifted(connection) == []
    assert ledger.verify_chain(connection) == []
    assert history.uncovered(connection) == []
    assert history.unreplayed(connection) == []
    assert audit.verify(connection) == []


@pytest.fixture
def sound() -> Callable[[Connection], None]:
    """What must hold of every registry at every moment, as a check."""
    return _sound


def _held(connection: Connection, *owners: str, asset: str = "CEA-2019") -> list[dict[str, int]]:
    found = ledger.balances(connection, owners)
    return [{b.bucket: b.amount for b in found if b.owner == one and b.asset == asset and b.amount} for one in owners]


@pytest.fixture
def held() -> Callable[..., list[dict[str, int]]]:
    """Read what owners hold of an asset, by bucket."""
    return _held


@pytest.fixture
def engine(dsn: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The application's engine on the test's own database, which is sound when the test is over."""
    built = write_engine(dsn, pool_size=20)
    yield built
    if request.node.get_closest_marker("unsound") is None:
        read(built, _sound)
    built.dispose()


@pytest.fixture
def owner_dsn(dsn: str) -> str:
    """The same database as the owner of its tables: what a rogue script with all rights could do."""
    return dsn.replace("registry_app@", "registry_owner@")


@dataclass(frozen=True)
class Market:
    """Two people and what they do on a connection."""

    ann: Caller
    bob: Caller

    def approve(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.approve(connection, self.bob, str(proposed.body["id"]), EXECUTORS)

    def reject(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.reject(connection, self.bob, str(proposed.body["id"]), {"reason": "no"}, UNDOERS)

    def open(self, connection: Connection, count: int, kind: str = "E") -> list[str]:
        lines = [{"name": f"Firm {n}", "kind": kind, "province": "42"} for n in range(count)]
        done = self.approve(connection, accounts.propose_openings(connection, self.ann, {"accounts": lines}))
        assert isinstance(done, Answer), done
        return [account["number"] for account in done.body["accounts"]]

    def allocate(
        self, connection: Connection, lines: Sequence[tuple[str, int]], plan: str = "first", product: str = "CEA-2019"
    ) -> None:
        body = {"product": product, "plan": plan, "lines": [{"account": a, "tonnes": t} for a, t in lines]}
        done = self.approve(connection, allocation.propose(connection, self.ann, body))
        assert isinstance(done, Answer), done

    def deposit(self, connection: Connection, account: str, fen: int) -> None:
        source, target = place_of(BANK, "CNY"), place_of(account, "CNY")
        day = market_day(clock.now(connection))
        ledger.post(connection, [Transfer(f"d-{account}", source, target, fen, "DEPOSIT", "test")], market_day=day)

    def transfer(
        self, connection: Connection, giver: object, taker: object, amount: object, asset: object = "CEA-2019"
    ) -> Answer | Refused:
        body = {"from_account": giver, "to_account": taker, "asset": asset, "amount": amount}
        return transfers.transfer(connection, self.ann, body, free_transfers=True)


@pytest.fixture
def market(engine: Engine) -> Market:
    """Ann proposes, Bob approves."""
    both = frozenset({"maker", "checker"})
    return Market(Caller("ann", both), Caller("bob", both))
