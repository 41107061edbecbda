"""Reads the final state back through the endpoint once the fault is healed, and writes it into the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from chaos.callers import Caller
from chaos.history import Event, read

PAGE = 1000


class NotObservedError(Exception):
    """A final read was not answered as it should be: the judge will have nothing to go by."""


async def observe(run: str, world: Sequence[str], asker: Caller, approver: Caller) -> None:
    """Note what the registry shows in the end: accounts, holdings, transfers, and what became of open questions.

    ``world`` are the account numbers of the run's world. Each question is put by the person who asked first.
    """
    history = asker.history
    await history.synced(history.note("observer", "info", "begin"))
    # First what is unknown: its answer is a write of its own, and may be the very thing that settles it.
    for event in unanswered(read(history.path)):
        who = approver if event.f.startswith("approve") else asker
        outcome = await _get(who, f"/v1/requests/{quote(event.key or '', safe='')}")
        history.note("observer", "ok", "request", outcome, key=event.key)
    accounts = [entry async for entry in _pages(asker, "/v1/accounts", "accounts")]
    own = [entry for entry in accounts if str(entry.get("name", "")).startswith(f"{run}.")]
    history.note("observer", "ok", "accounts", [{k: e[k] for k in ("number", "name", "state")} for e in own])
    for number in world:
        history.note("observer", "ok", "holdings", await _holdings(asker, number))
        path = f"/v1/accounts/{number}/transfers"
        transfers = [_short(entry) async for entry in _pages(asker, path, "transfers")]
        history.note("observer", "ok", "transfers", {"account": number, "transfers": transfers})
    await history.synced(history.note("observer", "ok", "complete"))


def unanswered(events: Sequence[Event]) -> list[Event]:
    """Return the keyed requests without a definite answer: those that ended in info, or did not end."""
    pending: dict[str, Event] = {}
    for event in events:
        if event.key is None or not event.of_client:
            continue
        if event.type in {"invoke", "info"}:
            pending[event.key] = event
        else:
            pending.pop(event.key, None)
    return list(pending.values())


async def _holdings(asker: Caller, number: str) -> dict[str, Any]:
    body = await _get(asker, f"/v1/accounts/{number}/holdings")
    assets: dict[str, int] = defaultdict(int)
    for entry in body["holdings"]:
        assets[entry["asset"]] += entry["amount"]
    return {"account": number, "assets": dict(assets)}


def _short(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("id", "from_account", "to_account", "asset", "amount", "type")}


async def _pages(asker: Caller, path: str, name: str) -> AsyncIterator[dict[str, Any]]:
    after: str | None = None
    while True:
        query = {"limit": str(PAGE)} | ({"after": after} if after is not None else {})
        page = await _get(asker, f"{path}?{urlencode(query)}")
        for entry in page[name]:
            yield entry
        after = page.get("next")
        if after is None:
            return


async def _get(asker: Caller, path: str) -> Any:
    """Read with patience: the observer comes after the fault, and is not what is measured."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(NotObservedError), stop=stop_after_delay(120), wait=wait_fixed(1), reraise=True
    ):
        with attempt:
            answer = await asker.client.request("GET", path)
            if not answer.ok:
                raise NotObservedError(f"GET {path}: {answer.status} {str(answer.body)[:300]}")
            return answer.body
    raise AssertionError("tenacity returns or raises")
