"""The row of the business clock, and the market calendar as it was decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from core.clock.calendar import Calendar

NOW = text("SELECT now FROM business_clock")


def now(connection: Connection) -> datetime:
    """Return business time, UTC."""
    return _moment(connection.execute(NOW).scalar_one())


LOCK = text("SELECT now FROM business_clock FOR UPDATE")


def lock(connection: Connection) -> datetime:
    """Return business time and let nobody else move it until this transaction ends."""
    return _moment(connection.execute(LOCK).scalar_one())


MOVE = text("UPDATE business_clock SET now = :to, moved_by = :by")


def move(connection: Connection, *, to: datetime, by: str) -> None:
    """Write business time and who moved it."""
    connection.execute(MOVE, {"to": to, "by": by})


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"the clock holds a moment, got {value!r}")
    return value


EXCEPTIONS = text("SELECT day, open FROM calendar_exception")


def calendar(connection: Connection) -> Calendar:
    """Return the market's calendar with every exception that was decided; read it once per piece of work."""
    return Calendar({row.day: row.open for row in connection.execute(EXCEPTIONS)})
