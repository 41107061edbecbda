"""Reads of one account's balance, one after the other on one connection: in SQL, and over HTTP."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import psycopg

from core.db.engine import LIMITS
from core.ledger.store import BALANCE
from core.quantities import CASH

WARM = 200


def measure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read at random; return medians and 95th percentiles in milliseconds."""
    chance = random.Random(asked["seed"])  # noqa: S311  # a seed that repeats the run
    numbers = chance.choices(asked["accounts"], k=asked["reads"] + WARM)
    statement = str(BALANCE).replace(":owner", "%s").replace(":asset", "%s")
    with psycopg.connect(asked["dsn"], autocommit=True, **LIMITS) as connection:
        sql = _timed(numbers, lambda n: connection.execute(statement, (n, CASH), prepare=True).fetchall())
        ping = _timed(numbers, lambda _: connection.execute("SELECT 1", prepare=True).fetchall())
    over_http = _over_http(asked["url"], asked["token"], numbers)
    return {
        "sql_p50_ms": sql[len(sql) // 2],
        "sql_p95_ms": sql[len(sql) * 95 // 100],
        "ping_p95_ms": ping[len(ping) * 95 // 100],
        "http_p50_ms": over_http[len(over_http) // 2],
        "http_p95_ms": over_http[len(over_http) * 95 // 100],
    }


def _over_http(url: str, token: str, numbers: list[str]) -> list[float]:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}"}

    def read(number: str) -> object:
        connection.request("GET", f"/v1/accounts/{number}/holdings/{CASH}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{number}: {answer.status} {body!r}")
        return body

    try:
        return _timed(numbers, read)
    finally:
        connection.close()


def _timed(numbers: list[str], read: Callable[[str], object]) -> list[float]:
    found = []
    for number in numbers:
        began = time.perf_counter()
        read(number)
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found[WARM:])
