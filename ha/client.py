"""The published HTTP client: both addresses, one Idempotency-Key over all retries, a definite answer within 60 s."""

from __future__ import annotations

import asyncio
import json as jsonlib
import time
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_random_exponential,
)

WITHIN_S = 60.0
"""How long a caller waits for a definite answer, all tries together: the promise that clients are given."""

TRY_S = 29.0
"""One try. Two fit into the 60 s, so that a path that swallows everything leaves time for the other path."""

HOLD_S = 26.0
"""How long the registry may hold a write for a primary in one try: longer than a failover, shorter than the try."""

CONNECT_S = 2.0
"""Opening a connection: a path that is there answers within milliseconds."""

TRY_AGAIN = frozenset({502, 503, 504})
"""Answers of a proxy or of a process without a primary: nothing definite has been said about the request."""

_BACKOFF = wait_random_exponential(multiplier=0.05, max=1.0)


class NoAnswerError(Exception):
    """No definite answer came in time: the write may or may not have happened; ask by its Idempotency-Key."""

    def __init__(self, reason: str, *, retries: int, elapsed_s: float) -> None:
        super().__init__(f"no definite answer after {elapsed_s:.1f} s and {retries} retries: {reason}")
        self.reason = reason
        self.retries = retries
        self.elapsed_s = elapsed_s


@dataclass(frozen=True, slots=True)
class Answer:
    """A definite answer, and what it took to get it."""

    status: int
    body: Any
    retries: int
    elapsed_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False)
    """The body as it came, where it is a file."""

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300


class _NotDefiniteError(Exception):
    """One try ended without a definite answer."""

    def __init__(self, reason: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class RegistryClient:
    """Asks the registry through its failover endpoint.

    A try that ends without a definite answer (no connection, a broken one, silence, 502, 503, 504) is repeated on
    the next address with the same Idempotency-Key, so that a write happens at most once however often it is sent.
    A proxy that accepts a connection and closes it again counts as one more failed try. Every other answer, a
    refusal as well as a 500, is handed back at once.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        token: str | Callable[[], str],
        *,
        within_s: float = WITHIN_S,
        try_s: float = TRY_S,
        hold_s: float = HOLD_S,
    ) -> None:
        if not addresses:
            raise ValueError("the client needs at least one address")
        self._addresses = [address.rstrip("/") for address in addresses]
        self._token = token
        self._within_s, self._try_s, self._hold_s = within_s, try_s, hold_s
        self._current = 0
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(try_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0),
            trust_env=False,  # a proxy meant for the internet would stand between client and endpoint
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
    ) -> Answer:
        """Ask once, in as many tries as it takes; a write (anything but GET) needs its key. Raises NoAnswerError.

        ``content`` is a body that is no JSON, a file for instance; its Content-Type is among the headers. What is given
        in pieces is asked for anew by each try, and its Content-Length stands there as well.
        """
        if method != "GET" and key is None:
            raise ValueError("a write needs an Idempotency-Key: without one a retry could do it twice")
        begun = time.monotonic()
        body = jsonlib.dumps(json, ensure_ascii=False).encode() if content is None and json is not None else content
        retries = 0
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_NotDefiniteError),
                stop=stop_before_delay(self._within_s),
                wait=_pause,
                reraise=True,
            ):
                with attempt:
                    retries = attempt.retry_state.attempt_number - 1
                    left_s = self._within_s - (time.monotonic() - begun)
                    response = await self._try(method, path, body, _headers(key, headers), left_s)
                    return Answer(
                        response.status_code,
                        _body_of(response),
                        retries,
                        time.monotonic() - begun,
                        dict(response.headers),
                        response.content,
                    )
        except _NotDefiniteError as error:
            raise NoAnswerError(str(error), retries=retries, elapsed_s=time.monotonic() - begun) from error
        raise AssertionError("tenacity returns or raises")

    async def _try(
        self, method: str, path: str, body: bytes | AsyncIterable[bytes] | None, headers: dict[str, str], left_s: float
    ) -> httpx.Response:
        at = self._current
        try_s = max(0.05, min(self._try_s, left_s))
        hold_s = int(min(self._hold_s, try_s - (self._try_s - self._hold_s)))
        headers["Authorization"] = f"Bearer {self._token if isinstance(self._token, str) else self._token()}"
        headers["Prefer"] = f"wait={max(0, hold_s)}"
        try:
            async with asyncio.timeout(try_s):  # httpx bounds each read; this bounds the whole try
                response = await self._http.request(method, self._addresses[at] + path, content=body, headers=headers)
        except (httpx.TransportError, TimeoutError) as error:
            self._leave(at)
            raise _NotDefiniteError(f"{self._addresses[at]}: {type(error).__name__} {error}".rstrip()) from error
        if response.status_code in TRY_AGAIN:
            self._leave(at)
            raise _NotDefiniteError(
                f"{self._addresses[at]}: status {response.status_code}",
                retry_after_s=_seconds(response.headers.get("Retry-After")),
            )
        return response

    def _leave(self, failed: int) -> None:
        """Turn to the next address, unless a sibling request has done so already."""
        if self._current == failed:
            self._current = (failed + 1) % len(self._addresses)


def _headers(key: str | None, extra: Mapping[str, str] | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Content-Type": "application/json", **(extra or {})}
    if key is not None:
        headers["Idempotency-Key"] = key
    return headers


def _body_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return {"text": response.text}


def _seconds(retry_after: str | None) -> float:
    """Read Retry-After in seconds; its other form, a date, is not used by the registry and means: at once."""
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        return 0.0


def _pause(state: RetryCallState) -> float:
    """Pause as long as the server asked for, else a short random while that grows."""
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, _NotDefiniteError) else 0.0
    return max(asked_s, _BACKOFF(state))
