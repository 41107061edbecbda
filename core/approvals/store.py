"""The tables of tasks and of what people said to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from core.approvals.rules import Decision, Task

INSERT = text("""
INSERT INTO task (id, kind, payload, state, proposed_by, proposed_at, accounts, acted_for, decides, reviews,
                  not_before, expires_at)
VALUES (:id, :kind, CAST(:payload AS jsonb), 'AWAITING_APPROVAL', :by, :at, CAST(:accounts AS text[]), :acted_for,
        :decides, :reviews, :not_before, :expires_at)
""")

TASK = """
SELECT t.id::text, t.kind, t.payload, t.state, t.proposed_by, t.proposed_at, t.decided_by, t.decided_at, t.outcome,
       t.accounts, t.acted_for, t.decides, t.reviews, t.not_before, t.expires_at, t.ordinal,
       (SELECT coalesce(json_agg(json_build_array(d.person, d.decided_at, d.verdict) ORDER BY d.id), '[]')
        FROM task_decision d WHERE d.task = t.id) AS decisions
FROM task t
"""

FIND = text(f"{TASK} WHERE t.id = :id")

# A statement of its own: what others decided before this lock was had, only the next statement sees.
LOCK = text("SELECT FROM task WHERE id = :id FOR UPDATE")

DECIDE = text("""
UPDATE task SET state = :state, decided_by = coalesce(:by, decided_by), decided_at = :at,
       outcome = CAST(:outcome AS jsonb)
WHERE id = :id
""")

SAY = text("""
INSERT INTO task_decision (task, proposed_by, person, verdict, decided_at)
VALUES (:task, :proposed_by, :person, :verdict, :at)
""")

PAGE = text(f"""{TASK}
WHERE t.ordinal > :after
  AND (CAST(:state AS text) IS NULL OR t.state = :state)
  AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
  AND (CAST(:account AS text) IS NULL OR t.accounts @> ARRAY[CAST(:account AS text)])
  AND (CAST(:acted_for AS text) IS NULL OR t.accounts @> ARRAY[CAST(:acted_for AS text)] AND t.acted_for = :acted_for)
  AND (CAST(:proposer AS text) IS NULL OR t.proposed_by = :proposer)
ORDER BY t.ordinal LIMIT :limit
""")

PROVINCES = text("""
SELECT DISTINCT responsible_province(a, :day) FROM unnest(CAST(:accounts AS text[])) AS a
""")

DUE = text("""
SELECT id::text FROM task
WHERE state IN ('AWAITING_APPROVAL', 'DELAYED')
  AND coalesce(CASE state WHEN 'DELAYED' THEN not_before ELSE expires_at END, 'infinity') <= :now
ORDER BY coalesce(CASE state WHEN 'DELAYED' THEN not_before ELSE expires_at END, 'infinity'), ordinal LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks are asked for; None is any."""

    state: str | None = None
    kind: str | None = None
    account: str | None = None
    acted_for: str | None = None
    proposer: str | None = None


def insert(connection: Connection, task: Task) -> None:
    """Keep a new proposal."""
    row = {
        "id": task.id,
        "kind": task.kind,
        "payload": json.dumps(task.payload, ensure_ascii=False),
        "by": task.proposed_by,
        "at": task.proposed_at,
        "accounts": list(task.accounts),
        "acted_for": task.acted_for,
        "decides": task.decides,
        "reviews": task.reviews,
        "not_before": task.not_before,
        "expires_at": task.expires_at,
    }
    connection.execute(INSERT, row)


def find(connection: Connection, task_id: UUID) -> Task | None:
    """Return the task as it is now."""
    row = connection.execute(FIND, {"id": task_id}).mappings().first()
    return _task(row) if row is not None else None


def lock(connection: Connection, task_id: UUID) -> Task | None:
    """Return the task and let nobody else decide it until this transaction ends."""
    connection.execute(LOCK, {"id": task_id})
    return find(connection, task_id)


def decide(
    connection: Connection, task_id: str, *, state: str, by: str | None, at: datetime, outcome: Mapping[str, Any] | None
) -> None:
    """Write what became of a task; without ``by`` whoever decided it before stands."""
    written = json.dumps(outcome, ensure_ascii=False) if outcome is not None else None
    connection.execute(DECIDE, {"id": task_id, "state": state, "by": by, "at": at, "outcome": written})


def say(connection: Connection, task: Task, decision: Decision) -> None:
    """Keep what a person said to a task."""
    row = {"task": task.id, "proposed_by": task.proposed_by, "person": decision.by, "verdict": decision.verdict}
    connection.execute(SAY, row | {"at": decision.at})


def page(connection: Connection, wanted: Wanted, *, after: int, limit: int) -> list[Task]:
    """Return tasks in the order in which they were proposed, from the one after the cursor."""
    rows = connection.execute(PAGE, asdict(wanted) | {"after": after, "limit": limit}).mappings()
    return [_task(row) for row in rows]


def provinces(connection: Connection, accounts: Collection[str], *, day: date) -> set[str]:
    """Tell which provinces answer for the accounts on a day."""
    return set(connection.execute(PROVINCES, {"accounts": list(accounts), "day": day}).scalars())


def due(connection: Connection, *, now: datetime, limit: int) -> Sequence[str]:
    """Return tasks whose time to be carried out, or to expire, has come; the longest due first."""
    return list(connection.execute(DUE, {"now": now, "limit": limit}).scalars())


def _task(row: RowMapping) -> Task:
    said = tuple(Decision(person, datetime.fromisoformat(at), verdict) for person, at, verdict in row["decisions"])
    return Task(**{**row, "accounts": tuple(row["accounts"]), "decisions": said})
