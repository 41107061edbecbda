"""The process of one line: its socket and its heartbeats, which no booking can starve."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from core.exchange.links import EVENT, GENERATION, TRADES, LineConfig, pack
from core.exchange.session import Session, State, flush, serve
from core.exchange.wire import (
    ACCEPTED,
    ALIVE,
    LAST_MESSAGE_SENT,
    RANGE,
    SUBSCRIBE,
    ApplicationAnswer,
    ApplicationReport,
    ApplicationRequest,
    Message,
    TradeCaptureReport,
    TradeRefused,
)

CONNECT_WITHIN_S = 2.0
REDIAL_FIRST_S, REDIAL_MAX_S = 0.1, 2.0
HEALTH_EVERY_S = 1.0
SILENT_AT_MOST_S = 8.0
"""The booking process speaks four times a second while it is at work. Longer than a failover keeps it busy; a frozen
one must not keep the sessions, which the exchange gives to one at a time."""
PIPE_HIGH_WATER = 4 * 1024 * 1024
"""Bytes of trades the booking process may leave unread before this line stops reading its socket."""


class LineProcess:
    """Dials, passes on what the current subscription brings, and says what the booking process wants said."""

    def __init__(self, config: LineConfig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._config = config
        self._commands, self._events = reader, writer
        self._wanted = asyncio.Event()
        self._session: Session | None = None
        self._to_exchange: asyncio.StreamWriter | None = None
        self._day = self._appl_id = ""
        self._asked = self._live = 0
        self._heard_at = time.monotonic()

    async def run(self) -> None:
        """Work until the booking process is gone."""
        dialling = asyncio.create_task(self._dial())
        health = asyncio.create_task(self._tell_health())
        try:
            while line := await self._commands.readline():
                self._heard_at = time.monotonic()
                self._obey(json.loads(line))
        finally:
            self._leave("registry intake ends")
            await asyncio.sleep(0)  # one turn, so that the goodbye leaves
            dialling.cancel()
            health.cancel()

    async def _dial(self) -> None:
        pause_s = REDIAL_FIRST_S
        while True:
            await self._wanted.wait()
            began = time.monotonic()
            reason, was_up = await self._one_session()
            self._live = self._asked = 0
            self._tell("Down", reason=reason, was_up=was_up)
            pause_s = REDIAL_FIRST_S if was_up and time.monotonic() - began > REDIAL_MAX_S else pause_s * 2
            pause_s = min(pause_s, REDIAL_MAX_S)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # spreads dialling, guards nothing

    async def _one_session(self) -> tuple[str, bool]:
        host, _, port = self._config.fix.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
        except (OSError, TimeoutError) as error:
            return f"cannot connect: {error or 'timeout'}", False
        session = Session(ours=self._config.ours, theirs=self._config.theirs, initiator=True, now=time.monotonic())
        self._session, self._to_exchange = session, writer
        announced = asyncio.create_task(self._announce(session))
        try:
            reason = await serve(session, reader, writer, self._pass_on)
        finally:
            announced.cancel()
            self._session = self._to_exchange = None
        return reason, session.was_up

    async def _announce(self, session: Session) -> None:
        await session.logged_on.wait()
        self._tell("Up")

    async def _tell_health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_EVERY_S)
            if self._wanted.is_set() and time.monotonic() - self._heard_at > SILENT_AT_MOST_S:
                self.disconnect()
            if self._session is not None and self._session.state is State.UP:
                self._tell("Health", garbled=self._session.garbled, read_lag_s=round(self._session.read_lag_s, 4))

    def _leave(self, text: str) -> None:
        if self._session is not None and self._to_exchange is not None:
            self._session.logout(text, time.monotonic())
            flush(self._session, self._to_exchange)

    def _say(self, message: Message) -> None:
        if self._session is not None and self._to_exchange is not None and self._session.state is State.UP:
            self._session.send(message, time.monotonic())
            flush(self._session, self._to_exchange)

    def _tell(self, event: str, **values: object) -> None:
        self._events.write(pack(EVENT, json.dumps({"event": event, **values}).encode()))

    def _obey(self, command: dict[str, Any]) -> None:
        _COMMANDS[command.pop("do")](self, **command)

    def connect(self) -> None:
        """Dial, and redial whenever the session falls; said again and again by a booking process that is well."""
        self._wanted.set()

    def disconnect(self) -> None:
        """Log out and stay away."""
        self._wanted.clear()
        self._leave("registry intake stands by")

    def subscribe(self, generation: int, day: str, appl_id: str, begin: int) -> None:
        """Ask for the stream; until the exchange accepts, nothing of it is passed on."""
        self._day, self._appl_id, self._asked, self._live = day, appl_id, generation, 0
        self._say(ApplicationRequest(str(generation), SUBSCRIBE, day, appl_id, begin))

    def ask_range(self, begin: int, end: int) -> None:
        """Ask for some numbers of the stream again."""
        self._say(ApplicationRequest(f"{self._asked}-{begin}-{end}", RANGE, self._day, self._appl_id, begin, end))

    def acknowledge(self, last: int) -> None:
        """State the last number that is durable."""
        self._say(ApplicationReport(ALIVE, self._day, self._appl_id, last))

    def refuse(self, trades: list[tuple[int, str, int, str]]) -> None:
        """Tell the exchange which trades were refused."""
        for seq, trade_id, reason, text in trades:
            self._say(TradeRefused(self._day, seq, trade_id, reason, text))

    async def _pass_on(self, messages: list[Message]) -> None:
        """Pass on what the live subscription brings; waits, and so stops reading, while the pipe is full."""
        trades: list[str] = []
        for message in messages:
            if isinstance(message, TradeCaptureReport):
                if self._live and message.appl_id == self._appl_id:
                    reference = f"\x01{message.refers_to}" if message.refers_to else ""
                    trades.append(f"{message.appl_seq} {message.row()}{reference}")
                continue
            self._pass_trades(trades)
            self._pass_other(message)
        self._pass_trades(trades)
        await self._events.drain()

    def _pass_trades(self, trades: list[str]) -> None:
        if trades:
            self._events.write(pack(TRADES, GENERATION.pack(self._live) + "\n".join(trades).encode()))
            trades.clear()

    def _pass_other(self, message: Message) -> None:
        if isinstance(message, ApplicationAnswer):
            if message.request_id == str(self._asked):
                self._live = self._asked if message.response == ACCEPTED else 0
                self._tell("Served", generation=self._asked, accepted=message.response == ACCEPTED)
        elif isinstance(message, ApplicationReport) and self._live and message.appl_id == self._appl_id:
            if message.kind == ALIVE:
                self._tell("Alive", generation=self._live, last=message.last)
            elif message.kind == LAST_MESSAGE_SENT and message.totals is not None:
                claimed = message.totals
                totals = {
                    "new_count": claimed.new_count,
                    "changed_count": claimed.changed_count,
                    "last_seq": message.last,
                    "quantity": dict(claimed.quantity),
                    "turnover_fen": claimed.turnover_fen,
                    "sha256_hex": claimed.sha256_hex,
                }
                self._tell("Ended", generation=self._live, day=message.day, totals=totals)


_COMMANDS: dict[str, Callable[..., None]] = {
    "connect": LineProcess.connect,
    "disconnect": LineProcess.disconnect,
    "subscribe": LineProcess.subscribe,
    "range": LineProcess.ask_range,
    "acknowledge": LineProcess.acknowledge,
    "refuse": LineProcess.refuse,
}


async def work(descriptor: int, config: LineConfig) -> None:
    """Run the line on the pipe that was inherited."""
    pipe = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=pipe, limit=1 << 24)
    writer.transport.set_write_buffer_limits(high=PIPE_HIGH_WATER)
    with suppress(ConnectionError):
        await LineProcess(config, reader, writer).run()


def main() -> None:
    """Run as a child of the booking process, until its end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C goes to the whole group; our parent decides
    descriptor, name, fix, ours, theirs = sys.argv[1:]
    asyncio.run(work(int(descriptor), LineConfig(name, fix, ours, theirs)))


if __name__ == "__main__":
    main()
