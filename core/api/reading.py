"""Answers reads on the primary with a few threads; a read that waits for a primary waits without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.db.transaction import NoPrimaryError, read
from core.refusals import Reason, Refused, RefusedError

T = TypeVar("T")

THREADS = 4
"""As many as the engine has connections."""
WITHIN_S = 5.0
"""One attempt; a read that takes longer is none of ours."""
LOOK_EVERY_S = 0.1

PING = text("SELECT 1")


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

    async def run(self, work: Callable[[Connection], T], *, wait_s: float | None = None) -> T:
        """Return what ``work`` returns; RefusedError when no primary answers within the hold window."""
        within_s = self._hold_window_s if wait_s is None else min(wait_s, self._hold_window_s)
        self._running += 1
        try:
            async with asyncio.timeout(within_s):
                while not self._stopped:
                    await self._there.wait()
                    try:
                        return await self._once(work)
                    except (NoPrimaryError, PoolTimeoutError):
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

    async def _once(self, work: Callable[[Connection], T]) -> T:
        call = partial(read, self._engine, work, within_s=WITHIN_S, patience_s=0)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

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
