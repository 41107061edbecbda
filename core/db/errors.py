"""What a database error means to us, told by SQLSTATE and constraint name, never by its message."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError

RETRYABLE_STATES = frozenset({"40001", "40P01"})  # serialization failure, deadlock: nothing was written
GONE_STATES = frozenset({"25006", "25P03", "25P04", "55P03", "53000", "53100", "53200", "53300"})
"""Read-only (a demoted node), idle or open too long, lock wait over, no room left: try again, elsewhere or later."""
GONE_CLASSES = ("08", "57P")
"""Connection lost, shutdown, starting up."""

FORBIDDEN_STATES = frozenset({"42501", "42P01", "42883"})
"""No privilege; or, for a role that sees one schema only, no such table or function there."""


def driver_error(error: BaseException) -> psycopg.Error | None:
    """Find psycopg's error: SQLAlchemy wraps it in .orig, COPY on the raw connection raises it bare."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.Error):
        return error.orig
    return error if isinstance(error, psycopg.Error) else None


def is_retryable(error: BaseException) -> bool:
    """Tell whether the transaction rolled back and running it again may succeed."""
    found = driver_error(error)
    return found is not None and found.sqlstate in RETRYABLE_STATES


def is_gone(error: BaseException) -> bool:
    """Tell whether the connection or its primary is gone, so that the work must go to another connection."""
    found = driver_error(error)
    if found is None:
        return False
    if found.sqlstate is None:
        return isinstance(found, psycopg.OperationalError | psycopg.InterfaceError)
    return found.sqlstate in GONE_STATES or found.sqlstate.startswith(GONE_CLASSES)


def is_overrun(error: BaseException) -> bool:
    """Tell whether the server ended the statement because its time was up; the connection is well."""
    found = driver_error(error)
    return found is not None and found.sqlstate == "57014"


def is_forbidden(error: BaseException) -> bool:
    """Tell whether the statement asked for what its role may not see."""
    found = driver_error(error)
    return found is not None and found.sqlstate in FORBIDDEN_STATES


def constraint_of(error: BaseException) -> str | None:
    """Name the constraint a statement broke, if it broke one."""
    found = driver_error(error)
    return found.diag.constraint_name if found is not None else None
