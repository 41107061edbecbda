"""What every request passes first: who calls, how large it may be, what is counted, and no fault without an answer."""

from __future__ import annotations

import re
import time

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api.auth import Verifier
from core.api.problems import answer_of, response_of
from core.callers import Caller
from core.refusals import Reason, Refused
from core.telemetry import REQUEST_SECONDS, REQUESTS, log

BODY_MAX = 8 * 1024 * 1024
"""A batch of 20,000 accounts or plan lines fits in well."""
LARGER = {"/v1/accounts/csv": 100 * 1024 * 1024}
"""Addresses that take whole files."""

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""What anybody may read."""
PUBLIC = re.compile(r"/v1/(notices(/[^/]*)?|certificates/[^/]*)")
"""What the registry makes known to everybody; who reads it needs no name."""
ANYBODY = Caller("anybody", frozenset())


class Edge:
    """The one middleware."""

    def __init__(self, app: ASGIApp, *, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._serve(scope, receive, noting)
        except Exception as fault:  # noqa: BLE001  # the caller gets an answer, the log gets the details
            log.error("request_failed", path=scope["path"], exc_info=fault)
            if not status:
                await _refuse(Refused(Reason.FAULT), scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            REQUESTS.labels(route, scope["method"], str(status)).inc()
            REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if PUBLIC.fullmatch(scope["path"]):
            scope.setdefault("state", {})["caller"] = ANYBODY
        elif scope["path"] not in OPEN:
            caller = self._verifier.caller_of(headers.get("authorization"))
            if isinstance(caller, Refused):
                await _refuse(caller, scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        length, most = headers.get("content-length", "0"), LARGER.get(scope["path"], BODY_MAX)
        if not length.isascii() or not length.isdigit() or len(length) > 15 or int(length) > most:
            await _refuse(Refused(Reason.BODY_TOO_LARGE, f"At most {most} bytes."), scope, receive, send)
            return
        await self._app(scope, _limited(receive, most), send)


def _limited(receive: Receive, most: int) -> Receive:
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413)
        return message

    return counting


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    await response_of(answer_of(refused))(scope, receive, send)
