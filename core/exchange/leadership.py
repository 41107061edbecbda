"""Which intake books: the one that holds a session lock on the primary; the epoch fences whoever only thinks so."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from datetime import date
from enum import Enum

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from core.db.transaction import closed_at_deadline, driver_of
from core.exchange import store

ANSWER_WITHIN_S = 3.0
"""A primary that answers no trivial question for this long may be stalled; another one will be elected."""
SILENT_AT_MOST_S = 3.0
"""A leader asks four times a second; one that is silent for this long is frozen, or stuck in a commit that stalls."""


class Standing(Enum):
    """What became of asking for the lock."""

    LEADING = "leading"
    OTHER_LEADS = "another intake leads"
    NO_PRIMARY = "no primary"


class LeadershipLostError(Exception):
    """The connection that holds the lock is gone, and the lock with it."""


class Leadership:
    """Holds one connection of its own; the lock lives and dies with it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def ask(self) -> Standing:
        """Try to lead; a connection that did not get the lock stays for the next try."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            with _answered(self._connection):
                if store.try_lead(self._connection, silent_at_most_s=SILENT_AT_MOST_S):
                    return Standing.LEADING
                return Standing.OTHER_LEADS
        except (SQLAlchemyError, OSError):
            self.give_up()
            return Standing.NO_PRIMARY

    def newest_taking_day(self) -> date | None:
        """Ask for the day on the very connection that holds the lock, which proves that it is still held."""
        if self._connection is None:
            raise LeadershipLostError("no connection")
        try:
            with _answered(self._connection):
                return store.newest_taking_day(self._connection)
        except (SQLAlchemyError, OSError) as error:
            self.give_up()
            raise LeadershipLostError(str(error)) from error

    def give_up(self) -> None:
        """Close the connection for good: handed back to a pool it would keep the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, OSError):
                connection.invalidate()
                connection.close()


def _answered(connection: Connection) -> AbstractContextManager[None]:
    """Shut the socket when the answer does not come in time; nothing is written here, so nothing is unknown."""
    return closed_at_deadline(driver_of(connection), ANSWER_WITHIN_S)
