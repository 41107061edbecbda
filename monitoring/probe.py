"""The outside probe: five times a second it writes through the endpoint, reads back, and counts how that ended.

It is an open loop: a tick starts when it is due, whatever became of the ones before it, so that an outage of ten
seconds costs fifty bad ticks and not one slow tick. Ticks that this process could not start in time (it was frozen, or
starved) are not counted at all: the samples are missing then, and the verdict counts what is missing as bad.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIServer

import httpx
from prometheus_client import start_http_server
from pydantic_settings import BaseSettings, SettingsConfigDict
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from core.telemetry import bind_service, log
from monitoring.objectives import TICK_LIMIT_S, TICKS_PER_S
from monitoring.telemetry import FIRST_SAMPLE, LAST_GOOD, LONGEST_GAP, READ_SECONDS, TICKS, WRITE_SECONDS

_PERIOD_S = 1 / TICKS_PER_S
_PAUSE_S = 0.05
"""Between two tries within one tick: a refused connection answers at once, and would be asked thousands of times."""

_NUMBERS_PER_S = 2 * TICKS_PER_S
"""A probe takes its first number from the clock, so that it stays above what earlier ones of its name have written."""


class ProbeSettings(BaseSettings):
    """What the environment tells the probe, as REGISTRY_PROBE_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_PROBE_", frozen=True, extra="ignore")

    api: tuple[str, ...]
    """Base URLs of the failover endpoint, as JSON, the preferred one first."""
    token_path: Path
    """File with the bearer token of role probe."""
    listen: str = "127.0.0.1:9101"
    """host:port of the metrics; opened with the first sample."""
    name: str = "outside"
    patience_s: float = 60.0
    """The probe starts together with what it watches: so long it waits for a first good tick before it counts."""


class NotGoodError(Exception):
    """The endpoint did not answer, or not what it should have."""


class _TryElsewhereError(Exception):
    """This address could not carry the request out; the other one may."""


@dataclass(slots=True)
class Tally:
    """Counts ticks from the first good one, or from the end of patience; all times are of one monotonic clock."""

    patience_until: float
    counting_since: float | None = None
    _longest_s: float = field(default=0.0)
    _last_write_at: float | None = field(default=None)

    def count(self, *, good: bool, at: float) -> None:
        """Count one finished tick."""
        if self.counting_since is None:
            if not good and at < self.patience_until:
                return
            self.counting_since = at
            for outcome in ("good", "bad"):  # both exist from the first scrape on, else an increase could not be seen
                TICKS.labels(outcome)
            FIRST_SAMPLE.set(time.time())
        TICKS.labels("good" if good else "bad").inc()
        self._widen(at)

    def wrote(self, *, at: float) -> None:
        """Note an acknowledged write."""
        self._widen(at)
        self._last_write_at = at
        LAST_GOOD.set(time.time())

    def _widen(self, at: float) -> None:
        since = self._last_write_at if self._last_write_at is not None else self.counting_since
        if since is not None:
            self._longest_s = max(self._longest_s, at - since)
            LONGEST_GAP.set(self._longest_s)


class Endpoint:
    """The two requests of a tick, on the address that worked last."""

    def __init__(self, settings: ProbeSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._addresses = list(settings.api)
        self._acknowledged = 0
        self._read_token()

    async def write(self, number: int) -> None:
        """Write a beat; NotGoodError unless it was acknowledged."""
        name = self._settings.name
        # No use in holding the write for longer than anybody waits for it.
        headers = {"Idempotency-Key": f"beat-{name}-{number}", "Prefer": f"wait={TICK_LIMIT_S:.0f}"}
        answer = await self._ask("POST", "/v1/beats", headers, {"probe": name, "n": number})
        if answer.status_code != httpx.codes.CREATED or answer.json().get("n") != number:
            raise NotGoodError(f"a write was answered {answer.status_code}")
        self._acknowledged = max(self._acknowledged, number)

    async def read(self) -> None:
        """Read the beat back; NotGoodError when it is older than what had been acknowledged before the question."""
        floor = self._acknowledged
        answer = await self._ask("GET", f"/v1/beats/{self._settings.name}", {}, None)
        if answer.status_code != httpx.codes.OK:
            raise NotGoodError(f"a read was answered {answer.status_code}")
        found = answer.json().get("n", 0)
        if found < floor:
            raise NotGoodError(f"{floor} was acknowledged, {found} was read")

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: object) -> httpx.Response:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TryElsewhereError),
            stop=stop_after_delay(TICK_LIMIT_S),
            wait=wait_fixed(_PAUSE_S),
            reraise=True,
        )
        return await retrying(self._ask_once, method, path, headers, body)

    async def _ask_once(self, method: str, path: str, headers: dict[str, str], body: object) -> httpx.Response:
        address, settled = self._addresses[0], False
        try:
            url = f"{address.rstrip('/')}{path}"
            answer = await self._client.request(method, url, headers=headers | self._authorization, json=body)
            settled = not answer.is_server_error
        except httpx.HTTPError as error:
            raise _TryElsewhereError(f"{address}: {type(error).__name__}") from error
        finally:
            # Also when the tick ran out of time while this address was silent.
            if not settled:
                self._leave(address)
        if not settled:
            raise _TryElsewhereError(f"{address} answered {answer.status_code}")
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._read_token()
        return answer

    def _leave(self, address: str) -> None:
        """Prefer the next address, unless another tick has already left this one."""
        if self._addresses[0] == address:
            self._addresses.append(self._addresses.pop(0))

    def _read_token(self) -> None:
        token = self._settings.token_path.read_text(encoding="utf-8").strip()
        self._authorization = {"Authorization": f"Bearer {token}"}


class Probe:
    """Starts ticks on time and counts them."""

    def __init__(self, settings: ProbeSettings, endpoint: Endpoint) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._ticks: set[asyncio.Task[None]] = set()
        self._failing_since: float | None = None
        self._shown: tuple[WSGIServer, Thread] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until told to stop; ticks that are still open then count neither way."""
        clock = asyncio.get_running_loop().time
        begun, first_number = clock(), int(time.time() * _NUMBERS_PER_S)
        tally = Tally(patience_until=begun + self._settings.patience_s)
        index = 0
        while not stop.is_set():
            if tally.counting_since is not None and self._shown is None:
                self._show_metrics()
            late_s = clock() - (begun + index * _PERIOD_S)
            if late_s > TICK_LIMIT_S:
                index = int((clock() - begun) / _PERIOD_S)
                continue
            if late_s < 0:
                await asyncio.sleep(-late_s)
            self._start(first_number + index, tally)
            index += 1
        for task in self._ticks:
            task.cancel()
        await asyncio.gather(*self._ticks, return_exceptions=True)
        self._hide_metrics()

    def _start(self, number: int, tally: Tally) -> None:
        task = asyncio.create_task(self._tick(number, tally))
        self._ticks.add(task)
        task.add_done_callback(self._ticks.discard)

    async def _tick(self, number: int, tally: Tally) -> None:
        clock = asyncio.get_running_loop().time
        started, failure = clock(), ""
        try:
            async with asyncio.timeout(TICK_LIMIT_S):
                await self._endpoint.write(number)
                tally.wrote(at=(written := clock()))
                WRITE_SECONDS.observe(written - started)
                await self._endpoint.read()
                READ_SECONDS.observe(clock() - written)
        except TimeoutError:
            failure = "no answer in time"
        except (NotGoodError, _TryElsewhereError, ValueError, TypeError, AttributeError) as error:  # or not our JSON
            failure = str(error)
        tally.count(good=not failure, at=clock())
        self._tell(failure, clock())

    def _show_metrics(self) -> None:
        """Open the port of the metrics, with the first sample: what is scraped before it would look like an outage."""
        host, _, port = self._settings.listen.rpartition(":")
        self._shown = start_http_server(int(port), addr=host)

    def _hide_metrics(self) -> None:
        if self._shown is not None:
            server, thread = self._shown
            server.shutdown()
            server.server_close()
            thread.join()

    def _tell(self, failure: str, at: float) -> None:
        if failure and self._failing_since is None:
            self._failing_since = at
            log.warning("ticks fail", reason=failure)
        elif not failure and self._failing_since is not None:
            log.info("ticks are good again", after_s=round(at - self._failing_since, 1))
            self._failing_since = None


async def watch(settings: ProbeSettings) -> None:
    """Probe until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=TICK_LIMIT_S, limits=limits, trust_env=False) as client:
        await Probe(settings, Endpoint(settings, client)).run(stop)


def main() -> None:
    """Run the probe with the settings of the environment."""
    settings = ProbeSettings()  # type: ignore[call-arg]  # the environment is the caller
    bind_service("probe", node=settings.name)
    asyncio.run(watch(settings))
