"""Builds the API process from its settings, serves it, and ends it in time."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys

import uvicorn

from core.api.app import create_app
from core.api.auth import Verifier
from core.api.calls import Desk
from core.api.queue import WriteQueue
from core.api.reading import THREADS, TIMEOUTS, Reader
from core.db.engine import write_engine
from core.settings import Settings, settings
from core.telemetry import bind_service, log

DRAIN_S = 3.5
"""What is not answered by then is told to come again; with the rest of an orderly end that is under 5 s."""
CLOSE_S = 4
SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter while the writer has an answer of the database to read: each
group asks a dozen times, and with the usual 5 ms it would mostly wait."""


def build_desk(facts: Settings) -> Desk:
    """Build what the routes work with: one connection for the writer, a few for reads."""
    writing = write_engine(facts.dsn, pool_size=1, name="api-write")
    reading = write_engine(facts.dsn, pool_size=THREADS, name="api-read", timeouts=TIMEOUTS)
    return Desk(
        engines=(writing, reading),
        queue=WriteQueue(writing, hold_window_s=facts.hold_window_s),
        reader=Reader(reading, hold_window_s=facts.hold_window_s),
        playground=facts.playground,
    )


class Server(uvicorn.Server):
    """Drains the write queue while its connections close, so that a held request hears of the end."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer what can be answered, close."""
        drained = asyncio.gather(self._desk.queue.drain(DRAIN_S), self._desk.reader.drain(DRAIN_S))
        await super().shutdown(sockets)
        await drained


def build_server(facts: Settings) -> Server:
    """Build the server of the API."""
    desk = build_desk(facts)
    app = create_app(desk, Verifier(facts.token_public_key.read_bytes(), issuer=facts.token_issuer))
    host, _, port = facts.listen.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        access_log=False,
        log_config=None,
        timeout_keep_alive=75,  # longer than any proxy keeps its side open, so that no request meets a closing one
        backlog=2048,
        timeout_graceful_shutdown=CLOSE_S,
        server_header=False,
    )
    return Server(config, desk)


def main() -> None:
    """Run the API process of this node until SIGTERM."""
    facts = settings()
    sys.setswitchinterval(SWITCH_S)
    bind_service("api", node=facts.node, site=facts.site)
    try:
        server = build_server(facts)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The API cannot start: {error}\n")
        sys.exit(2)
    gc.collect()
    gc.freeze()  # routes and models live as long as we: looking through them anew would stop every request for 0.1 s
    log.info("api_starts", listen=facts.listen)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the server takes both while it runs and repeats them afterwards
    server.run()
    log.info("api_ended")
    os._exit(0)  # a reader or the writer may wait for a frozen server; nothing may cancel it, nobody waits for it
