"""The outside probe: what makes a tick good, and that no tick waits for another."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from deploy.ports import free_port
from monitoring.objectives import TICK_LIMIT_S, TICKS_PER_S
from monitoring.probe import Endpoint, NotGoodError, Probe, ProbeSettings, Tally

A, B = "http://127.0.0.1:1", "http://127.0.0.1:2"


class Registry:
    """Both addresses of an endpoint that keeps beats in memory and can be told to misbehave."""

    def __init__(self) -> None:
        self.n = 0
        self.keys: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.faults: dict[str, Callable[[], Awaitable[httpx.Response]]] = {}
        self.forgets = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        address = f"{request.url.scheme}://{request.url.host}:{request.url.port}"
        self.tokens.append(request.headers["Authorization"])
        if request.method == "POST":
            self.keys.append((address, request.headers["Idempotency-Key"]))
        if address in self.faults:
            return await self.faults[address]()
        if request.method == "GET":
            return httpx.Response(200, json={"probe": "outside", "n": 0 if self.forgets else self.n})
        body = json.loads(request.content)
        self.n = max(self.n, body["n"])
        return httpx.Response(201, json=body)


async def refuses() -> httpx.Response:
    raise httpx.ConnectError("refused")


async def never_answers() -> httpx.Response:
    await asyncio.sleep(3600)
    raise AssertionError


async def unavailable() -> httpx.Response:
    return httpx.Response(503)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def settings(tmp_path: Path) -> ProbeSettings:
    token = tmp_path / "token"
    token.write_text("first\n", "utf-8")
    listen = f"127.0.0.1:{free_port('127.0.0.1')}"
    return ProbeSettings(api=(A, B), token_path=token, listen=listen)


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("registry_probe_ticks_total", {"outcome": outcome}) or 0.0


def with_endpoint(settings: ProbeSettings, registry: Registry, work: Callable[[Endpoint], Awaitable[None]]) -> None:
    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(registry)) as client:
            await work(Endpoint(settings, client))

    asyncio.run(run())


def run_for(seconds: float, settings: ProbeSettings, registry: Registry) -> tuple[float, float]:
    """Let a probe tick; returns good and bad ticks."""
    good, bad = counted("good"), counted("bad")

    async def work(endpoint: Endpoint) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        await Probe(settings, endpoint).run(stop)

    with_endpoint(settings, registry, work)
    return counted("good") - good, counted("bad") - bad


def most_ticks(seconds: float) -> float:
    """As many as are due in that time, the one at its very beginning included: a busy machine may take longer."""
    return seconds * TICKS_PER_S + 1


def test_five_ticks_a_second_are_counted_and_all_are_good_on_a_healthy_registry(
    settings: ProbeSettings, registry: Registry
) -> None:
    began = time.monotonic()
    good, bad = run_for(1.5, settings, registry)
    assert 7 <= good <= most_ticks(time.monotonic() - began)
    assert bad == 0


def test_no_tick_waits_for_another_when_nothing_is_answered(settings: ProbeSettings, registry: Registry) -> None:
    registry.faults = {A: never_answers, B: never_answers}
    began = time.monotonic()
    good, bad = run_for(2.5, settings.model_copy(update={"patience_s": 0.0}), registry)
    took_s = time.monotonic() - began
    assert good == 0
    assert 6 <= bad <= most_ticks(took_s - TICK_LIMIT_S), "each tick that began over a second ago has run out of time"
    assert 11 <= len({key for _, key in registry.keys}) <= most_ticks(took_s)


def test_a_bad_tick_before_the_first_good_one_does_not_start_the_clock_within_patience(
    settings: ProbeSettings, registry: Registry
) -> None:
    registry.faults = {A: refuses, B: refuses}
    assert run_for(1.5, settings, registry) == (0, 0)


def test_a_refused_write_goes_to_the_other_address_under_the_same_key(
    settings: ProbeSettings, registry: Registry
) -> None:
    registry.faults = {A: refuses}

    async def work(endpoint: Endpoint) -> None:
        await endpoint.write(7)
        await endpoint.write(8)

    with_endpoint(settings, registry, work)
    assert registry.keys == [(A, "beat-outside-7"), (B, "beat-outside-7"), (B, "beat-outside-8")]


def test_an_address_without_a_primary_is_left_for_the_other_one(settings: ProbeSettings, registry: Registry) -> None:
    registry.faults = {A: unavailable}
    with_endpoint(settings, registry, lambda endpoint: endpoint.write(7))
    assert registry.n == 7


def test_an_address_that_was_silent_for_the_whole_tick_is_left(settings: ProbeSettings, registry: Registry) -> None:
    registry.faults = {A: never_answers}

    async def work(endpoint: Endpoint) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await endpoint.write(7)
        await endpoint.write(8)

    with_endpoint(settings, registry, work)
    assert registry.keys[-1] == (B, "beat-outside-8")


def test_a_read_that_does_not_know_the_acknowledged_write_is_not_good(
    settings: ProbeSettings, registry: Registry
) -> None:
    registry.forgets = True

    async def work(endpoint: Endpoint) -> None:
        await endpoint.write(7)
        with pytest.raises(NotGoodError, match="7 was acknowledged, 0 was read"):
            await endpoint.read()

    with_endpoint(settings, registry, work)


def test_a_read_may_be_newer_than_this_ticks_own_write(settings: ProbeSettings, registry: Registry) -> None:
    registry.n = 100

    async def work(endpoint: Endpoint) -> None:
        await endpoint.write(7)
        await endpoint.read()

    with_endpoint(settings, registry, work)


def test_a_refused_token_is_read_again_from_its_file(settings: ProbeSettings, registry: Registry) -> None:
    async def unauthorized() -> httpx.Response:
        settings.token_path.write_text("second\n", "utf-8")
        registry.faults.clear()
        return httpx.Response(401)

    registry.faults = {A: unauthorized}

    async def work(endpoint: Endpoint) -> None:
        with pytest.raises(NotGoodError, match="401"):
            await endpoint.write(7)
        await endpoint.write(8)

    with_endpoint(settings, registry, work)
    assert registry.tokens == ["Bearer first", "Bearer second"]


def test_an_answer_that_is_not_ours_is_a_bad_tick_and_not_the_end_of_the_probe(
    settings: ProbeSettings, registry: Registry
) -> None:
    async def nonsense() -> httpx.Response:
        return httpx.Response(201, text="<html>")

    registry.faults = {A: nonsense, B: nonsense}
    _, bad = run_for(0.7, settings.model_copy(update={"patience_s": 0.0}), registry)
    assert bad >= 3


def test_metrics_are_shown_with_the_first_sample_and_not_before(settings: ProbeSettings, registry: Registry) -> None:
    seen: list[str] = []

    async def scrape() -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"http://{settings.listen}/metrics")).text
            except httpx.ConnectError:
                return "closed"

    async def work(endpoint: Endpoint) -> None:
        stop = asyncio.Event()
        probing = asyncio.create_task(Probe(settings, endpoint).run(stop))
        await asyncio.sleep(0.3)
        seen.append(await scrape())
        registry.faults.clear()
        await asyncio.sleep(0.7)
        seen.append(await scrape())
        stop.set()
        await probing

    registry.faults = {A: refuses, B: refuses}
    with_endpoint(settings, registry, work)
    assert seen[0] == "closed"
    assert 'registry_probe_ticks_total{outcome="bad"}' in seen[1]
    assert "registry_probe_last_good_timestamp_seconds" in seen[1]


def test_the_longest_gap_grows_while_it_lasts_and_stays_when_it_is_over() -> None:
    tally = Tally(patience_until=0)

    def gap() -> float | None:
        return REGISTRY.get_sample_value("registry_probe_longest_gap_seconds")

    tally.wrote(at=10.0)
    tally.count(good=True, at=10.0)
    tally.count(good=False, at=14.0)
    assert gap() == 4.0
    tally.wrote(at=17.5)
    tally.count(good=True, at=17.5)
    tally.wrote(at=17.7)
    assert gap() == 7.5
