"""Serves the two requests that come most often without the framework; what is unusual about one goes the ordinary way.

Both ways end in the same call with the same facts, and every refusal of form is the framework's: nobody can tell
from an answer which way its request went.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.accounts import balance
from core.api import strict
from core.api.calls import Call, Desk, is_key
from core.api.problems import answer_of, headers_of
from core.api.routes.holdings import TRANSFER
from core.callers import MAKER, Caller
from core.quantities import MAX_AMOUNT
from core.refusals import Answer, Refused, RefusedError

TRANSFERS = "/v1/transfers"
BALANCE = "/v1/accounts/{number}/holdings/{asset}"
_BALANCE = re.compile(r"/v1/accounts/([A-Z0-9-]{1,40})/holdings/([A-Z0-9-]{1,20})")
_FIELDS = {"from_account", "to_account", "asset", "amount"}
_TEXT_MAX = 40
_UNUSUAL = frozenset({b"prefer", b"if-none-match", b"if-match", b"range", b"expect"})


@dataclass(frozen=True, slots=True)
class Template:
    """What the edge counts a request under."""

    path: str


class Fast:
    """Stands between the edge and the framework."""

    def __init__(self, app: ASGIApp, *, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not scope["query_string"] and "state" in scope:
            if scope["method"] == "POST" and scope["path"] == TRANSFERS:
                await self._transfer(scope, receive, send)
                return
            if scope["method"] == "GET" and (asked := _BALANCE.fullmatch(scope["path"])) is not None:
                await self._balance(scope, receive, send, *asked.groups())
                return
        await self._app(scope, receive, send)

    async def _transfer(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller = scope["state"]["caller"]
        headers = _plain_headers(scope)
        key = headers.get(b"idempotency-key", b"").decode("latin-1")
        if MAKER not in caller.roles or not is_key(key) or headers.get(b"content-type") != b"application/json":
            await self._app(scope, receive, send)
            return
        message = await receive()
        body = None if message.get("more_body") else _order(message.get("body", b""))
        if body is None:
            await self._app(scope, _again(message, receive), send)
            return
        scope["route"] = Template(TRANSFERS)
        call = Call(self._desk, caller, "POST", TRANSFERS, TRANSFERS, key, None)
        try:
            answer = await call.write(TRANSFER[self._desk.playground], body)
        except RefusedError as error:
            answer = answer_of(error.refused)
        await _send(answer, send)

    async def _balance(self, scope: Scope, receive: Receive, send: Send, number: str, asset: str) -> None:
        caller: Caller = scope["state"]["caller"]
        if not _plain_headers(scope):
            await self._app(scope, receive, send)
            return
        scope["route"] = Template(BALANCE)
        call = Call(self._desk, caller, "GET", scope["path"], BALANCE, None, None)
        try:
            end = await call.see(partial(balance.show, caller=caller, number=number, asset=asset), single=True)
        except RefusedError as error:
            end = error.refused
        await _send(answer_of(end) if isinstance(end, Refused) else end, send)


def _plain_headers(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers by name; none of them where one is there twice, or asks for something special."""
    headers = dict(scope["headers"])
    return headers if len(headers) == len(scope["headers"]) and _UNUSUAL.isdisjoint(headers) else {}


def _order(raw: bytes) -> dict[str, Any] | None:
    """Read a transfer that is certainly well formed; None for all else."""
    try:
        body = strict.parse(raw)
    except json.JSONDecodeError:
        return None
    if not isinstance(body, dict) or body.keys() != _FIELDS:
        return None
    amount = body["amount"]
    texts = (body["from_account"], body["to_account"], body["asset"])
    plain = all(type(text) is str and len(text) <= _TEXT_MAX for text in texts)
    return body if plain and type(amount) is int and abs(amount) <= MAX_AMOUNT else None


def _again(message: Message, receive: Receive) -> Receive:
    """Give back the message that was taken, then whatever follows."""
    taken = [message]

    async def replaying() -> Message:
        return taken.pop() if taken else await receive()

    return replaying


async def _send(answer: Answer, send: Send) -> None:
    content = strict.compact(answer.body)
    headers = headers_of(answer, len(content))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
