"""One FIXT.1.1 session in the LFIXT profile, either role: what arrives and what the clock says becomes what is sent.

``Session`` reads and writes nothing, so every rule is testable without a socket; ``serve`` runs one on a stream.
Rules: both numbers start at 1 at every logon (141=Y, 789=1); a number out of order ends the session, because recovery
lives in the application sequence; a classic peer's resend request is answered with one gap fill.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum

from core.exchange.wire import (
    Framer,
    Header,
    Heartbeat,
    Logon,
    Logout,
    Message,
    Reject,
    ResendRequest,
    SequenceReset,
    TestRequest,
    WireError,
    decode,
    encode,
    fix_time,
    ms_of_fix_time,
    split,
)

HEARTBEAT_S = 5.0
LOGON_WITHIN_S = 10.0
LOGOUT_WITHIN_S = 2.0
SILENCE_TO_TEST = 1.2
"""Heartbeat intervals of silence before a test request: the interval and an allowance."""
SILENCE_TO_DROP = 2.4
"""Heartbeat intervals of silence before the peer counts as dead: the test request had its own interval."""
GARBLED_MAX = 20
"""Garbled runs in one session before it is dropped: a line this noisy is better redialled."""
UNSENT_MAX = 8 * 1024 * 1024
"""Bytes a peer may leave unread before it is dropped."""

COMP_ID_PROBLEM, REQUIRED_TAG_MISSING = 9, 1


class State(Enum):
    """Where a session is in its life."""

    WAITING = "waiting for logon"
    UP = "up"
    LEAVING = "logout sent"
    DOWN = "down"


class Session:
    """One side of one connection; ``take`` after every call and send what it returns."""

    def __init__(
        self, *, ours: str, theirs: str, initiator: bool, now: float, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self.state = State.WAITING
        self.reason = ""
        self.heartbeat_s = heartbeat_s
        self.read_lag_s = 0.0
        self.logged_on = asyncio.Event()
        self.paused = False  # while nobody reads, silence is ours and proves nothing about the peer
        self._last_sent_at = ""
        self._ours, self._theirs, self._initiator = ours, theirs, initiator
        self._framer = Framer()
        self._output: list[bytes] = []
        self._seq_out, self._seq_in = 1, 1
        self._began = self._sent_at = self._heard_at = now
        self._tested = False
        if initiator:
            self.send(Logon(max(1, round(heartbeat_s))), now)

    @property
    def garbled(self) -> int:
        """How many runs of bytes were no message."""
        return self._framer.garbled

    @property
    def was_up(self) -> bool:
        """Tell whether the logon ever succeeded."""
        return self.logged_on.is_set()

    def take(self) -> bytes:
        """Return what must be written to the peer now."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def send(self, message: Message, now: float) -> None:
        """Give the message the next number; sent in a state that has no peer, it is dropped."""
        if self.state is State.DOWN:
            return
        self._write(message, self._seq_out)
        self._seq_out += 1
        self._sent_at = now

    def logout(self, text: str, now: float) -> None:
        """Say goodbye and wait a moment for the answer."""
        if self.state in {State.WAITING, State.UP}:
            self.send(Logout(text), now)
            self.state, self.reason, self._began = State.LEAVING, text, now

    def drop(self, reason: str) -> None:
        """End the session without a word."""
        if self.state is not State.DOWN:
            self.state, self.reason = State.DOWN, self.reason or reason

    def resume(self, now: float) -> None:
        """Note that reading goes on after a pause."""
        self.paused, self._heard_at = False, now

    def tick(self, now: float) -> None:
        """Let time pass: heartbeats, test requests, and the end of a peer that is dead."""
        if self.state is State.WAITING and now - self._began > LOGON_WITHIN_S:
            self.drop("no logon in time")
        if self.state is State.LEAVING and now - self._began > LOGOUT_WITHIN_S:
            self.drop("logout not answered")
        if self.state is not State.UP:
            return
        silent_s = 0.0 if self.paused else now - self._heard_at
        if silent_s > SILENCE_TO_DROP * self.heartbeat_s:
            self.drop(f"peer silent for {silent_s:.1f} s")
        elif silent_s > SILENCE_TO_TEST * self.heartbeat_s and not self._tested:
            self._tested = True
            self.send(TestRequest(f"T{self._seq_out}"), now)
        elif now - self._sent_at >= self.heartbeat_s:
            self.send(Heartbeat(), now)

    def receive(self, data: bytes, now: float) -> list[Message]:
        """Take bytes and return the application messages in them; session messages are answered here."""
        messages: list[Message] = []
        for body in self._framer.feed(data):
            if self.state is State.DOWN:
                break
            self._heard_at, self._tested = now, False
            try:
                self._receive_one(body, now, messages)
            except WireError as error:
                self.send(Reject(self._seq_in - 1, error.code, str(error), error.tag), now)
        if self._framer.garbled > GARBLED_MAX:
            self.drop("too many garbled messages")
        sent_ms = ms_of_fix_time(self._last_sent_at) if messages else None
        if sent_ms is not None:  # once a read is enough: a sample, not a log
            self.read_lag_s = time.time() - sent_ms / 1000
        return messages

    def _receive_one(self, body: bytes, now: float, messages: list[Message]) -> None:
        header, fields, group = split(body)
        if not self._is_in_order(header, now):
            return
        self._last_sent_at = header.sent_at
        message = decode(header.msg_type, fields, group)
        if self.state is State.WAITING:
            self._logon(message, now)
        elif isinstance(message, Logon):
            self.logout("second logon", now)
        elif not self._is_session_message(header, message, now):
            messages.append(message)

    def _is_in_order(self, header: Header, now: float) -> bool:
        """Check names and number of a message, and take its number; anything odd ends the session."""
        if header.seq is None:
            self.logout("MsgSeqNum is missing", now)
        elif header.sender != self._theirs or header.target != self._ours:
            self.send(Reject(header.seq, COMP_ID_PROBLEM, "CompID problem", ref_type=header.msg_type), now)
            self.logout("CompID problem", now)
        elif self.state is State.WAITING and header.msg_type not in {"A", "5"}:
            self.drop("first message is no logon")
        elif header.seq == self._seq_in:
            self._seq_in += 1
            return True
        elif header.seq < self._seq_in and header.poss_dup:
            pass  # seen before, and it says so
        else:
            self.logout(f"MsgSeqNum {header.seq} where {self._seq_in} was expected", now)
        return False

    def _logon(self, message: Message, now: float) -> None:
        if not isinstance(message, Logon):
            self.drop(f"logged out: {message.text}" if isinstance(message, Logout) else "first message is no logon")
            return
        if not message.reset or message.next_expected != 1 or message.heartbeat_s < 1:
            self.logout("logon needs 141=Y, 789=1 and a heartbeat of a second or more", now)
            return
        if not self._initiator:
            self.heartbeat_s = min(self.heartbeat_s, float(message.heartbeat_s))
            self.send(Logon(message.heartbeat_s), now)
        self.state = State.UP
        self.logged_on.set()

    def _is_session_message(self, header: Header, message: Message, now: float) -> bool:
        """Answer what belongs to the session; False when the message is the application's."""
        if isinstance(message, TestRequest):
            self.send(Heartbeat(message.test_id), now)
        elif isinstance(message, ResendRequest):
            self._fill_gap(message, now)
        elif isinstance(message, SequenceReset):
            self._move_expected(header, message, now)
        elif isinstance(message, Logout):
            if self.state is State.UP:
                self.send(Logout(), now)
            self.drop(f"logged out: {message.text}" if message.text else "logged out")
        elif not isinstance(message, Heartbeat | Reject):
            return False
        return True

    def _fill_gap(self, request: ResendRequest, now: float) -> None:
        """Answer a resend request: whatever we sent can be asked for again by application number."""
        if not 1 <= request.begin < self._seq_out:
            self.send(Reject(self._seq_in - 1, 5, "BeginSeqNo was never sent", 7, "2"), now)
            return
        self._write(SequenceReset(self._seq_out), request.begin, poss_dup=True)
        self._sent_at = now

    def _move_expected(self, header: Header, reset: SequenceReset, now: float) -> None:
        if reset.new_seq <= (header.seq or 0):
            self.send(Reject(header.seq or 0, 5, "NewSeqNo does not move on", 36, "4"), now)
        else:
            self._seq_in = reset.new_seq

    def _write(self, message: Message, seq: int, *, poss_dup: bool = False) -> None:
        sent_at = fix_time(time.time_ns() // 1_000_000)
        data = encode(message, seq=seq, sender=self._ours, target=self._theirs, sent_at=sent_at, poss_dup=poss_dup)
        self._output.append(data)


async def serve(
    session: Session,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    on_messages: Callable[[list[Message]], Awaitable[None]],
) -> str:
    """Run the session until it ends, and return why. ``on_messages`` may wait; heartbeats go on meanwhile."""
    reading = asyncio.create_task(_read(session, reader, writer, on_messages))
    try:
        while session.state is not State.DOWN and not reading.done():
            session.tick(time.monotonic())
            flush(session, writer)
            await asyncio.wait({reading}, timeout=min(0.25, session.heartbeat_s / 10))
        if reading.done() and not reading.cancelled() and (error := reading.exception()) is not None:
            if not isinstance(error, OSError):
                raise error
            session.drop(f"connection lost: {error}")
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reading
        session.drop("closed by peer")
        with suppress(OSError):
            flush(session, writer)
            writer.close()
    return session.reason


def flush(session: Session, writer: asyncio.StreamWriter) -> None:
    """Write what the session wants to say; a peer that does not read is dropped."""
    output = session.take()
    if output and not writer.is_closing():
        writer.write(output)
        if writer.transport.get_write_buffer_size() > UNSENT_MAX:
            session.drop("peer does not read")


async def _read(
    session: Session,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    on_messages: Callable[[list[Message]], Awaitable[None]],
) -> None:
    while session.state is not State.DOWN:
        data = await reader.read(1 << 18)
        if not data:
            return
        messages = session.receive(data, time.monotonic())
        flush(session, writer)
        if messages:
            session.paused = True
            await on_messages(messages)
            session.resume(time.monotonic())
