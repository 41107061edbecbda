"""The callers of the benchmark: what they send, how they choose, and that they count only whole answers in time."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter

from deploy.bench.load import Load, _call_all, pairs, requests, zipf

ACCOUNTS = [f"E42-{n:08d}-00" for n in range(100)]


def a_load(**other: object) -> Load:
    facts = {
        "urls": ["http://127.0.0.1:1"],
        "token": "t",
        "accounts": ACCOUNTS,
        "assets": ["CNY", "CEA-2019"],
        "callers": 4,
        "warm_s": 0.1,
        "seconds": 0.3,
        "seed": 5,
        "run": "r",
    }
    return Load(**(facts | other))  # type: ignore[arg-type]


def test_the_first_account_is_used_twice_as_often_as_the_second() -> None:
    weights = zipf(3)
    assert [round(b - a, 4) for a, b in itertools.pairwise([0.0, *weights])] == [1.0, 0.5, 0.3333]
    drawn = Counter(giver for giver, _ in pairs(ACCOUNTS, random.Random(1), 50_000))
    assert 1.8 < drawn[ACCOUNTS[0]] / drawn[ACCOUNTS[1]] < 2.3
    assert all(giver != taker for giver, taker in pairs(ACCOUNTS, random.Random(1), 5_000))


def test_requests_are_whole_repeatable_and_have_keys_of_their_own() -> None:
    first, again = (list(itertools.islice(requests(a_load()), 50)) for _ in range(2))
    assert first == again
    keys, assets = set(), []
    for request in first:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        assert int(lines[b"Content-Length"]) == len(body)
        keys.add(lines[b"Idempotency-Key"])
        assets.append(json.loads(body)["asset"])
    assert len(keys) == 50
    assert assets[:4] == ["CNY", "CEA-2019", "CNY", "CEA-2019"]


def test_answers_that_come_in_pieces_are_counted_once() -> None:
    class Pieces(asyncio.Protocol):
        """Answers each request in four pieces."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:  # noqa: ARG002  # the form is asyncio's
            for n, piece in enumerate((b"HTTP/1.1 201 Created\r\nContent-", b"Length: 4\r\n\r\n", b"{", b"   ")):
                asyncio.get_running_loop().call_later(0.001 * n, self.transport.write, piece)  # type: ignore[attr-defined]

    async def run() -> Counter[str]:
        server = await asyncio.get_running_loop().create_server(Pieces, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        seen = await _call_all(a_load(urls=[f"http://127.0.0.1:{port}"]))
        server.close()
        assert len(seen.latencies_ms) == sum(seen.statuses.values())
        return Counter(seen.statuses)

    counted = asyncio.run(run())
    assert set(counted) == {"201"}
    assert counted["201"] > 10
