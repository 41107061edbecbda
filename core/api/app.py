"""Puts the edge together: routes, problems, health and the published description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.api import bodies, views
from core.api.auth import Verifier
from core.api.calls import Desk
from core.api.edge import PUBLIC, Edge
from core.api.fast import Fast
from core.api.problems import PROBLEM, answer_of, response_of
from core.api.routes import (
    account_states,
    accounts,
    allocation,
    approvals,
    audit,
    authority,
    carryover,
    compliance,
    days,
    encumbrance,
    holdings,
    ledger,
    offset,
    operations,
    operators,
    ownership,
    parameters,
    reconciliation,
    statements,
    surrender,
    trust,
    units,
)
from core.refusals import Answer, Reason, Refused, RefusedError

SUBJECTS = (
    accounts,
    account_states,
    operators,
    allocation,
    approvals,
    audit,
    authority,
    holdings,
    compliance,
    surrender,
    offset,
    carryover,
    trust,
    encumbrance,
    ownership,
    statements,
    parameters,
    days,
    ledger,
    operations,
    reconciliation,
    units,
)
STATUS_REASONS = {404: Reason.NO_SUCH_ADDRESS, 405: Reason.NO_SUCH_METHOD, 413: Reason.BODY_TOO_LARGE}


def create_app(desk: Desk, verifier: Verifier) -> FastAPI:
    """Build the application; its queue's writer lives as long as it does."""

    @asynccontextmanager
    async def alive(_app: FastAPI) -> AsyncIterator[None]:
        desk.open()
        yield
        desk.close()

    app = FastAPI(
        title="Carbon allowance registry",
        version="1",
        summary="Accounts, holdings, allocation, transfer, surrender, and the market day.",
        lifespan=alive,
        docs_url=None,
        redoc_url=None,
    )
    app.state.desk = desk
    bearer = HTTPBearer(bearerFormat="JWT", auto_error=False, description="EdDSA; `registry token --as NAME`")
    for subject in SUBJECTS:
        app.include_router(subject.router, dependencies=[Depends(bearer)])
    _add_health(app)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _by_status)
    app.add_middleware(Fast, desk=desk)
    app.add_middleware(Edge, verifier=verifier)
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]  # the framework's own way to extend it
    return app


def _add_health(app: FastAPI) -> None:
    async def healthz() -> Response:
        """Tell that the process lives; asks nobody."""
        return response_of(Answer(200, {"status": "alive"}))

    async def readyz(request: Request) -> Response:
        """Tell whether a primary answers."""
        ready = await request.app.state.desk.reader.ping()
        return response_of(Answer(200, {"status": "ready"}) if ready else answer_of(Refused(Reason.NO_PRIMARY)))

    async def metrics() -> Response:
        """Show the process's metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    for endpoint, media in ((healthz, JSONResponse), (readyz, JSONResponse), (metrics, PlainTextResponse)):
        path = f"/{endpoint.__name__}"
        app.add_api_route(path, endpoint, tags=["operations"], response_model=None, response_class=media)


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    return response_of(answer_of(error.refused))


async def _malformed(_request: Request, error: Exception) -> Response:
    """Name the first fields that are wrong; what was sent is not repeated, it may be anything."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in found[:10]]
    plain = "; ".join(said).encode("utf-8", "replace").decode()
    return response_of(answer_of(Refused(Reason.MALFORMED, f"{plain}.")))


async def _by_status(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return response_of(answer_of(Refused(STATUS_REASONS.get(error.status_code, Reason.MALFORMED))))


def _description(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = _described(
            get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        )
    return app.openapi_schema


KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "1 to 200 visible ASCII characters, new for each request, the same for each repeat of it. Kept for "
    "30 days at least. Scoped to caller, method and path template; other content under it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
    "example": "01J9Z3N8WQ5T7V2B4C6D8E0F1G",
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: be told after N seconds, not after the whole hold window, that no primary was there.",
    "schema": {"type": "string"},
    "example": "wait=10",
}
WRITE_PROBLEMS = {
    "400": "The Idempotency-Key is missing or not usable.",
    "401": "No valid token.",
    "403": "The caller may not do this.",
    "404": "What the request names does not exist.",
    "409": "Not now, or no longer; or the key was declared not done.",
    "413": "The body is too large.",
    "422": "Refused by a rule, not well formed, or the key was used with other content.",
    "500": "A fault of the registry; nothing was done.",
    "503": "No primary in time (it may have been done: repeat under the same key), or too busy.",
}
READ_PROBLEMS = {code: WRITE_PROBLEMS[code] for code in ("401", "403", "404", "422")} | {
    "503": "No primary in time, or a read that is too long."
}


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """Add what the framework cannot know: the key, the patience, the problems, the notice of credit."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for gone in ("HTTPValidationError", "ValidationError"):
        schemas.pop(gone, None)
    for model in (views.Problem, bodies.Deposits):
        schemas |= _schemas_of(model)
    components["parameters"] = {"IdempotencyKey": KEY, "Prefer": PREFER}
    for path, offered in document["paths"].items():
        if path.startswith("/v1/"):
            for method, operation in offered.items():
                kept = method == "post" and not path.endswith("/dry-run")
                _describe(operation, writes=method == "post", kept=kept, keyed=path.startswith("/v1/requests/"))
                if PUBLIC.fullmatch(path):
                    operation.pop("security", None)
    return document


def _describe(operation: dict[str, Any], *, writes: bool, kept: bool, keyed: bool) -> None:
    """``kept``: what is sent is carried out, once for each key; a dry run is not."""
    parameters = operation.setdefault("parameters", [])
    if kept:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    parameters.append({"$ref": "#/components/parameters/Prefer"})
    problems = WRITE_PROBLEMS if writes else READ_PROBLEMS | ({"400": WRITE_PROBLEMS["400"]} if keyed else {})
    for status, description in problems.items():
        content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"][status] = {"description": description, "content": content}


def _schemas_of(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}
