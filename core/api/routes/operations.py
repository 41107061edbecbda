"""Routes for the outside probe, and for asking what became of a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path
from sqlalchemy import Connection
from starlette.responses import Response

from core.api import bodies, store, views
from core.api.calls import ByAnyone, ByProbe, StrictRoute
from core.api.commands import Command
from core.callers import Caller
from core.refusals import Answer, Reason, Refused

router = APIRouter(route_class=StrictRoute)


def _beat(connection: Connection, _caller: Caller, body: Mapping[str, Any]) -> Answer:
    store.beat(connection, probe=body["probe"], n=body["n"])
    return Answer(201, {"probe": body["probe"], "n": body["n"]})


BEAT = Command(_beat)


@router.get("/v1/requests/{key:path}", response_model=views.KeyState, tags=["operations"])
async def request_state(call: ByAnyone, key: str) -> Response:
    """Settle what became of a key of the caller's own.

    ``done`` with the answer it got, or ``not_done``, and then it never will be: a request that comes later
    under this key is refused. Either is durable on the standby before it is said.
    """
    return await call.inquire(key)


@router.post("/v1/beats", status_code=201, response_model=views.Beat, tags=["operations"])
async def beat(call: ByProbe, body: bodies.Beat) -> Response:
    """Note that the outside probe could write."""
    return await call.put(BEAT, body.plain())


@router.get("/v1/beats/{probe}", response_model=views.Beat, tags=["operations"])
async def last_beat(call: ByAnyone, probe: Annotated[str, Path(pattern="^[^\\x00]{1,100}$")]) -> Response:
    """Show a probe's newest number."""
    return await call.read(partial(_last_beat, probe=probe))


def _last_beat(connection: Connection, probe: str) -> Answer | Refused:
    found = store.last_beat(connection, probe)
    if found is None:
        return Refused(Reason.NO_SUCH_ADDRESS, "This probe has not written yet.")
    return Answer(200, {"probe": probe, "n": found[0], "at": found[1].isoformat()})
