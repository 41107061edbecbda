"""One gateway of the exchange: accepts the registry's session and streams the day to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from chaos.simulators.exchange.floor import Floor
from chaos.simulators.exchange.market import APPL_ID, TradingDay
from core.exchange.session import Session, State, flush, serve
from core.exchange.wire import (
    ACCEPTED,
    ALIVE,
    LAST_MESSAGE_SENT,
    NO_SUCH_STREAM,
    RANGE,
    ApplicationAnswer,
    ApplicationReport,
    ApplicationRequest,
    Message,
    TradeCaptureReport,
    TradeRefused,
)

CHUNK = 200
"""Trades between two looks at the peer's appetite."""
TICK_S = 0.01
ALIVE_EVERY_S = 1.0


class Gateway:
    """Serves one session at a time; whoever knocks while it is taken is sent away."""

    def __init__(self, name: str, floor: Floor, *, ours: str, theirs: str, heartbeat_s: float) -> None:
        self.name = name
        self._floor = floor
        self._ours, self._theirs, self._heartbeat_s = ours, theirs, heartbeat_s
        self._session: Session | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._stream: TradingDay | None = None
        self._subscribed = ""
        self._cursor = 1
        self._ended = False

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection until it ends."""
        if self._session is not None:
            writer.close()
            return
        session = Session(
            ours=self._ours, theirs=self._theirs, initiator=False, now=time.monotonic(), heartbeat_s=self._heartbeat_s
        )
        self._session, self._writer, self._subscribed = session, writer, ""
        streaming = asyncio.create_task(self._stream_day(session))
        try:
            await serve(session, reader, writer, self._on_messages)
        finally:
            streaming.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await streaming
            self._session = self._writer = None
            self._subscribed = ""
            self._floor.sessions[self.name] = self._floor.subscribed[self.name] = False

    async def leave(self) -> None:
        """Log out, because the exchange ends."""
        if self._session is not None and self._writer is not None:
            self._session.logout("exchange ends", time.monotonic())
            flush(self._session, self._writer)

    async def _on_messages(self, messages: list[Message]) -> None:
        for message in messages:
            if isinstance(message, ApplicationRequest):
                await self._answer(message)
            elif isinstance(message, ApplicationReport) and message.kind == ALIVE:
                day = self._day(message.day)
                if day is not None:
                    day.acknowledged = max(day.acknowledged, message.last)
            elif isinstance(message, TradeRefused):
                self._floor.refuse(message.day, message.appl_seq, message.text)

    def _day(self, compact: str) -> TradingDay | None:
        day = self._floor.day
        return day if day is not None and day.day.replace("-", "") == compact else None

    def _is_known(self, request: ApplicationRequest) -> bool:
        opening = self._floor.opening
        announced = opening is not None and opening.day.replace("-", "") == request.day
        return request.appl_id == APPL_ID and request.begin >= 1 and (announced or self._day(request.day) is not None)

    async def _answer(self, request: ApplicationRequest) -> None:
        """Answer a request for a stream or a range; a stream may be asked for before its first trade."""
        known = self._is_known(request)
        day = self._day(request.day)
        self._send(
            ApplicationAnswer(
                request.request_id, request.kind, ACCEPTED if known else NO_SUCH_STREAM, request.day, request.appl_id,
                request.begin, request.end, day.sent if day is not None else 0,
            )
        )  # fmt: skip
        if known and request.kind == RANGE and day is not None:
            end = min(request.end or day.sent, day.due(time.monotonic()))
            await self._send_trades([replace(t, resent=True) for t in day.trades[request.begin - 1 : end]])
        elif known and request.kind != RANGE:
            self._subscribed, self._cursor, self._ended = request.day, request.begin, False
            self._floor.subscribed[self.name] = True

    async def _stream_day(self, session: Session) -> None:
        alive_at = 0.0
        while session.state is not State.DOWN:
            self._floor.sessions[self.name] = session.state is State.UP
            day = self._day(self._subscribed) if self._subscribed else None
            now = time.monotonic()
            if day is None or session.state is not State.UP or not await self._send_due(day, now):
                await asyncio.sleep(TICK_S)
            if day is not None and self._subscribed and now - alive_at > ALIVE_EVERY_S:
                alive_at = now
                self._send(ApplicationReport(ALIVE, self._subscribed, APPL_ID, self._cursor - 1))

    async def _send_due(self, day: TradingDay, now: float) -> bool:
        """Send the next trades that are due; False when there is nothing to do now."""
        chunk = day.trades[self._cursor - 1 : min(day.due(now), self._cursor - 1 + CHUNK)]
        if chunk:
            begin = self._cursor
            await self._send_trades(chunk)
            if self._cursor == begin:  # else the registry asked anew meanwhile
                self._cursor += len(chunk)
            self._floor.note_sent(day, chunk[-1].appl_seq)
            return True
        if day.closed and not self._ended and self._cursor > len(day.trades):
            self._ended = day.marker_sent = True
            last = len(day.trades)
            self._send(ApplicationReport(LAST_MESSAGE_SENT, self._subscribed, APPL_ID, last, day.totals))
        return False

    async def _send_trades(self, trades: Sequence[TradeCaptureReport]) -> None:
        session, writer = self._session, self._writer
        if session is None or writer is None:
            return
        now = time.monotonic()
        for trade in trades:
            mischief = self._floor.mischief.pop((self.name, trade.appl_seq), None) if self._floor.mischief else None
            if mischief is None:
                session.send(trade, now)
            else:
                self._misbehave(session, writer, trade, mischief)
        flush(session, writer)
        await writer.drain()

    def _misbehave(self, session: Session, writer: asyncio.StreamWriter, trade: TradeCaptureReport, how: str) -> None:
        now = time.monotonic()
        if how == "duplicate":
            session.send(trade, now)
            session.send(trade, now)
        elif how == "other_body":
            session.send(replace(trade, quantity=trade.quantity + "0", amount_fen=trade.amount_fen + "0"), now)
        elif how == "garble":
            flush(session, writer)
            session.send(trade, now)
            writer.write(session.take().replace(b"\x0148=", b"\x0149=", 1))

    def _send(self, message: Message) -> None:
        if self._session is not None and self._writer is not None:
            self._session.send(message, time.monotonic())
            flush(self._session, self._writer)
