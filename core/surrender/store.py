"""The table of applications to surrender, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from core.quantities import SerialRange
from core.surrender.rules import Surrender

FIELDS = (
    "id::text, account, year, product, tonnes, state, authority, applied_at, task, done_at, reversible_until, serials"
)

INSERT = text("""
INSERT INTO surrender_application (id, account, year, product, tonnes, task, state, authority, applied_at)
VALUES (:id, :account, :year, :product, :tonnes, :task, 'PENDING', :authority, :applied_at)
""")

FIND = text(f"SELECT {FIELDS} FROM surrender_application WHERE id = :id")  # noqa: S608  # the fields stand above

LOCK = text(f"{FIND.text} FOR UPDATE")

PAGE = text(f"""
SELECT {FIELDS} FROM surrender_application
WHERE account = :account AND (applied_at, id) > (SELECT applied_at, id FROM surrender_application WHERE id = :after
                                                 UNION ALL SELECT '-infinity', '00000000-0000-0000-0000-000000000000'
                                                 WHERE CAST(:after AS uuid) IS NULL)
ORDER BY surrender_application.applied_at, surrender_application.id LIMIT :limit
""")  # noqa: S608  # the fields stand above

DONE = text("""
UPDATE surrender_application SET state = 'SURRENDERED', done_at = :at, reversible_until = :until,
       serials = CAST(:serials AS jsonb)
WHERE id = :id
""")

STATE = text("UPDATE surrender_application SET state = :state WHERE id = :id")


def insert(connection: Connection, surrender: Surrender) -> None:
    """Keep a new application."""
    row: dict[str, Any] = {
        "id": surrender.id,
        "account": surrender.account,
        "year": surrender.year,
        "product": surrender.product,
        "tonnes": surrender.tonnes,
        "task": surrender.task,
        "authority": surrender.authority,
        "applied_at": surrender.applied_at,
    }
    connection.execute(INSERT, row)


def find(connection: Connection, number: UUID | str, *, hold: bool = False) -> Surrender | None:
    """Return an application; ``hold`` lets nobody else change it until this transaction ends."""
    row = connection.execute(LOCK if hold else FIND, {"id": number}).mappings().first()
    return Surrender(**row) if row is not None else None


def page(connection: Connection, account: str, *, after: UUID | None, limit: int) -> list[Surrender]:
    """Return an account's applications, oldest first."""
    asked = {"account": account, "after": after, "limit": limit}
    return [Surrender(**row) for row in connection.execute(PAGE, asked).mappings()]


def done(connection: Connection, number: str, *, at: datetime, until: datetime, serials: Sequence[SerialRange]) -> None:
    """Note that the units are handed in, which ones, and until when it can be taken back."""
    bounds = json.dumps([list(block.bounds) for block in serials])
    connection.execute(DONE, {"id": number, "at": at, "until": until, "serials": bounds})


def move(connection: Connection, number: str, state: str) -> None:
    """Note a new state: released, or reversed."""
    connection.execute(STATE, {"id": number, "state": state})
