"""The table of parameters: every version there ever was, and the day through which they are frozen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from core.parameters.rules import Parameter

IN_FORCE = text("""
SELECT DISTINCT ON (kind, name) kind, name, version, value, effective_from FROM parameter
WHERE effective_from <= :day ORDER BY kind, name, effective_from DESC, version DESC
""")


def in_force(connection: Connection, day: date) -> list[Parameter]:
    """Read every parameter as it is in force on a day."""
    return [Parameter(**row) for row in connection.execute(IN_FORCE, {"day": day}).mappings()]


ONE_IN_FORCE = text("""
SELECT value FROM parameter WHERE kind = :kind AND name = :name AND effective_from <= :day
ORDER BY effective_from DESC, version DESC LIMIT 1
""")


def value(connection: Connection, kind: str, name: str, day: date) -> dict[str, Any] | None:
    """Read one parameter as it is in force on a day, or None."""
    found: dict[str, Any] | None = connection.execute(
        ONE_IN_FORCE, {"kind": kind, "name": name, "day": day}
    ).scalar_one_or_none()
    return found


VERSIONS = text("SELECT kind, name, version, value, effective_from FROM parameter")


def versions(connection: Connection) -> list[Parameter]:
    """Read every version of every parameter; few people decide few of them."""
    return [Parameter(**row) for row in connection.execute(VERSIONS).mappings()]


FROZEN = text("SELECT through FROM parameter_frozen")
HOLD_FROZEN = text("SELECT through FROM parameter_frozen FOR UPDATE")
FREEZE = text("UPDATE parameter_frozen SET through = greatest(through, :day)")


def frozen(connection: Connection, *, hold: bool = False) -> date:
    """Return the newest day whose rules are fixed; ``hold`` keeps days from being opened, and others from deciding."""
    found: date = connection.execute(HOLD_FROZEN if hold else FROZEN).scalar_one()
    return found


def freeze(connection: Connection, day: date) -> None:
    """Fix the rules of a day and of all before it."""
    connection.execute(FREEZE, {"day": day})


@dataclass(frozen=True, slots=True)
class Decided:
    """A version with the people who made it so."""

    kind: str
    name: str
    version: int
    value: dict[str, Any]
    effective_from: date
    proposed_by: str
    decided_by: str
    decided_at: datetime
    task: str | None


# jsonb is written as text, the same for every client; the trigger refuses what would change the past.
INSERT = text("""
INSERT INTO parameter (kind, name, version, value, effective_from, proposed_by, decided_by, decided_at, task)
VALUES (:kind, :name, :version, CAST(:value AS jsonb), :effective_from, :proposed_by, :decided_by, :decided_at, :task)
""")


def insert(connection: Connection, decided: Sequence[Decided]) -> None:
    """Keep new versions."""
    connection.execute(
        INSERT,
        [
            {
                "kind": one.kind,
                "name": one.name,
                "version": one.version,
                "value": json.dumps(one.value, ensure_ascii=False),
                "effective_from": one.effective_from,
                "proposed_by": one.proposed_by,
                "decided_by": one.decided_by,
                "decided_at": one.decided_at,
                "task": one.task,
            }
            for one in decided
        ],
    )


HISTORY = text("""
SELECT kind, name, version, value, effective_from, proposed_by, decided_by, decided_at, task FROM parameter p
WHERE (kind, name, version) > (:after_kind, :after_name, :after_version)
  AND (CAST(:kind AS text) IS NULL OR kind = :kind)
  AND (CAST(:day AS date) IS NULL OR (effective_from <= :day AND NOT EXISTS (
       SELECT FROM parameter later WHERE (later.kind, later.name) = (p.kind, p.name) AND later.effective_from <= :day
       AND (later.effective_from, later.version) > (p.effective_from, p.version))))
ORDER BY kind, name, version LIMIT :limit
""")


def history(
    connection: Connection, *, kind: str | None, day: date | None, after: tuple[str, str, int], limit: int
) -> list[Decided]:
    """Read a page of all versions, or of those in force on a day, in the order of kind, name and version."""
    place = {"after_kind": after[0], "after_name": after[1], "after_version": after[2]}
    rows = connection.execute(HISTORY, place | {"kind": kind, "day": day, "limit": limit}).mappings()
    return [Decided(**row) for row in rows]
