"""The audit trail: one row for every change, written in the transaction of the change, and linked in a hash chain.

Links are made afterwards, from rows whose transactions are over: whoever changes something waits for nobody's link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.db import counters
from core.db.rows import json_rows

RECORD = text("""
INSERT INTO audit_event (caller, action, subject, detail) VALUES (:caller, :action, :subject, CAST(:detail AS jsonb))
""")

# One statement, one snapshot: every transaction below its xmin is over, and all that it wrote is seen here. Whoever
# makes the link has a number of its own by then, so that on no node and after no failover a lower one can come.
EXTEND = text("""
WITH last AS (SELECT upto, hash FROM audit_link WHERE seq = :seq - 1),
own AS (
    SELECT pg_snapshot_xmin(pg_current_snapshot()) AS upto, count(*) AS events,
           sha256(string_agg(line, ''::bytea ORDER BY xact, id)) AS rows_hash
    FROM audit_line
    WHERE xact >= coalesce((SELECT upto FROM last), '0') AND xact < pg_snapshot_xmin(pg_current_snapshot()))
INSERT INTO audit_link (seq, upto, events, hash)
SELECT :seq, upto, events, sha256(coalesce((SELECT hash FROM last), decode(repeat('00', 32), 'hex')) || rows_hash)
FROM own WHERE events > 0
RETURNING events
""")

# In order: asked for any row, the planner reads the whole trail from its beginning to find one at its end.
LOOSE = text("""
SELECT count(*) FILTER (WHERE xact < pg_snapshot_xmin(pg_current_snapshot())) AS over, count(*) AS all_of_them
FROM (SELECT xact FROM audit_event
      WHERE xact >= coalesce((SELECT upto FROM audit_link ORDER BY seq DESC LIMIT 1), '0')
      ORDER BY xact LIMIT :limit) AS loose
""")

# Numbers come from the counter, so that a last link cut off leaves a hole too.
BROKEN = text("""
SELECT coalesce(number, b.seq) AS seq
FROM generate_series(1, (SELECT next - 1 FROM counter WHERE name = 'audit')) AS number
FULL JOIN audit_link b ON b.seq = number
LEFT JOIN audit_link p ON p.seq = b.seq - 1
LEFT JOIN LATERAL (
    SELECT count(*) AS events, sha256(string_agg(line, ''::bytea ORDER BY xact, id)) AS rows_hash
    FROM audit_line WHERE xact >= coalesce(p.upto, '0') AND xact < b.upto) AS e ON true
WHERE number IS NULL OR b.seq IS NULL OR b.events <> e.events
   OR b.hash <> sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex')) || coalesce(e.rows_hash, ''::bytea))
ORDER BY seq
""")

# Only rows of transactions that are over, in an order to which nothing can be added before them: no page skips a row.
PAGE = """
SELECT id, xact::text::bigint AS xact, caller, action, subject, detail, at FROM audit_event
WHERE {subject} (xact, id) > (CAST(CAST(:xact AS text) AS xid8), :id) AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xact, id LIMIT :limit
"""
PAGE_OF_ALL = text(PAGE.format(subject=""))
PAGE_OF_SUBJECT = text(PAGE.format(subject="subject = :subject AND"))

LOOSE_MAX = 1_000_000
"""Enough to see that nobody makes links any more."""


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what, and when by the machine's clock."""

    id: int
    xact: int
    caller: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    at: datetime


def record(connection: Connection, *, caller: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Note who did what to which account, task or plan."""
    row = {"caller": caller, "action": action, "subject": subject, "detail": json.dumps(detail, ensure_ascii=False)}
    connection.execute(RECORD, row)


def seal(connection: Connection) -> int:
    """Link all rows of transactions that are over to the chain; return how many there were."""
    seq = counters.hold(connection, "audit")
    events: int | None = connection.execute(EXTEND, {"seq": seq}).scalar_one_or_none()
    if events is None:
        return 0
    counters.take(connection, "audit")
    return events


def is_loose(connection: Connection) -> bool:
    """Tell whether there are rows to link."""
    over: int = connection.execute(LOOSE, {"limit": 1}).one().over
    return over > 0


def loose(connection: Connection) -> int:
    """Count the rows that no link covers yet."""
    found: int = connection.execute(LOOSE, {"limit": LOOSE_MAX}).one().all_of_them
    return found


def verify(connection: Connection) -> list[int]:
    """Recompute the chain and return the links that are missing, extra or not what their rows say."""
    return [seq for (seq,) in connection.execute(BROKEN)]


def page(connection: Connection, *, subject: str | None, after: tuple[int, int], limit: int) -> list[Event]:
    """Return rows of the trail after a place in its order, of one subject or of all."""
    place = {"xact": str(after[0]), "id": after[1], "limit": limit}
    if subject is None:
        return [Event(**row) for row in connection.execute(PAGE_OF_ALL, place).mappings()]
    return [Event(**row) for row in connection.execute(PAGE_OF_SUBJECT, place | {"subject": subject}).mappings()]


RECORD_ALL = text("""
INSERT INTO audit_event (caller, action, subject, detail)
SELECT caller, action, subject, detail
FROM json_to_recordset(CAST(:deeds AS json)) AS e (n integer, caller text, action text, subject text, detail jsonb)
ORDER BY n
""")


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what to which account, task or plan."""

    caller: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def record_all(connection: Connection, events: Sequence[Deed]) -> None:
    """Note many events in their order, in one statement."""
    if not events:
        return
    deeds = json_rows(
        {"n": n, "caller": e.caller, "action": e.action, "subject": e.subject, "detail": e.detail}
        for n, e in enumerate(events)
    )
    connection.execute(RECORD_ALL, {"deeds": deeds})
