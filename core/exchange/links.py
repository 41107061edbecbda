"""The lines as the booking process sees them: a child process each, events in, commands out, nothing that blocks."""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core.exchange.rules import Totals

HEAD = struct.Struct("!cI")
TRADES, EVENT = b"T", b"E"
GENERATION = struct.Struct("!I")
RESPAWN_AFTER_S = 1.0
COMMAND_WITHIN_S = 1.0
"""A child that takes no command for this long is stalled; a new one is cheaper than waiting."""


@dataclass(frozen=True, slots=True)
class LineConfig:
    """What a line process must know."""

    name: str
    fix: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Up:
    """The session is logged on."""


@dataclass(frozen=True, slots=True)
class Down:
    """The session ended, or could not begin."""

    reason: str
    was_up: bool


@dataclass(frozen=True, slots=True)
class Served:
    """The exchange accepted the subscription of this generation, or not."""

    generation: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Trades:
    """Numbered bodies of the subscription of this generation, in the order they came."""

    generation: int
    items: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Alive:
    """The last number the exchange says it has sent on this line."""

    generation: int
    last: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The exchange's end marker."""

    generation: int
    day: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Health:
    """How well the line reads: garbled runs of this session, and how old messages are when read."""

    garbled: int
    read_lag_s: float


Event = Up | Down | Served | Trades | Alive | Ended | Health


def pack(kind: bytes, payload: bytes) -> bytes:
    """Put the pipe's head before a payload."""
    return HEAD.pack(kind, len(payload)) + payload


def read_event(kind: bytes, payload: bytes) -> Event:
    """Read what a line process wrote."""
    if kind == TRADES:
        (generation,) = GENERATION.unpack_from(payload)
        items = []
        for item in payload[GENERATION.size :].decode().split("\n"):
            seq, _, body = item.partition(" ")
            items.append((int(seq), body))
        return Trades(generation, items)
    value: dict[str, Any] = json.loads(payload)
    name = value.pop("event")
    if name == "Ended":
        return Ended(value["generation"], value["day"], Totals.of_json(value["totals"]))
    event: Event = _EVENTS[name](**value)
    return event


_EVENTS: dict[str, Any] = {"Up": Up, "Down": Down, "Served": Served, "Alive": Alive, "Health": Health}


@dataclass(slots=True)
class Line:
    """One line: its child process and the pipe to it. A child dies when its pipe ends, so it never outlives us."""

    config: LineConfig
    is_up: bool = False
    generation: int = 0
    garbled: int = 0
    _child: subprocess.Popen[bytes] | None = None
    _pipe: socket.socket | None = None
    _buffer: bytearray = field(default_factory=bytearray)
    _wanted: bool = False
    _respawn_at: float = 0.0

    @property
    def name(self) -> str:
        """The line's name."""
        return self.config.name

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Start the child, without a connection to the exchange yet."""
        ours, childs = socket.socketpair()
        config = self.config
        arguments = [str(childs.fileno()), config.name, config.fix, config.ours, config.theirs]
        command = [sys.executable, "-m", "core.exchange.line_process", *arguments]
        with childs:
            self._child = subprocess.Popen(command, pass_fds=[childs.fileno()], stdin=subprocess.DEVNULL)
        ours.settimeout(COMMAND_WITHIN_S)
        self._pipe = ours
        self._buffer.clear()
        if self._wanted:
            self.command(do="connect")

    def connect(self) -> None:
        """Have the line dial, and redial whenever it falls."""
        self._wanted = True
        self.command(do="connect")

    def renew(self) -> None:
        """Have the line stay as it is; one that hears nothing for long leaves the session to others."""
        if self._wanted:
            self.command(do="connect")

    def disconnect(self) -> None:
        """Have the line log out and stay away."""
        if self._wanted:
            self._wanted = self.is_up = False
            self.command(do="disconnect")

    def subscribe(self, *, day: str, appl_id: str, begin: int) -> None:
        """Ask for the stream from a number on; what still comes of the subscription before is not passed on."""
        self.generation += 1
        self.command(do="subscribe", generation=self.generation, day=day, appl_id=appl_id, begin=begin)

    def command(self, **values: object) -> None:
        """Tell the child something."""
        if self._pipe is None:
            return
        try:
            self._pipe.sendall(json.dumps(values).encode() + b"\n")
        except OSError:
            self._end()

    def read(self) -> list[Event]:
        """Take what the child has written; call it when the pipe is readable."""
        if self._pipe is None:
            return []
        try:
            data = self._pipe.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            return self._end()
        self._buffer += data
        return [read_event(kind, payload) for kind, payload in self._frames()]

    def _frames(self) -> list[tuple[bytes, bytes]]:
        frames, at, buffer = [], 0, self._buffer
        while len(buffer) - at >= HEAD.size:
            kind, length = HEAD.unpack_from(buffer, at)
            end = at + HEAD.size + length
            if len(buffer) < end:
                break
            frames.append((kind, bytes(buffer[at + HEAD.size : end])))
            at = end
        del buffer[:at]
        return frames

    def revive(self, now: float) -> None:
        """Start a child again that ended by itself."""
        if self._pipe is None and now >= self._respawn_at:
            self.start()

    def stop(self) -> None:
        """End the child."""
        self._end()

    def _end(self) -> list[Event]:
        was_up, self.is_up = self.is_up, False
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._child is not None:
            with suppress(OSError):
                self._child.kill()
            self._child.wait()
            self._child = None
        self._respawn_at = time.monotonic() + RESPAWN_AFTER_S
        return [Down("the line's process ended", was_up)]

    def fileno(self) -> int:
        """Return the pipe's descriptor, -1 when there is none."""
        return self._pipe.fileno() if self._pipe is not None else -1


def poll(lines: list[Line], timeout_s: float) -> list[tuple[Line, Event]]:
    """Wait until a line has something to say, at most this long."""
    now = time.monotonic()
    for line in lines:
        line.revive(now)
    readable, _, _ = select.select([line for line in lines if line.fileno() >= 0], [], [], timeout_s)
    return [(line, event) for line in readable for event in line.read()]
