"""Answers reads on the primary with a few threads; a read that waits for a primary waits without one."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.db.errors import is_overrun
from core.db.transaction import NoPrimaryError, read
from core.refusals import Reason, Refused, RefusedError

T = TypeVar("T")

THREADS = 4
"""As many as the engine has connections."""
STATEMENT_S = 4.0
"""Then the server ends the statement, so that an abandoned scan ends too."""
TIMEOUTS = {"statement_timeout": f"{round(STATEMENT_S * 1000)}ms"}
"""What the engine of the reads needs of the server."""
WITHIN_S = 5.0
"""One attempt: longer than a statement that the server would end, so that silence means a server that froze."""
OVERRUNS_MAX = 2
"""A read that overruns a second time, its primary found anew in between, is too long by itself."""
LOOK_EVERY_S = 0.1

PING = text("SELECT 1")


class _OverrunError(NoPrimaryError):
    """There was a primary, and it did not end the work in time: it froze, or the work is too long."""


class Reader:
    """Runs functions of a connection. While the primary is away one task looks for it, on behalf of all that wait."""

    def __init__(self, engine: Engine, *, hold_window_s: float) -> None:
        self._engine = engine
        self._hold_window_s = hold_window_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reader")
        self._there = asyncio.Event()
        self._there.set()
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False
        self._running = 0

    async def run(self, work: Callable[[Connection], T], *, wait_s: float | None = None, single: bool = False) -> T:
        """Return what ``work`` returns; RefusedError when no primary answers within the hold window.

        A read that is too long is told so at once: repeated, it would only hold a thread again.
        """
        within_s = self._hold_window_s if wait_s is None else min(wait_s, self._hold_window_s)
        self._running += 1
        overruns = 0
        try:
            async with asyncio.timeout(within_s):
                while not self._stopped:
                    await self._there.wait()
                    try:
                        return await self._once(work, single=single)
                    except (NoPrimaryError, PoolTimeoutError) as error:
                        overruns += isinstance(error, _OverrunError)
                        if overruns == OVERRUNS_MAX:
                            raise RefusedError(Refused(Reason.READ_TOO_LONG)) from error
                        self._look()
        except TimeoutError:
            pass
        finally:
            self._running -= 1
        raise RefusedError(Refused(Reason.NO_PRIMARY))

    async def ping(self) -> bool:
        """Tell whether a primary answers now."""
        if self._stopped:
            return False
        try:
            await self._once(lambda connection: connection.execute(PING).scalar_one())
        except (NoPrimaryError, PoolTimeoutError):
            return False
        return True

    async def drain(self, within_s: float) -> None:
        """Wait until every read is answered; those that are not by then are sent away."""
        until = asyncio.get_running_loop().time() + within_s
        while self._running and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)
        self.stop()

    def stop(self) -> None:
        """Send everybody away who still waits."""
        self._stopped = True
        self._there.set()
        self._threads.shutdown(wait=False)

    async def _once(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._attempt, work, single)

    def _attempt(self, work: Callable[[Connection], T], single: bool) -> T:  # noqa: FBT001  # executors take no names
        began = math.inf

        def timed(connection: Connection) -> T:
            nonlocal began
            began = time.monotonic()
            return work(connection)

        try:
            return read(self._engine, timed, within_s=WITHIN_S, patience_s=0, single=single)
        except NoPrimaryError as error:
            if time.monotonic() - began > STATEMENT_S:
                raise _OverrunError(str(error)) from error
            raise
        except SQLAlchemyError as error:
            if is_overrun(error):
                raise RefusedError(Refused(Reason.READ_TOO_LONG)) from error
            raise

    def _look(self) -> None:
        if self._stopped or self._looking is not None:
            return
        self._there.clear()
        self._looking = asyncio.create_task(self._look_until_there())

    async def _look_until_there(self) -> None:
        try:
            while not self._stopped and not await self.ping():
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._looking = None
            self._there.set()
