"""Speaks to one settlement bank over HTTP; every message may be sent again without harm."""

from __future__ import annotations

import json
from datetime import date

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from core.bank.wire import (
    CONTENT_TYPE,
    PaymentOrder,
    Statement,
    StatusReport,
    WireError,
    parse_camt053,
    parse_pain002,
    write_pain001,
)

LIMITS_S = httpx.Timeout(20.0, connect=2.0)
ATTEMPTS = 2
"""One repeat for a connection that broke; a bank that stays away is the caller's to ask again later."""


class BankUnavailableError(Exception):
    """The bank gave no answer that can be read; nothing is known, the same message may be sent again."""


class BankClient:
    """One bank: payment orders, releases, statements."""

    def __init__(self, bank: str, http: httpx.Client) -> None:
        self.bank = bank
        self._http = http

    @classmethod
    def at(cls, bank: str, url: str) -> BankClient:
        """Build the client of the bank that answers at this address."""
        return cls(bank, httpx.Client(base_url=url, timeout=LIMITS_S))

    def hold(self, order: PaymentOrder) -> StatusReport:
        """Ask the bank to check and hold the day's movements."""
        content = self._ask("POST", "/v1/messages", write_pain001(order), CONTENT_TYPE)
        try:
            return parse_pain002(content)
        except WireError as error:
            raise BankUnavailableError(f"{self.bank} answered something else than pain.002: {error}") from error

    def release(self, message_id: str) -> None:
        """Tell the bank that what it holds under this message is final."""
        content = json.dumps({"message_id": message_id}).encode()
        self._ask("POST", "/v1/releases", content, "application/json")

    def statement(self, day: date) -> Statement:
        """Ask for the balances of all sub-ledgers."""
        content = self._ask("GET", f"/v1/statements/{day}", b"", CONTENT_TYPE)
        try:
            return parse_camt053(content)
        except WireError as error:
            raise BankUnavailableError(f"{self.bank} answered something else than camt.053: {error}") from error

    def _ask(self, method: str, path: str, content: bytes, content_type: str) -> bytes:
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(httpx.TransportError),
                stop=stop_after_attempt(ATTEMPTS),
                wait=wait_fixed(0.2),
                reraise=True,
            ):
                with attempt:
                    answer = self._http.request(
                        method, path, content=content, headers={"Content-Type": content_type}
                    ).raise_for_status()
        except httpx.HTTPError as error:
            raise BankUnavailableError(f"{self.bank} gave no answer to {method} {path}: {error}") from error
        return answer.content
