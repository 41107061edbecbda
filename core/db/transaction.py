"""The only place that commits: one begin, one commit, and three ends: result, exception, Unknown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg.errors import Diagnostic
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import Pool
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from core.db.deadline import DEADLINES
from core.db.errors import is_gone, is_retryable
from core.telemetry import COMMITS, PRIMARY_REACHABLE

T = TypeVar("T")

ATTEMPTS_MAX = 4
"""Serialization failures and deadlocks: a fifth collision in a row is load that a retry cannot cure."""


_POOLS = threading.Lock()
"""Between giving up a pool and returning a connection to it: no pool closes what it gets back after its end."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The link broke during COMMIT: durable or absent. Ask again by idempotency key, never assume."""


class NoPrimaryError(Exception):
    """No primary took the work within the time allowed; nothing was committed."""


def driver_of(connection: Connection) -> psycopg.Connection[object]:
    """Return psycopg's connection, for COPY; only valid inside a transaction that SQLAlchemy has begun."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection):
        raise TypeError(f"psycopg 3 is the only driver here, got {type(raw)}")
    return raw


@contextmanager
def closed_at_deadline(driver: psycopg.Connection[object], within_s: float) -> Iterator[None]:
    """Shut the socket when time is up. Never cancel: a cancelled COMMIT wait is a commit without its replica."""

    def shut() -> None:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=socket.dup(driver.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)

    with DEADLINES.watch(within_s, shut):  # not later: the connection may be another transaction's by then
        yield


@contextmanager
def _opened(engine: Engine, within_s: float, *, single: bool = False) -> Iterator[Connection]:
    """Open a transaction that ends by its deadline, its rollback too: a frozen server answers nothing at all."""
    pool = engine.pool
    connection = engine.connect()
    if single:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        connection.begin()  # so that a COPY on the raw connection is committed too
        with closed_at_deadline(driver_of(connection), within_s):
            try:
                yield connection
            except BaseException as error:
                if is_gone(error):
                    _forget(engine, connection)
                raise
            finally:
                _roll_back(engine, connection)
    finally:
        _give_back(engine, connection, pool)


def _roll_back(engine: Engine, connection: Connection) -> None:
    if connection.invalidated or not connection.in_transaction():
        return
    try:
        connection.rollback()
    except SQLAlchemyError:
        _forget(engine, connection)  # the end of the work stands; only the connection is of no more use


def _forget(engine: Engine, connection: Connection) -> None:
    connection.invalidate()
    with _POOLS:
        engine.dispose()  # its siblings talk to the same lost primary


def _give_back(engine: Engine, connection: Connection, pool: Pool) -> None:
    """Return the connection; or close it, where another thread has given up the pool that it came from meanwhile."""
    with _POOLS:
        if engine.pool is not pool:
            connection.invalidate()
        connection.close()


def _commit(engine: Engine, connection: Connection) -> Unknown | None:
    driver, warnings = driver_of(connection), list[Diagnostic]()
    driver.add_notice_handler(warnings.append)
    try:
        connection.commit()
    except SQLAlchemyError as error:
        if is_gone(error) or driver.closed:  # closed: a server that panicked says why first, with any SQLSTATE
            _forget(engine, connection)
            return Unknown()
        raise  # rolled back: a collision, which the caller runs again, or a deferred constraint, a fault of ours
    finally:
        with suppress(ValueError):
            driver.remove_notice_handler(warnings.append)
    # A cancelled wait for the standby is a *successful* COMMIT and a mere warning: durable here, perhaps
    # nowhere else. That is not the promise we make.
    return Unknown() if warnings else None


def _attempt(engine: Engine, work: Callable[[Connection], T], within_s: float) -> T | Unknown:
    with _opened(engine, within_s) as connection:
        result = work(connection)
        unknown = _commit(engine, connection)
    PRIMARY_REACHABLE.set(1)
    COMMITS.labels("unknown" if unknown else "result").inc()
    return unknown or result


def _collisions_retried(attempt_once: Callable[[], T]) -> T:
    for attempt in Retrying(
        retry=retry_if_exception(is_retryable),
        stop=stop_after_attempt(ATTEMPTS_MAX),
        wait=wait_random_exponential(multiplier=0.01, max=0.2),
        reraise=True,
    ):
        with attempt:
            return attempt_once()
    raise AssertionError("tenacity returns or raises")


def _patiently(attempt_once: Callable[[], T], patience_s: float) -> T:
    try:
        for attempt in Retrying(
            retry=retry_if_exception(is_gone),
            stop=stop_after_delay(patience_s),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            reraise=True,
        ):
            with attempt:
                return attempt_once()
    except Exception as error:
        if is_gone(error):
            raise NoPrimaryError(f"no primary within {patience_s:g} s: {error}") from error
        raise
    raise AssertionError("tenacity returns or raises")


def write(
    engine: Engine, work: Callable[[Connection], T], *, within_s: float = 10.0, patience_s: float = 10.0
) -> T | Unknown:
    """Run ``work`` in one transaction on the current primary.

    ``within_s`` bounds one attempt, commit included: then the socket is shut, and the end is Unknown or the
    work is tried anew if COMMIT had not been sent. ``patience_s`` bounds how long a primary is looked for.
    Raises what ``work`` raises, or NoPrimaryError.
    """
    try:
        return _patiently(lambda: _collisions_retried(lambda: _attempt(engine, work, within_s)), patience_s)
    except NoPrimaryError:
        PRIMARY_REACHABLE.set(0)
        raise


def read(
    engine: Engine,
    work: Callable[[Connection], T],
    *,
    within_s: float = 10.0,
    patience_s: float = 10.0,
    single: bool = False,
) -> T:
    """Run ``work`` on the primary and roll back: reads that decide anything go to the primary.

    A ``single`` read is one statement, or several that need not see the same moment: it spares two round trips.
    """

    def attempt_once() -> T:
        with _opened(engine, within_s, single=single) as connection:
            return work(connection)

    return _patiently(lambda: _collisions_retried(attempt_once), patience_s)
