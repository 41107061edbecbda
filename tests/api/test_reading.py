"""Reads that are too long, and reads whose server froze: the one is answered at once, the other is held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text

from core.api import reading
from core.api.reading import Reader
from core.db.engine import write_engine
from core.refusals import Reason, RefusedError

pytestmark = pytest.mark.anyio

SLOW = text("SELECT pg_sleep(30), 'a long scan'")
SCANS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%a long scan%' AND state = 'active' AND pid <> {pid}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "STATEMENT_S", 0.5)
    monkeypatch.setattr(reading, "WITHIN_S", 0.8)


@pytest.fixture
def reader(impatient: None, line_dsn: str) -> Iterator[Reader]:  # before it is built
    engine = write_engine(line_dsn, pool_size=4, timeouts={"statement_timeout": "500ms"})
    built = Reader(engine, hold_window_s=20)
    yield built
    built.stop()
    engine.dispose()


def _slowly(connection: Connection) -> Any:
    return connection.execute(SLOW).scalar()


async def _refused_after_s(reader: Reader, work: Any) -> float:
    began = time.monotonic()
    with pytest.raises(RefusedError) as caught:
        await reader.run(work)
    assert caught.value.refused.reason is Reason.READ_TOO_LONG
    return time.monotonic() - began


async def test_a_read_that_is_too_long_is_told_so_at_once_and_leaves_no_scan_behind(
    reader: Reader, postgres: str
) -> None:
    took_s = await _refused_after_s(reader, _slowly)

    assert took_s < 5, "not the hold window of 20 s"
    with psycopg.connect(postgres, autocommit=True) as admin:
        query = SCANS.format(pid=admin.info.backend_pid)
        assert admin.execute(query).fetchone() == (0,)  # type: ignore[call-overload]
    assert await reader.ping(), "its connection serves on"


async def test_many_short_statements_that_are_too_long_together_are_no_lost_primary_either(reader: Reader) -> None:
    def many(connection: Connection) -> None:
        for _ in range(100):
            connection.execute(text("SELECT pg_sleep(0.1)"))

    assert await _refused_after_s(reader, many) < 8


async def test_a_read_that_met_a_frozen_server_is_held_until_one_answers(reader: Reader, line: Any) -> None:
    assert await reader.ping()
    line.flowing.clear()
    asked = asyncio.create_task(reader.run(lambda connection: connection.execute(text("SELECT 7")).scalar_one()))
    await asyncio.sleep(2.5)
    assert not asked.done()
    line.cut()
    line.open()

    assert await asyncio.wait_for(asked, 10) == 7
