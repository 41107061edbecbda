"""The rows of the edge itself: what became of each keyed request, and the probe's beats."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orjson import Fragment
from sqlalchemy import Connection, text

from core.api.strict import compact
from core.db.rows import json_rows

TOMBSTONE = "*"
"""The route of a row that says: no request of this caller under this key was done, and none will be."""

GROUPS_LOCK = 4_202_107_160_930
"""Names the advisory lock of all write groups."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one request."""

    caller: str
    route: str
    key: str
    fingerprint: bytes
    status: int
    body: Mapping[str, object] | None
    headers: Mapping[str, str] = field(default_factory=dict)


SINGLES_LOCK = 4_202_107_160_931
"""Names the advisory lock that transfers with a commit of their own share: ``transfer_plainly`` takes it."""

EXCLUDE = text("SELECT pg_advisory_xact_lock(:singles)")


def exclude_singles(connection: Connection) -> None:
    """Wait until no transfer is being committed by itself: a key that is not seen then was not used."""
    connection.execute(EXCLUDE, {"singles": SINGLES_LOCK})


ENTER = text("""
SELECT set_config('idle_in_transaction_session_timeout', '5s', true),
       set_config('plan_cache_mode', 'force_generic_plan', true), pg_advisory_xact_lock(:groups)
""")


def enter(connection: Connection) -> None:
    """Wait until no other group is being written, by whichever process.

    Two groups at a time could deadlock (one numbers an account, then a batch; the other the reverse), and a key
    that one process carries out while another declares it not done would get two truths. Groups meet at the
    chain's counter anyway. A process that freezes inside its group is thrown out after five seconds. Its statements
    are planned once and not for each group: what differs between groups is one text of rows.
    """
    connection.execute(ENTER, {"groups": GROUPS_LOCK})


LOAD = text("""
SELECT caller, route, key, fingerprint, status, body, headers
FROM unnest(CAST(:callers AS text[]), CAST(:keys AS text[])) AS asked (caller, key) JOIN request USING (caller, key)
ORDER BY created_at
""")


def load(connection: Connection, pairs: Collection[tuple[str, str]]) -> list[Recorded]:
    """Return everything recorded under these pairs of caller and key, oldest first."""
    callers, keys = [caller for caller, _ in pairs], [key for _, key in pairs]
    rows = connection.execute(LOAD, {"callers": callers, "keys": keys}).mappings()
    return [Recorded(**row) for row in rows]


SAVE = text("""
INSERT INTO request (caller, route, key, fingerprint, status, body, headers)
SELECT caller, route, key, decode(fingerprint, 'hex'), status, coalesce(body, 'null'), headers
FROM json_to_recordset(CAST(:fresh AS json))
    AS r (caller text, route text, key text, fingerprint text, status smallint, body json, headers json)
""")


def save(connection: Connection, fresh: Sequence[Recorded]) -> None:
    """Record what became of new requests."""
    if not fresh:
        return
    rows = json_rows(
        {
            "caller": row.caller,
            "route": row.route,
            "key": row.key,
            "fingerprint": row.fingerprint.hex(),
            "status": row.status,
            "body": Fragment(compact(row.body)),
            "headers": row.headers,
        }
        for row in fresh
    )
    connection.execute(SAVE, {"fresh": rows})


TOUCH = text("""
UPDATE request SET repeats = repeats + 1
FROM unnest(CAST(:callers AS text[]), CAST(:routes AS text[]), CAST(:keys AS text[])) AS asked (caller, route, key)
WHERE (request.caller, request.route, request.key) = (asked.caller, asked.route, asked.key)
""")


def touch(connection: Connection, repeated: Collection[tuple[str, str, str]]) -> None:
    """Write something where a recorded answer is given again, so that the repeat waits for the standby as well."""
    if not repeated:
        return
    callers, routes, keys = zip(*repeated, strict=True)
    connection.execute(TOUCH, {"callers": list(callers), "routes": list(routes), "keys": list(keys)})


BEAT = text("""
INSERT INTO beat (probe, n) VALUES (:probe, :n)
ON CONFLICT (probe) DO UPDATE SET n = greatest(beat.n, excluded.n), at = now()
""")


def beat(connection: Connection, *, probe: str, n: int) -> None:
    """Note the probe's newest number; an older one that was held does not turn it back."""
    connection.execute(BEAT, {"probe": probe, "n": n})


LAST_BEAT = text("SELECT n, at FROM beat WHERE probe = :probe")


def last_beat(connection: Connection, probe: str) -> tuple[int, datetime] | None:
    """Return the probe's newest number and when it came."""
    row = connection.execute(LAST_BEAT, {"probe": probe}).one_or_none()
    return None if row is None else (row.n, row.at)
