"""Shows the audit trail to those who may read it."""

from __future__ import annotations

from sqlalchemy import Connection

from core import paging
from core.audit import store
from core.refusals import Answer, Refused


def page(connection: Connection, *, subject: str | None, after: str, limit: int) -> Answer | Refused:
    """Return a page of the trail, oldest first; ``next`` is the cursor of the page after."""
    place = paging.read_cursor(after, 2)
    if isinstance(place, Refused):
        return place
    found = store.page(connection, subject=subject, after=(place[0], place[1]), limit=limit + 1)
    events, more = paging.page(found, limit, lambda event: f"{event.xact}-{event.id}")
    listed = [
        {
            "id": event.id,
            "at": event.at.isoformat(),
            "caller": event.caller,
            "action": event.action,
            "subject": event.subject,
            "detail": event.detail,
        }
        for event in events
    ]
    return Answer(200, {"events": listed, "next": more})
