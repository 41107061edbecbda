"""The process's one queue of writes: requests gather, one thread commits them in groups, or holds them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from core.api.group import Inquiry, Write, decide_entered
from core.api.problems import answer_of
from core.api.store import enter
from core.db.errors import is_retryable
from core.db.transaction import NoPrimaryError, Unknown, write
from core.refusals import Answer, Reason, Refused, RefusedError
from core.telemetry import WRITE_GROUP_SIZE, WRITE_QUEUE_DEPTH, WRITES_HELD, log

GROUP_MAX = 200
"""A larger group gains little more, and all of it waits for its slowest member."""
DEPTH_MAX = 10_000
"""45 s of hold at over 200 writes a second; beyond that waiting is worse than being told."""
WITHIN_S = 10.0
"""One attempt, commit included. Longer than a lock wait, much shorter than the hold window."""
ALONE_WITHIN_S = 30.0
"""The same for what gets a transaction of its own: a plan of 60,000 lines takes most of 10 s on a busy machine."""
LOOK_S = 1.0
"""How long one look for a primary lasts; then the group takes in what has come since."""


@dataclass(slots=True, eq=False)
class _Waiting:
    asked: Write | Inquiry
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Answer]
    over: bool = False
    """Its caller was told to come again: whoever has not begun it need not."""
    held: bool = field(default=False)


class WriteQueue:
    """Takes requests from any event loop; a thread of its own writes them.

    A request that waits costs no thread and no connection. A caller that leaves does not take its request along.
    """

    def __init__(self, engine: Engine, *, hold_window_s: float, depth_max: int = DEPTH_MAX) -> None:
        self._engine = engine
        self._hold_window_s = hold_window_s
        self._depth_max = depth_max
        self._items: deque[_Waiting] = deque()
        self._unanswered: set[_Waiting] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        WRITE_QUEUE_DEPTH.set_function(lambda: len(self._items))

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def stop(self) -> None:
        """Let the writer end after the group it is in."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout=LOOK_S)

    async def put(self, asked: Write | Inquiry, *, wait_s: float | None = None) -> Answer:
        """Return the request's own answer; RefusedError when none could be had within its time."""
        item = _Waiting(asked, loop := asyncio.get_running_loop(), loop.create_future())
        within_s = self._hold_window_s if wait_s is None else min(wait_s, self._hold_window_s)
        self._append(item)
        try:
            async with asyncio.timeout(within_s):
                return await item.answer
        except TimeoutError:
            item.over = True
            raise RefusedError(Refused(Reason.NO_PRIMARY)) from None
        finally:
            self._unanswered.discard(item)

    async def drain(self, within_s: float) -> None:
        """Wait until everything is answered; what is not by then, is told to come again."""
        until = asyncio.get_running_loop().time() + within_s
        while self._unanswered and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)
        for item in list(self._unanswered):
            item.over = True
            if not item.answer.done():
                item.answer.set_exception(RefusedError(Refused(Reason.NO_PRIMARY)))

    def _append(self, item: _Waiting) -> None:
        with self._changed:
            if len(self._items) >= self._depth_max:
                raise RefusedError(Refused(Reason.TOO_BUSY))
            self._items.append(item)
            self._unanswered.add(item)
            self._changed.notify()

    def _run(self) -> None:
        while group := self._gather():
            try:
                again = self._serve(group, joining=True)
            except Exception:  # noqa: BLE001  # the only writer outlives its own mistakes
                log.exception("writer_failed")
                self._deliver(group, [answer_of(Refused(Reason.FAULT))] * len(group))
            else:
                self._put_back(again)

    def _gather(self) -> list[_Waiting]:
        """Take what has come, up to a full group; empty only when the queue is stopped."""
        with self._changed:
            while not self._stopping:
                while self._items and self._items[0].over:
                    self._items.popleft()
                if self._items and self._items[0].asked.alone:
                    return [self._items.popleft()]
                if self._items:
                    return self._taken(GROUP_MAX)
                self._changed.wait()
        return []

    def _more(self, room: int) -> list[_Waiting]:
        with self._changed:
            return self._taken(room)

    def _taken(self, room: int) -> list[_Waiting]:
        """Take from the front what may be written together."""
        taken: list[_Waiting] = []
        while self._items and len(taken) < room and not self._items[0].asked.alone:
            item = self._items.popleft()
            if not item.over:
                taken.append(item)
        return taken

    def _serve(self, group: list[_Waiting], *, joining: bool = False) -> list[_Waiting]:
        """Write one group, ``joining`` those who come late; return what must be tried again, in order."""
        begun: list[_Waiting] = []

        def work(connection: Connection) -> list[Answer]:
            enter(connection)
            if joining and not group[0].asked.alone:
                group.extend(self._more(GROUP_MAX - len(group)))  # what came while another process wrote its group
            begun[:] = [item for item in group if not item.over]
            return decide_entered(connection, [item.asked for item in begun])

        within_s = ALONE_WITHIN_S if group[0].asked.alone else WITHIN_S
        try:
            end = write(self._engine, work, within_s=within_s, patience_s=LOOK_S)
        except NoPrimaryError:
            return group
        except Exception as fault:  # noqa: BLE001  # what one request's code raises must not reach its neighbours
            return self._part(group, fault)
        if isinstance(end, Unknown):
            return group  # their keys will tell, on whichever primary is there next
        WRITE_GROUP_SIZE.observe(len(begun))
        self._deliver(begun, end)
        return []

    def _part(self, group: list[_Waiting], fault: Exception) -> list[_Waiting]:
        """Halve a group that failed until the request that fails is alone; the others do not notice."""
        if is_retryable(fault):
            return group
        if len(group) == 1:
            log.error("write_failed", request=group[0].asked.key, exc_info=fault)
            self._deliver(group, [answer_of(Refused(Reason.FAULT))])
            return []
        middle = len(group) // 2
        again = self._serve(group[:middle])
        return [*again, *group[middle:]] if again else self._serve(group[middle:])

    def _put_back(self, items: list[_Waiting]) -> None:
        if not items:
            return
        WRITES_HELD.inc(sum(not item.held for item in items))
        for item in items:
            item.held = True
        with self._changed:
            self._items.extendleft(reversed(items))

    @staticmethod
    def _deliver(group: Sequence[_Waiting], answers: Sequence[Answer]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Answer]]] = {}
        for item, answer in zip(group, answers, strict=True):
            by_loop.setdefault(item.loop, []).append((item, answer))
        for loop, pairs in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_hand_over, pairs)


def _hand_over(pairs: Sequence[tuple[_Waiting, Answer]]) -> None:
    for item, answer in pairs:
        if not item.answer.done():
            item.answer.set_result(answer)
