"""Speaks to the exchange's file service over either line; every message may be sent again without harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

LIMITS_S = httpx.Timeout(20.0, connect=2.0)
ROUNDS = 2
"""Every line is tried this often; an exchange that stays away is the caller's to ask again later."""


class ExchangeUnavailableError(Exception):
    """No line brought an answer that can be read; nothing is known, the same message may be sent again."""


class ExchangeFiles:
    """The exchange's services for opening data and clearing results, line by line in the order given."""

    def __init__(self, lines: Sequence[httpx.Client]) -> None:
        self._lines = tuple(lines)

    @classmethod
    def at(cls, urls: Sequence[str]) -> ExchangeFiles:
        """Build the client for the lines that end at these addresses."""
        return cls([httpx.Client(base_url=url, timeout=LIMITS_S) for url in urls])

    def send_opening(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a version of opening data; return what the exchange made of it."""
        return self._post("/v1/opening-data", message)

    def send_clearing(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Send the clearing result; return whether the exchange reached the same one."""
        return self._post("/v1/clearing-results", result)

    def send_restriction(self, notice: Mapping[str, Any]) -> dict[str, Any]:
        """Say what an account may no longer do, or may do again; return from which trade on the exchange refuses it."""
        return self._post("/v1/restrictions", notice)

    def _post(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        if not self._lines:
            raise ExchangeUnavailableError("no line to the exchange is configured")
        turn = cycle(self._lines)
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(httpx.HTTPError),
                stop=stop_after_attempt(ROUNDS * len(self._lines)),
                wait=wait_fixed(0.1),
                reraise=True,
            ):
                with attempt:
                    answer = next(turn).post(path, json=dict(message)).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise ExchangeUnavailableError(f"no line brought an answer to {path}: {error}") from error
        if not isinstance(answer, dict):
            raise ExchangeUnavailableError(f"the answer to {path} is no object")
        return answer
