"""Many transfers in one commit: by the ledger's bulk path, and as a raw COPY of the same rows."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import psycopg
from sqlalchemy import Connection

from core.clock import store as clock
from core.clock.rules import market_day
from core.db.engine import write_engine
from core.db.transaction import Unknown, write
from core.ledger import store as ledger
from core.ledger.rules import BANK, Transfer, place_of
from core.quantities import CASH

BATCH = 250_000
WITHIN_S = 600.0

# Columns, checks and indexes of the ledger's table, without its foreign keys: what a raw COPY costs at least.
RAW_TABLE = """
DROP TABLE IF EXISTS bench_transfer;
CREATE TABLE bench_transfer (
    id text PRIMARY KEY, batch bigint NOT NULL, position integer NOT NULL, debit bigint NOT NULL,
    credit bigint NOT NULL, asset text NOT NULL, amount bigint NOT NULL CHECK (amount > 0), type text NOT NULL,
    reference text NOT NULL, market_day date NOT NULL, reverses text, CHECK (debit <> credit),
    UNIQUE (batch, position));
CREATE INDEX ON bench_transfer USING gin ((ARRAY[debit, credit]));
"""
RAW_COPY = """
COPY bench_transfer (id, batch, position, debit, credit, asset, amount, type, reference, market_day) FROM STDIN
"""


def measure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Time the raw COPY right before and right after the bulk path."""
    transfers = list(_deposits(asked["accounts"], asked["rows"], asked["seed"]))
    engine = write_engine(asked["dsn"], pool_size=1)
    raw = [_raw(asked["raw_dsn"], transfers)]
    began = time.perf_counter()
    _book(engine, transfers)
    booked_s = time.perf_counter() - began
    raw.append(_raw(asked["raw_dsn"], transfers))
    engine.dispose()
    return {"raw_s": sum(raw) / len(raw), "booked_s": booked_s}


def fill(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Book a long history."""
    engine = write_engine(asked["dsn"], pool_size=1)
    left = asked["transfers"]
    while left > 0:
        count = min(left, BATCH)
        _book(engine, list(_deposits(asked["accounts"], count, asked["seed"] + left)))
        left -= count
    engine.dispose()
    return {"transfers": asked["transfers"]}


def _deposits(accounts: list[str], count: int, seed: int) -> Iterator[Transfer]:
    """Make deposits of a few fen: transfers that need nothing to be there before."""
    chance, run = random.Random(seed), uuid.uuid4().hex[:12]  # noqa: S311  # a seed that repeats the run
    source = place_of(BANK, CASH)
    targets = [place_of(account, CASH) for account in accounts]
    for n in range(count):
        yield Transfer(f"bench-{run}-{n}", source, chance.choice(targets), 1 + n % 9, "DEPOSIT", f"bench-{run}")


def _book(engine: Any, transfers: list[Transfer]) -> None:
    def work(connection: Connection) -> int:
        ledger.stage(connection)
        ledger.stage_all(connection, transfers)
        return ledger.post_staged(connection, market_day=market_day(clock.now(connection)))

    if isinstance(write(engine, work, within_s=WITHIN_S), Unknown):
        raise ConnectionError("nobody knows whether the batch was booked")


def _raw(dsn: str, transfers: list[Transfer]) -> float:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(RAW_TABLE)
        day, numbers = date(2021, 7, 16), {place: n for n, place in enumerate({t.credit for t in transfers}, start=2)}
        began = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy(RAW_COPY) as copy:
            for n, t in enumerate(transfers, start=1):
                copy.write_row((t.id, 1, n, 1, numbers[t.credit], t.debit.asset, t.amount, t.type, t.reference, day))
        took = time.perf_counter() - began
        connection.execute("DROP TABLE bench_transfer")
        return took
