"""Tells a state of something by its ETag: reads that are spared, and writes that rest on what was read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import Connection
from starlette.responses import Response

from core.api.calls import Call
from core.api.commands import Service
from core.callers import Caller
from core.refusals import Answer, Reason, Refused

IF_MATCH = "if_match"
"""The name under which a write carries the header to where it is decided."""

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')

IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="the ETag of what is known already: 304 when it is still so"),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="the ETag that the decision rests on: 412 when it is no longer so"),
]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as If-None-Match says."}}
CHANGED: dict[int | str, dict[str, Any]] = {412: {"description": "It is no longer as If-Match says."}}


def tag_of(body: Mapping[str, object]) -> str:
    """Return the strong tag of a body: the same for the same content, whatever the order of its names."""
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f'"{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"'


def matches(tag: str, header: str) -> bool:
    """Tell whether a header names the tag, or anything at all with a star. A weak tag names nothing we have given."""
    return header.strip() == "*" or tag in _TAG.findall(header)


async def read(call: Call, work: Callable[[Connection], Answer | Refused], known: str | None) -> Response:
    """Answer a read with its tag, or with 304 and nothing when the caller has it already."""

    def tagged(connection: Connection) -> Answer | Refused:
        end = work(connection)
        if isinstance(end, Refused) or end.status != 200:
            return end
        tag = tag_of(end.body)
        headers = {**end.headers, "ETag": tag}
        return Answer(304, {}, headers) if known and matches(tag, known) else Answer(200, end.body, headers)

    return await call.read(tagged)


def named(if_match: str | None) -> dict[str, str]:
    """Name the header for ``Call.put``; the key's fingerprint leaves it out, a repeat is the same request."""
    return {IF_MATCH: if_match} if if_match is not None else {}


def guarded(run: Service, current: Callable[[Connection, Caller, Mapping[str, Any]], Answer | Refused]) -> Service:
    """Let a write through only while what ``current`` answers still has the tag that If-Match names."""

    def checked(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
        expected = body.get(IF_MATCH)
        plain = {name: value for name, value in body.items() if name != IF_MATCH}
        if expected is not None:
            now = current(connection, caller, plain)
            if isinstance(now, Refused):
                return now
            if not matches(tag_of(now.body), str(expected)):
                return Refused(Reason.CHANGED_MEANWHILE)
        return run(connection, caller, plain)

    return checked
