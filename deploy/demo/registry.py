"""The people of the demo day at the registry's endpoint: maker, checker, operator; each request definite or a fault."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Self

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ha.client import Answer, RegistryClient

MAKER, CHECKER, OPERATOR = "maker", "checker", "operator"


class RefusedError(Exception):
    """The registry refused a step of the demo: the demo cannot go on."""


class Registry:
    """The endpoint as the demo's people use it, one request after the other. Use it as a context manager."""

    def __init__(self, addresses: Sequence[str], token: Callable[[str], str]) -> None:
        self._runner = asyncio.Runner()
        self._clients = {name: RegistryClient(addresses, token(name)) for name in (MAKER, CHECKER, OPERATOR)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            self._runner.run(client.close())
        self._runner.close()

    def get(self, path: str) -> Any:
        """Read; RefusedError when there is nothing to read."""
        return self._definite(self._runner.run(self._clients[OPERATOR].request("GET", path)), path)

    def find(self, path: str) -> Any | None:
        """Read, or None where there is nothing (404)."""
        answer = self._runner.run(self._clients[OPERATOR].request("GET", path))
        return None if answer.status == 404 else self._definite(answer, path)

    def post(self, person: str, path: str, body: dict[str, Any]) -> Any:
        """Write under a key of its own; RefusedError with the registry's words when it says no."""
        request = self._clients[person].request("POST", path, json=body, key=f"demo-{uuid.uuid4()}")
        return self._definite(self._runner.run(request), path)

    def propose_and_approve(self, path: str, body: dict[str, Any]) -> Any:
        """Let the maker propose and the checker approve; return the proposal's task."""
        task = self.post(MAKER, path, body)
        self.post(CHECKER, f"/v1/tasks/{task['id']}/approve", {})
        return task

    def pages(self, path: str, items: str) -> list[Any]:
        """Read a paged list to its end."""
        found: list[Any] = []
        after: str | None = ""
        while after is not None:
            page = self.get(f"{path}?limit=1000" + (f"&after={after}" if after else ""))
            found += page[items]
            after = page.get("next")
        return found

    @staticmethod
    def _definite(answer: Answer, path: str) -> Any:
        if not answer.ok:
            raise RefusedError(f"{path}: {answer.status} {answer.body}")
        return answer.body


class Simulator:
    """The control side of a counterparty's simulator. Use it as a context manager."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """Read, patiently: the simulator may just be starting."""
        for attempt in Retrying(
            retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(20), wait=wait_fixed(0.2)
        ):
            with attempt:
                return self._definite(self._http.get(path), path)
        raise AssertionError("tenacity returns or raises")

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Tell the simulator to do something; RefusedError with its words when it does not."""
        return self._definite(self._http.post(path, json=body), path)

    @staticmethod
    def _definite(answer: httpx.Response, path: str) -> Any:
        if answer.is_error:
            raise RefusedError(f"{path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()
