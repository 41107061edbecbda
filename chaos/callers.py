"""Somebody who asks the registry and writes down every question before it leaves and every answer after it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.history import History, Type
from ha.client import Answer, NoAnswerError, RegistryClient

KEPT = ("id", "code", "state", "outcome", "account", "accounts", "holdings", "number", "from_account", "to_account",
        "asset", "amount")  # fmt: skip
"""The parts of an answer that the judge reads; the rest (serial blocks, prose) would only swell the history."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One person of the registry: a client with that person's token, and the history both write into."""

    name: str
    client: RegistryClient
    history: History

    async def write(self, process: str, f: str, value: Any, path: str, body: Any, *, key: str) -> Answer | None:
        """Ask for a write; None when no definite answer came."""
        await self.history.invoke(process, f, value, key=key)
        return await self._ask(process, f, value, "POST", path, body, key)

    async def read(self, process: str, f: str, value: Any, path: str) -> Answer | None:
        """Ask for a read; None when no definite answer came."""
        await self.history.invoke(process, f, value)
        return await self._ask(process, f, value, "GET", path, None, None)

    async def _ask(
        self, process: str, f: str, value: Any, method: str, path: str, body: Any, key: str | None
    ) -> Answer | None:
        try:
            answer = await self.client.request(method, path, json=body, key=key)
        except NoAnswerError as error:
            self.history.note(
                process, "info", f, value, key=key, error=error.reason, retries=error.retries, elapsed_s=error.elapsed_s
            )
            return None
        self.history.note(
            process,
            _kind(answer),
            f,
            value,
            key=key,
            status=answer.status,
            body=_kept(answer.body),
            retries=answer.retries,
            elapsed_s=round(answer.elapsed_s, 6),
        )
        return answer if answer.status < 500 else None


def _kind(answer: Answer) -> Type:
    """2xx: done; a refusal: certainly not done; a fault of the server: nobody knows."""
    if answer.ok:
        return "ok"
    return "fail" if answer.status < 500 else "info"


def _kept(body: Any) -> Any:
    if not isinstance(body, Mapping):
        return body
    return {name: body[name] for name in KEPT if name in body}
