"""Turns every no into a problem document (RFC 9457)."""

from __future__ import annotations

from starlette.responses import Response

from core.api.strict import compact
from core.refusals import Answer, File, Reason, Refused

PROBLEM = "application/problem+json"

EXTRA_HEADERS = {
    Reason.NO_PRIMARY: {"Retry-After": "1"},
    Reason.TOO_BUSY: {"Retry-After": "2"},
    Reason.NOT_AUTHENTICATED: {"WWW-Authenticate": "Bearer"},
}


def answer_of(refused: Refused) -> Answer:
    """Say a refusal in the words of the API."""
    reason = refused.reason
    body: dict[str, object] = {
        "type": f"urn:carbon-registry:refusal:{reason.code}",
        "title": reason.sentence,
        "status": reason.http_status,
        "code": reason.code,
        "next": reason.next_step,
    }
    if refused.detail:
        body["detail"] = refused.detail
    if refused.errors:
        body["errors"] = [
            {"line": error.line, "code": error.reason.code, "title": error.reason.sentence, "detail": error.detail}
            | ({"column": error.column} if error.column else {})
            for error in refused.errors
        ]
    return Answer(reason.http_status, body, EXTRA_HEADERS.get(reason, {}))


def response_of(answer: Answer) -> Response:
    """Put an answer on the wire."""
    if answer.status == 304:
        return Response(None, 304, dict(answer.headers))
    return Response(compact(answer.body), answer.status, dict(answer.headers), _media_type(answer))


def headers_of(answer: Answer, length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers that ``response_of`` would give, for whoever writes them himself."""
    given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    return [
        *given,
        (b"content-length", str(length).encode()),
        (b"content-type", _media_type(answer).encode()),
    ]


def _media_type(answer: Answer) -> str:
    return PROBLEM if answer.status >= 400 else "application/json"


def file_of(file: File) -> Response:
    """Put a file on the wire, under the name it should be kept as."""
    named = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, 200, named, file.media_type)
