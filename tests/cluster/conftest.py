"""One private cluster for the whole run, and a client outside it that remembers every answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, Self

import psycopg
import pytest
from psycopg import sql

from deploy.playground.lifecycle import Started, private_playground

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies in this folder needs the cluster."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def playground() -> Iterator[Started]:
    """The cluster of this run, up and taking writes; ended afterwards, whatever happens."""
    with private_playground() as started:
        yield started


@pytest.fixture
def status(playground: Started) -> Callable[[], dict[str, Any]]:
    """Ask for the status now."""
    return playground.control.status


def wait_until(reached: Callable[[], bool], what: str, *, within_s: float) -> float:
    """Wait, and say what did not happen; return how long it took."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() - began < within_s, f"{what}: still not so after {within_s:g} s"
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.fixture
def eventually() -> Callable[..., float]:
    """The waiting helper, as a fixture: tests are no package."""
    return wait_until


@pytest.fixture
def whole(playground: Started) -> None:
    """Let a test begin with every data node in its place, whatever the one before it did."""

    def complete() -> bool:
        nodes = playground.control.status()["nodes"]
        roles = [node["role"] for node in nodes]
        return roles.count("primary") == 1 and roles.count("sync_standby") == 3

    wait_until(complete, "one primary and three synchronous standbys", within_s=90)


@dataclass(slots=True)
class Client:
    """Inserts through the write endpoint, one number after the other, and notes what was acknowledged."""

    uris: list[str]
    table: str
    acknowledged: list[int] = field(default_factory=list)
    tried: int = 0
    longest_gap_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        with psycopg.connect(self.uris[0]) as connection:
            connection.execute(self._on("CREATE TABLE {} (id bigint PRIMARY KEY)"))
        self._thread = threading.Thread(target=self._insert)
        self._thread.start()
        return self

    def _on(self, statement: LiteralString) -> sql.Composed:
        return sql.SQL(statement).format(sql.Identifier(self.table))

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _insert(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        last, turn = time.monotonic(), 0
        while not self._stop.is_set():
            self.tried += 1
            try:
                if connection is None:
                    uri = self.uris[turn % len(self.uris)]
                    connection = psycopg.connect(uri, connect_timeout=2, autocommit=True)
                connection.execute(self._on("INSERT INTO {} VALUES (%s)"), (self.tried,))
            except psycopg.Error:
                turn += 1
                if connection is not None:
                    connection.close()
                connection = None
                self._stop.wait(0.05)
                continue
            now = time.monotonic()
            self.acknowledged.append(self.tried)
            self.longest_gap_s, last = max(self.longest_gap_s, now - last), now
            self._stop.wait(0.01)
        if connection is not None:
            connection.close()

    def present(self) -> set[int]:
        """Read back what is there."""
        for turn in range(60):
            with suppress(psycopg.Error), psycopg.connect(self.uris[turn % 2], connect_timeout=2) as connection:
                return {row[0] for row in connection.execute(self._on("SELECT id FROM {}"))}
            time.sleep(0.5)
        raise AssertionError("the table cannot be read back")


@pytest.fixture
def client(playground: Started, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client that inserts for as long as the test runs."""
    uris = playground.control.status()["endpoints"]["write"]
    with Client(uris, f"t_{abs(hash(request.node.nodeid)) % 10**9}") as inserting:
        yield inserting
