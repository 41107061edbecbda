"""The only place that commits, against a server that freezes, and one whose standby does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from core.api.group import Write
from core.api.queue import WriteQueue
from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, Unknown, read, write

ONE = text("INSERT INTO beat (probe, n) VALUES ('one', 1)")
THERE = text("SELECT count(*) FROM beat")


@pytest.fixture
def through(line_dsn: str) -> Iterator[Engine]:
    """An engine through the line, already connected once."""
    engine = write_engine(line_dsn, pool_size=1)
    read(engine, lambda connection: connection.execute(THERE).scalar_one())
    yield engine
    engine.dispose()


@pytest.fixture
def lonely(postgres: str, dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A primary whose standby never answers, for this database's sessions; yields a superuser's session."""
    database = dsn.rsplit("/", 1)[1]
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {database} SET synchronous_commit = on")
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            _await(admin, "SELECT current_setting('synchronous_standby_names') = 'nobody'")
            yield admin
        finally:
            _find_the_standby(admin)


def _find_the_standby(admin: psycopg.Connection[Any]) -> None:
    admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
    admin.execute("SELECT pg_reload_conf()")


def _await(admin: psycopg.Connection[Any], condition: str) -> None:
    for _ in range(200):
        if admin.execute(condition).fetchone()[0]:
            return
        time.sleep(0.02)
    raise TimeoutError(condition)


def _cancel_the_wait(admin: psycopg.Connection[Any]) -> None:
    _await(admin, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    admin.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


def test_a_read_from_a_frozen_server_ends_at_its_deadline(line: Any, through: Engine) -> None:
    line.flowing.clear()
    began = time.monotonic()
    with pytest.raises(NoPrimaryError):
        read(through, lambda connection: connection.execute(THERE).scalar_one(), within_s=0.3, patience_s=0)
    assert time.monotonic() - began < 2


def test_a_rollback_on_a_frozen_server_ends_at_its_deadline_too(line: Any, through: Engine) -> None:
    """The work's own error comes out, not the broken rollback's; and the next transaction gets a fresh connection."""

    def work(connection: Connection) -> None:
        connection.execute(ONE)
        line.flowing.clear()
        raise ValueError("ours")

    began = time.monotonic()
    with pytest.raises(ValueError, match="ours"):
        write(through, work, within_s=0.5)
    assert time.monotonic() - began < 2
    line.cut()
    line.open()
    assert read(through, lambda connection: connection.execute(THERE).scalar_one()) == 0


def test_a_commit_on_a_frozen_server_is_unknown(line: Any, through: Engine) -> None:
    def work(connection: Connection) -> str:
        connection.execute(ONE)
        line.flowing.clear()
        return "done"

    assert write(through, work, within_s=0.5) == Unknown()


def test_a_connection_lost_before_commit_is_tried_again(line: Any, through: Engine) -> None:
    lost = 0

    def work(connection: Connection) -> int:
        nonlocal lost
        if lost < 2:
            lost += 1
            line.cut()
            line.open()
        connection.execute(ONE)
        return lost

    assert write(through, work) == 2
    assert read(through, lambda connection: connection.execute(THERE).scalar_one()) == 1


def test_a_wait_for_the_standby_that_was_cancelled_is_unknown(lonely: psycopg.Connection[Any], engine: Engine) -> None:
    """The server says success, and a warning: durable on one node, perhaps nowhere else."""

    async def both() -> Any:
        writing = asyncio.to_thread(write, engine, lambda connection: connection.execute(ONE).rowcount)
        return (await asyncio.gather(writing, asyncio.to_thread(_cancel_the_wait, lonely)))[0]

    assert asyncio.run(both()) == Unknown()
    assert read(engine, lambda connection: connection.execute(THERE).scalar_one()) == 1


@pytest.mark.anyio
async def test_an_answer_that_only_the_primary_has_is_not_given_until_a_standby_has_it(
    lonely: psycopg.Connection[Any],
    started: Callable[..., WriteQueue],
    counting: Callable[..., Write],
    effects: Callable[[], dict[str, int]],
) -> None:
    """The row is there after the first, cancelled wait; a repeat that wrote nothing would not wait and would lie."""
    waiting = asyncio.create_task(started().put(counting("k")))
    for _ in range(3):
        await asyncio.to_thread(_cancel_the_wait, lonely)
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert effects() == {"k": 1}
    _find_the_standby(lonely)

    answer = await asyncio.wait_for(waiting, 10)
    assert (answer.status, answer.body) == (201, {"key": "k", "n": 1})
    assert effects() == {"k": 1}


def test_a_connection_whose_siblings_lost_the_primary_is_closed_and_not_left_lying_about(engine: Engine) -> None:
    """The pool that it came from was given up meanwhile, so no pool would take it back."""
    kept: list[Any] = []

    def work(connection: Connection) -> None:
        kept.append(connection.connection.driver_connection)
        engine.dispose()  # what another thread does whose own connection broke

    read(engine, work)
    assert kept[0].closed
