"""The route of the audit trail."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from core.api.calls import After, Call, Limit, StrictRoute, call
from core.audit import service as audit
from core.callers import AUDITOR, OPERATOR

router = APIRouter(route_class=StrictRoute)

ByAuditor = Annotated[Call, Depends(call(AUDITOR, OPERATOR))]


class AuditEvent(BaseModel):
    """Who did what, in the transaction that did it."""

    id: int
    at: str
    caller: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditEvents(BaseModel):
    """One page, oldest first; ``next`` goes into ``after`` for the page that follows."""

    events: list[AuditEvent]
    next: str | None


@router.get("/v1/audit", response_model=AuditEvents, tags=["audit"])
async def audit_trail(
    call: ByAuditor,
    subject: Annotated[str | None, Query(pattern="^[^\\x00]{1,200}$", examples=["E42-00001001-60"])] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List who did what to an account, a task or a plan, or to anything at all.

    An entry appears when no older transaction is under way any more, so that a page never skips one.
    """
    return await call.read(partial(audit.page, subject=subject, after=after, limit=limit))
