"""The history of a drill: what was asked and answered, on disk outside the cluster before the next request leaves."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO

Type = Literal["invoke", "ok", "fail", "info"]
"""As in Jepsen: asked; done; refused, so certainly not done; no definite answer, so perhaps done."""

CLIENTS_ONLY = ("nemesis", "watcher", "observer", "drill")
"""Processes that are not clients: faults, the watched state of the cluster, final reads, facts of the run itself."""


class HistoryDamagedError(Exception):
    """A history that cannot be trusted: a line that is not the last one cannot be read."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line. ``time`` is monotonic nanoseconds of the writing machine, ``wall`` seconds since 1970."""

    process: str
    type: Type
    f: str
    value: Any
    time: int
    wall: float
    key: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_client(self) -> bool:
        """Whether a client of the workload did this."""
        return self.process not in CLIENTS_ONLY


class History:
    """Appends events to a JSON lines file; safe from any thread. One fsync serves all clients that wait for it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: TextIO = path.open("x", encoding="utf-8")
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._written = 0
        self._durable = 0
        self._waiting: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._closing = False
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._write_until_closed, name="history", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def note(
        self,
        process: str,
        kind: Type,
        f: str,
        value: Any = None,
        *,
        key: str | None = None,
        **extra: Any,
    ) -> int:
        """Append one event and return its number; it is durable once a later ``synced`` returned."""
        line = {"process": process, "type": kind, "f": f, "value": value}
        if key is not None:
            line["key"] = key
        line |= extra
        with self._changed:
            if self._failure is not None or self._closing:
                raise OSError(f"the history {self.path} can no longer be written") from self._failure
            line["time"] = time.monotonic_ns()
            line["wall"] = round(time.time(), 6)
            line["index"] = self._written
            self._lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            self._written += 1
            self._changed.notify()
            return self._written

    async def synced(self, number: int) -> None:
        """Return once the event of that number is on disk."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._changed:
            if self._failure is not None:
                raise OSError(f"the history {self.path} can no longer be written") from self._failure
            if self._durable >= number:
                return
            self._waiting.append((number, loop, future))
        await future

    async def invoke(self, process: str, f: str, value: Any, *, key: str | None = None) -> None:
        """Note that a request is about to be sent; only after this returns may it be."""
        await self.synced(self.note(process, "invoke", f, value, key=key))

    def close(self) -> None:
        """Write and sync what is left."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._file.close()

    def _write_until_closed(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closing:
                    self._changed.wait()
                if not self._lines:
                    return
                lines, self._lines = self._lines, []
            try:
                self._file.write("".join(lines))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:  # a full disk: nobody may go on as if the history were kept
                self._fail(error)
                return
            self._release(len(lines))

    def _release(self, count: int) -> None:
        with self._changed:
            self._durable += count
            ready = [entry for entry in self._waiting if entry[0] <= self._durable]
            self._waiting = [entry for entry in self._waiting if entry[0] > self._durable]
        for _, loop, future in ready:
            loop.call_soon_threadsafe(_resolve, future, None)

    def _fail(self, error: OSError) -> None:
        with self._changed:
            self._failure = error
            waiting, self._waiting = self._waiting, []
        for _, loop, future in waiting:
            loop.call_soon_threadsafe(_resolve, future, error)


def _resolve(future: asyncio.Future[None], error: OSError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def read(path: Path) -> list[Event]:
    """Read a history back; a last line cut short by the writer's death is left out."""
    return list(_events(path.read_bytes().split(b"\n"), path))


def _events(lines: list[bytes], path: Path) -> Iterator[Event]:
    last = len(lines) - 1  # what follows the last line end: empty, unless the writer was killed in mid-line
    for number, line in enumerate(lines):
        try:
            yield _event(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == last:
                return
            raise HistoryDamagedError(f"{path}: line {number + 1} cannot be read: {error}") from error


def _event(line: dict[str, Any]) -> Event:
    known = {"process", "type", "f", "value", "time", "wall", "key", "index"}
    return Event(
        process=line["process"],
        type=line["type"],
        f=line["f"],
        value=line["value"],
        time=line["time"],
        wall=line["wall"],
        key=line.get("key"),
        extra={name: content for name, content in line.items() if name not in known},
    )
