"""The tables of offset lots, their history, and applications to offset."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from core.db import counters
from core.offset.rules import Lot, Units

FIELDS = "id::text, account, project, first, last, state, until, application::text, note"

PROJECT = text("SELECT number FROM ccer_project WHERE code = :code")

INSERT_PROJECT = text("""
INSERT INTO ccer_project (code, number) VALUES (:code, :number)
""")

TAKEN = text("""
SELECT id::text FROM ccer_lot WHERE place && int8range(:low, :high) AND state <> 'RELEASED' ORDER BY place LIMIT 1
""")

INSERT = text("""
INSERT INTO ccer_lot (id, account, project, first, last, place, state, until, changed_at)
VALUES (:id, :account, :project, :first, :last, int8range(:low, :high), 'FREEZING', :until, :at)
""")

EVENT = text("INSERT INTO ccer_lot_event (lot, state, note, at) VALUES (:lot, :state, :note, :at)")

FIND = text(f"SELECT {FIELDS} FROM ccer_lot WHERE id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608  # the fields above

LOCK = text(f"{FIND.text} ORDER BY id FOR UPDATE")

OF_APPLICATION = text(f"""
SELECT {FIELDS} FROM ccer_lot WHERE application = :application ORDER BY id FOR UPDATE
""")  # noqa: S608  # the fields stand above

PAGE = text(f"""
SELECT {FIELDS} FROM ccer_lot
WHERE account = :account AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :limit
""")  # noqa: S608  # the fields stand above

MOVE = text("""
UPDATE ccer_lot SET state = :state, note = :note, application = coalesce(:application, application), changed_at = :at
WHERE id = :id
""")

EXPIRED = text("""
SELECT id::text FROM ccer_lot WHERE state IN ('FREEZING', 'SYNCED', 'SELECTED') AND until <= :now
ORDER BY until LIMIT :limit
""")

HISTORY = text("SELECT state, note, at FROM ccer_lot_event WHERE lot = :lot ORDER BY id")

INSERT_APPLICATION = text("""
INSERT INTO offset_application (id, account, year, tonnes, state, applied_at, changed_at)
VALUES (:id, :account, :year, :tonnes, 'PENDING', :at, :at)
""")

NAME_TASK = text("UPDATE offset_application SET task = :task WHERE id = :id")

FIND_APPLICATION = text("""
SELECT id::text, account, year, tonnes, task, state, used, applied_at FROM offset_application WHERE id = :id
""")

LOCK_APPLICATION = text(f"{FIND_APPLICATION.text} FOR UPDATE")

MOVE_APPLICATION = text("UPDATE offset_application SET state = :state, used = :used, changed_at = :at WHERE id = :id")


def project_number(connection: Connection, code: str) -> int:
    """Return the number of a project, its first one when it is new, and line up with all who name units.

    Of a new project no unit is taken, so nothing that is decided next leaves its number behind for nothing.
    """
    counters.hold(connection, "ccer_project")
    known: int | None = connection.execute(PROJECT, {"code": code}).scalar()
    if known is not None:
        return known
    number = counters.take(connection, "ccer_project")
    connection.execute(INSERT_PROJECT, {"code": code, "number": number})
    return number


def taken(connection: Connection, bounds: tuple[int, int]) -> str | None:
    """Name a lot that has some of these units, if there is one that was not let go."""
    found: str | None = connection.execute(TAKEN, {"low": bounds[0], "high": bounds[1]}).scalar()
    return found


def insert(connection: Connection, lot_id: str, units: Units, bounds: tuple[int, int], **at: datetime) -> None:
    """Keep a new lot; ``at`` is now, ``until`` when its time ends."""
    row = {"id": lot_id, "account": units.account, "project": units.project, "first": units.first, "last": units.last}
    connection.execute(INSERT, row | {"low": bounds[0], "high": bounds[1]} | at)
    connection.execute(EVENT, {"lot": lot_id, "state": "FREEZING", "note": "", "at": at["at"]})


def find(connection: Connection, ids: Collection[UUID | str], *, hold: bool = False) -> list[Lot]:
    """Return lots; ``hold`` lets nobody else change them until this transaction ends."""
    rows = connection.execute(LOCK if hold else FIND, {"ids": [str(one) for one in ids]}).mappings()
    return [Lot(**row) for row in rows]


def of_application(connection: Connection, application: str) -> list[Lot]:
    """Return the lots that were selected for an application, locked."""
    rows = connection.execute(OF_APPLICATION, {"application": application}).mappings()
    return [Lot(**row) for row in rows]


def page(connection: Connection, account: str, *, after: UUID | None, limit: int) -> list[Lot]:
    """Return an account's lots."""
    asked = {"account": account, "after": after, "limit": limit}
    return [Lot(**row) for row in connection.execute(PAGE, asked).mappings()]


def move(
    connection: Connection, lot: Lot, state: str, *, at: datetime, note: str = "", application: str | None = None
) -> None:
    """Note a lot's new state, and add it to the lot's history."""
    row = {"id": lot.id, "state": state, "note": note, "application": application, "at": at}
    connection.execute(MOVE, row)
    connection.execute(EVENT, {"lot": lot.id, "state": state, "note": note, "at": at})


def expired(connection: Connection, *, now: datetime, limit: int = 100) -> list[str]:
    """Name lots whose time is over and that nobody has confirmed."""
    return list(connection.execute(EXPIRED, {"now": now, "limit": limit}).scalars())


def history(connection: Connection, lot: str) -> list[dict[str, Any]]:
    """Return what happened to a lot, oldest first."""
    return [{**row, "at": row["at"].isoformat()} for row in connection.execute(HISTORY, {"lot": lot}).mappings()]


def apply(connection: Connection, number: str, account: str, year: int, *, tonnes: int, at: datetime) -> None:
    """Keep a new application."""
    row = {"id": number, "account": account, "year": year, "tonnes": tonnes, "at": at}
    connection.execute(INSERT_APPLICATION, row)


def name_task(connection: Connection, number: str, task: str) -> None:
    """Note under which task the application is decided."""
    connection.execute(NAME_TASK, {"id": number, "task": task})


def application(connection: Connection, number: str | UUID, *, hold: bool = False) -> dict[str, Any] | None:
    """Return an application; ``hold`` lets nobody else change it until this transaction ends."""
    row = connection.execute(LOCK_APPLICATION if hold else FIND_APPLICATION, {"id": number}).mappings().first()
    return {**row, "applied_at": row["applied_at"].isoformat()} if row is not None else None


def move_application(connection: Connection, number: str, state: str, *, used: int, at: datetime) -> None:
    """Note where an application stands."""
    connection.execute(MOVE_APPLICATION, {"id": number, "state": state, "used": used, "at": at})
