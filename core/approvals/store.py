"""The table of tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from core.approvals.rules import Task

INSERT = text("""
INSERT INTO task (id, kind, payload, state, proposed_by, proposed_at)
VALUES (:id, :kind, CAST(:payload AS jsonb), 'AWAITING_APPROVAL', :by, :at)
""")

FIND = text("""
SELECT id::text, kind, payload, state, proposed_by, proposed_at, decided_by, decided_at, outcome
FROM task WHERE id = :id
""")

LOCK = text(f"{FIND.text} FOR UPDATE")

DECIDE = text("""
UPDATE task SET state = :state, decided_by = :by, decided_at = :at, outcome = CAST(:outcome AS jsonb) WHERE id = :id
""")


def insert(connection: Connection, task: Task) -> None:
    """Keep a new proposal."""
    row = {"id": task.id, "kind": task.kind, "by": task.proposed_by, "at": task.proposed_at}
    connection.execute(INSERT, row | {"payload": json.dumps(task.payload, ensure_ascii=False)})


def find(connection: Connection, task_id: UUID) -> Task | None:
    """Return the task as it is now."""
    row = connection.execute(FIND, {"id": task_id}).mappings().first()
    return Task(**row) if row is not None else None


def lock(connection: Connection, task_id: UUID) -> Task | None:
    """Return the task and let nobody else decide it until this transaction ends."""
    row = connection.execute(LOCK, {"id": task_id}).mappings().first()
    return Task(**row) if row is not None else None


def decide(
    connection: Connection, task_id: str, *, state: str, by: str, at: datetime, outcome: Mapping[str, Any]
) -> None:
    """Write what became of a task."""
    row = {"id": task_id, "state": state, "by": by, "at": at, "outcome": json.dumps(outcome, ensure_ascii=False)}
    connection.execute(DECIDE, row)
