"""Transfers with one commit each, from many threads with a connection of their own."""

from __future__ import annotations

import itertools
import random
import resource
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg

from core.api.auth import Verifier
from core.api.single import Single
from core.db.engine import LIMITS, write_engine
from core.refusals import Refused
from core.settings import Settings

WARM_S = 2.0
DRAWN = 20_000


def measure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Let every thread send transfers until time is up; what came in the warming up does not count."""
    verifier = Verifier(asked["public_key"].encode(), issuer=Settings().token_issuer)
    engine = write_engine(asked["dsn"], pool_size=2)
    threads = asked["threads"]
    barrier = Barrier(threads)

    def work(number: int) -> tuple[list[float], Counter[int]]:
        chance = random.Random(asked["seed"] * 1000 + number)  # noqa: S311  # a seed that repeats the run
        drawn = itertools.cycle(_pairs(asked["accounts"], chance))
        latencies: list[float] = []
        statuses: Counter[int] = Counter()
        with psycopg.connect(asked["dsn"], **LIMITS) as connection:
            single = Single(connection, engine, free_transfers=True)
            barrier.wait()
            begins = time.perf_counter() + WARM_S
            ends = begins + asked["seconds"]
            for n in itertools.count():
                giver, taker = next(drawn)
                body = {"from_account": giver, "to_account": taker, "asset": asked["asset"], "amount": 1 + n % 10}
                sent = time.perf_counter()
                if sent >= ends:
                    return latencies, statuses
                caller = verifier.caller_of(f"Bearer {asked['token']}")
                if isinstance(caller, Refused):
                    raise PermissionError(str(caller))
                answer = single.transfer(caller, f"{asked['run']}-{number}-{n}", body)
                if sent >= begins:
                    latencies.append((time.perf_counter() - sent) * 1000)
                    statuses[answer.status] += 1
        raise AssertionError("counting does not end")

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(work, range(threads)))
    engine.dispose()
    latencies = sorted(itertools.chain.from_iterable(mine for mine, _ in found))
    statuses: Counter[int] = sum((mine for _, mine in found), Counter())
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "per_s": len(latencies) / asked["seconds"],
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[len(latencies) * 99 // 100],
        "statuses": {str(status): count for status, count in statuses.items()},
        "cpu_s": used.ru_utime + used.ru_stime,
    }


def _pairs(accounts: list[str], chance: random.Random) -> list[tuple[str, str]]:
    """Draw givers and takers by Zipf's law with exponent 1, the first account most often."""
    weights = list(itertools.accumulate(1 / n for n in range(1, len(accounts) + 1)))
    drawn = chance.choices(accounts, cum_weights=weights, k=2 * DRAWN)
    return [pair for pair in zip(drawn[::2], drawn[1::2], strict=True) if pair[0] != pair[1]]
