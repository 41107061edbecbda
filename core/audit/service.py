"""Shows the audit trail to those who may read it."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from core.audit import store
from core.refusals import Answer, Reason, Refused

_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)


def page(connection: Connection, *, subject: str | None, after: str, limit: int) -> Answer | Refused:
    """Return a page of the trail, oldest first; ``next`` is the cursor of the page after."""
    found = _CURSOR.fullmatch(after or "0-0")
    if found is None:
        return Refused(Reason.MALFORMED, "after: what `next` of the page before said.")
    events = store.page(connection, subject=subject, after=(int(found[1]), int(found[2])), limit=limit)
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
    more = f"{events[-1].xact}-{events[-1].id}" if len(events) == limit else None
    return Answer(200, {"events": listed, "next": more})
