"""From an HTTP request to the queue or the reader: key, patience, role, fingerprint."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Engine
from starlette.responses import Response

from core.api import strict
from core.api.commands import Command
from core.api.group import Inquiry, Write
from core.api.problems import answer_of, file_of, response_of
from core.api.queue import WriteQueue
from core.api.reading import Reader
from core.approvals.rules import DECIDERS, PROPOSERS
from core.authority.service import as_seen_by
from core.callers import BANK_ROLE, CHECKER, MAKER, OPERATOR, PROBE, Caller, refuse_unless
from core.refusals import Answer, File, Reason, Refused, RefusedError

T = TypeVar("T")

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes of one application work with."""

    engines: Sequence[Engine]
    queue: WriteQueue
    reader: Reader
    playground: bool
    """Free transfers are allowed, and the business clock may be moved."""

    def open(self) -> None:
        """Let the writer begin."""
        self.queue.start()

    def close(self) -> None:
        """Send away who still waits, end the writer, give the connections back."""
        self.reader.stop()
        self.queue.stop()
        for engine in self.engines:
            engine.dispose()


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """Return the body's document."""
        if not hasattr(self, "_json"):
            self._json = strict.parse(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that reads JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap the framework's handler."""
        handler = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            response: Response = await handler(StrictRequest(request.scope, request.receive))
            return response

        return strictly


@dataclass(frozen=True, slots=True)
class Call:
    """One request by a known caller."""

    desk: Desk
    caller: Caller
    method: str
    path: str
    template: str
    key: str | None
    wait_s: float | None

    async def put(self, command: Command, body: Mapping[str, Any], **named: str) -> Response:
        """Queue a write and answer with what became of it. ``named`` are facts that the path names."""
        return response_of(await self.write(command, body, **named))

    async def write(self, command: Command, body: Mapping[str, Any], **named: str) -> Answer:
        """The same, not on the wire yet."""
        whole = {**body, **named}
        write = Write(
            caller=self.caller.name,
            route=f"{self.method} {self.template}",
            key=_checked(self.key),
            fingerprint=strict.fingerprint(self.method, self.path, body),
            run=partial(_run, command, self.caller, whole),
            run_all=command.run_all,
            asked=(self.caller, whole),
            places=command.places(whole),
            alone=command.alone,
        )
        return await self.desk.queue.put(write, wait_s=self.wait_s)

    async def inquire(self, key: str) -> Response:
        """Ask what became of a key of this caller's."""
        inquiry = Inquiry(self.caller.name, _checked(key))
        return response_of(await self.desk.queue.put(inquiry, wait_s=self.wait_s))

    async def read(self, work: Callable[[Connection], Answer | File | Refused]) -> Response:
        """Answer from the primary, with no more than the caller may see."""
        end = await self.see(work)
        if isinstance(end, File):
            return file_of(end)
        return response_of(answer_of(end) if isinstance(end, Refused) else end)

    async def foresee(self, work: Callable[[Connection], Answer | Refused]) -> Response:
        """Answer a dry run: it rests on all that the real run rests on, and first judges who may propose, as that does.

        A province may propose for its firms although it does not see the whole market that decides.
        """
        end = await self.desk.reader.run(work, wait_s=self.wait_s)
        return response_of(answer_of(end) if isinstance(end, Refused) else end)

    async def see(self, work: Callable[[Connection], T], *, single: bool = False) -> T | Refused:
        """The same, not on the wire yet. What a province may see is decided by a statement of its own."""
        single = single and self.caller.province is None
        return await self.desk.reader.run(as_seen_by(self.caller, work), wait_s=self.wait_s, single=single)


def _run(command: Command, caller: Caller, body: Mapping[str, Any], connection: Connection) -> Answer | Refused:
    return command.run(connection, caller, body)


def call(*roles: str) -> Callable[[Request], Awaitable[Call]]:
    """Make the dependency of a route that these roles may use; of all roles when none is named."""

    async def of(request: Request) -> Call:
        caller: Caller = request.state.caller
        refused = refuse_unless(caller, *roles) if roles else None
        if refused is not None:
            raise RefusedError(refused)
        keys = request.headers.getlist("idempotency-key")
        return Call(
            desk=request.app.state.desk,
            caller=caller,
            method=request.method,
            path=request.url.path,
            template=request.scope["route"].path,
            key=keys[0] if len(keys) == 1 else None,
            wait_s=_wait_s(", ".join(request.headers.getlist("prefer"))),
        )

    return of


def keyed_call(*roles: str) -> Callable[[Request], Awaitable[Call]]:
    """The same for a write, which needs its key."""
    plain = call(*roles)

    async def of(request: Request) -> Call:
        found = await plain(request)
        _checked(found.key)
        return found

    return of


def is_key(key: str) -> bool:
    """Tell whether this can be an idempotency key."""
    return _KEY.fullmatch(key) is not None


def _checked(key: str | None) -> str:
    if key is None or _KEY.fullmatch(key) is None:
        raise RefusedError(Refused(Reason.KEY_MISSING))
    return key


def _wait_s(prefer: str) -> float | None:
    """Read ``Prefer: wait=N`` (RFC 7240); a preference that cannot be read is none."""
    found = _WAIT.search(prefer)
    return max(1.0, float(found[1])) if found is not None else None


ByAnyone = Annotated[Call, Depends(call())]
ByMaker = Annotated[Call, Depends(keyed_call(MAKER))]
ByChecker = Annotated[Call, Depends(keyed_call(CHECKER))]
ByProposer = Annotated[Call, Depends(keyed_call(*PROPOSERS))]
ToForesee = Annotated[Call, Depends(call(*PROPOSERS))]
"""For dry runs: who may propose only asks, and needs no key because nothing is written."""
ByDecider = Annotated[Call, Depends(keyed_call(*DECIDERS))]
ByOperator = Annotated[Call, Depends(keyed_call(OPERATOR))]
ByBank = Annotated[Call, Depends(keyed_call(BANK_ROLE))]
ByProbe = Annotated[Call, Depends(keyed_call(PROBE))]
Number = Annotated[str, Path(pattern="^[A-Z0-9-]{1,40}$", examples=["E42-00001001-60"])]
Date = Annotated[date, Path(examples=["2021-07-16"])]
After = Annotated[str, Query(pattern="^[A-Za-z0-9-]{0,100}$")]
AfterNumber = Annotated[int, Query(ge=0, le=2**63 - 1)]
AfterId = Annotated[UUID | None, Query()]
Limit = Annotated[int, Query(ge=1, le=1000)]
