"""A process of callers that each send one transfer after the other: cheap, because it shares the cores it measures.

Reads a :class:`Load` as JSON from standard input and writes a :class:`Seen` as JSON to standard output.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop

DRAWN = 200_000
"""Pairs of accounts drawn beforehand; drawing costs more than sending."""
GIVE_UP_S = 60.0
"""An answer that is not there by then never comes."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send."""

    urls: list[str]
    token: str
    accounts: list[str]
    """The most used one first."""
    assets: list[str]
    """Taken in turn."""
    callers: int
    warm_s: float
    seconds: float
    seed: int
    run: str
    """Makes the keys of this run its own."""


@dataclass(slots=True)
class Seen:
    """What came of it, in the seconds after the warming up."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0


def zipf(count: int) -> list[float]:
    """Return the cumulative weights of Zipf's law with exponent 1: the n-th is used 1/n as often as the first."""
    return list(itertools.accumulate(1 / n for n in range(1, count + 1)))


def pairs(accounts: list[str], chance: random.Random, count: int) -> list[tuple[str, str]]:
    """Draw givers and takers, never the same account twice in one pair."""
    weights = zipf(len(accounts))
    both = zip(
        chance.choices(accounts, cum_weights=weights, k=count),
        chance.choices(accounts, cum_weights=weights, k=count),
        strict=True,
    )
    return [(giver, taker) for giver, taker in both if giver != taker]


def requests(load: Load) -> Iterator[bytes]:
    """Write requests without end; each has a key of its own."""
    chance = random.Random(load.seed)  # noqa: S311  # a seed that repeats the run
    drawn = itertools.cycle(pairs(load.accounts, chance, DRAWN))
    head = (
        "POST /v1/transfers HTTP/1.1\r\nHost: registry\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {load.token}\r\nIdempotency-Key: {load.run}-"
    )
    assets = itertools.cycle(load.assets)
    for number, (giver, taker) in enumerate(drawn):
        body = (
            f'{{"from_account":"{giver}","to_account":"{taker}","asset":"{next(assets)}","amount":{1 + number % 10}}}'
        )
        yield f"{head}{number}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Run:
    """The clock and the notes that all callers share."""

    def __init__(self, load: Load) -> None:
        self.requests = requests(load)
        self.begins = time.perf_counter() + load.warm_s
        self.ends = self.begins + load.seconds
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()


class Caller(asyncio.Protocol):
    """One connection that sends the next request when the answer to the last is whole."""

    def __init__(self, run: Run, over: asyncio.Future[None]) -> None:
        self._run = run
        self._over = over
        self._got = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is registered as no class of asyncio's
        self._next()

    def data_received(self, data: bytes) -> None:
        """Note a whole answer and go on."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now = time.perf_counter()
        if self._run.begins <= self._sent and now <= self._run.ends:
            self._run.latencies.append((now - self._sent) * 1000)
            self._run.statuses[head[9:12].decode()] += 1
        self._got = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """A caller that is cut off before its time spoils the measurement, and says so."""
        if not self._over.done():
            self._over.set_exception(exc or ConnectionError("the endpoint closed a connection"))

    def _next(self) -> None:
        self._sent = time.perf_counter()
        if self._sent < self._run.ends:
            self._transport.write(next(self._run.requests))
        elif not self._over.done():
            self._over.set_result(None)
            self._transport.close()


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])


async def _call_all(load: Load) -> Seen:
    loop = asyncio.get_running_loop()
    run = Run(load)
    ends: list[asyncio.Future[None]] = []
    for number in range(load.callers):
        at = urlsplit(load.urls[number % len(load.urls)])
        over: asyncio.Future[None] = loop.create_future()
        ends.append(over)
        await loop.create_connection(partial(Caller, run, over), at.hostname or "", at.port or 80)
    before = _cpu_s()
    async with asyncio.timeout(load.warm_s + load.seconds + GIVE_UP_S):
        await asyncio.gather(*ends)
    return Seen(load.seconds, run.latencies, dict(run.statuses), _cpu_s() - before)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Call as told, and say what was seen."""
    load = Load(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(_call_all(load))), sys.stdout)


if __name__ == "__main__":
    main()
