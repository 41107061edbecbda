"""What is said to the offset registry over HTTP; every question may be asked again with the same words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

LIMITS_S = httpx.Timeout(5.0, connect=2.0)

FROZEN = "FROZEN"
CANCELLED = "CANCELLED"

PATHS: Mapping[str, str] = {"freeze": "/v1/freezes", "cancel": "/v1/cancellations", "release": "/v1/releases"}


class OffsetRegistryUnavailableError(Exception):
    """The offset registry gave no answer that can be read; nothing is known, the same may be asked again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """In which state the offset registry has a lot, after what it was asked."""

    lot: str
    state: str
    detail: str = ""


class OffsetRegistry:
    """The offset registry's service for lots that are to be used here."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    def at(cls, url: str) -> OffsetRegistry:
        """Build the client of the registry that answers at this address."""
        return cls(httpx.Client(base_url=url, timeout=LIMITS_S))

    def ask(self, question: str, lot: Mapping[str, Any]) -> Reply:
        """Ask to freeze, cancel or release a lot, and return in which state it is there now.

        The lot's id makes every question once-only over there; a no comes with the state, too.
        """
        try:
            answer = self._http.post(PATHS[question], json=dict(lot))
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OffsetRegistryUnavailableError(f"no answer to {question} {lot['lot']}: {error}") from error
        known = isinstance(body, Mapping) and body.get("lot") == lot["lot"]
        if answer.status_code not in {200, 409} or not known or not isinstance(body.get("state"), str):
            raise OffsetRegistryUnavailableError(f"{answer.status_code} to {question} {lot['lot']}: {answer.text:.200}")
        return Reply(lot["lot"], body["state"], str(body.get("detail", ""))[:200])
