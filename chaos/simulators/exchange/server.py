"""Runs the exchange: two gateways, their file services and the control, in one process."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from chaos.simulators.exchange.floor import Floor
from chaos.simulators.exchange.gateway import Gateway
from chaos.simulators.exchange.http import control_app, files_app
from chaos.simulators.exchange.settings import ExchangeSettings

GOODBYE_S = 0.2
"""Time for logouts to leave before the process ends."""


class QuietServer(uvicorn.Server):
    """A server that leaves signals to the process: there are two of them here, and one end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _listening(*addresses: str) -> list[socket.socket]:
    sockets = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        sockets.append(socket.create_server((host, int(port))))
    return sockets


def _server(app: FastAPI) -> QuietServer:
    return QuietServer(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))


async def run(settings: ExchangeSettings) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    floor = Floor(settings.state)
    gateways = {
        name: Gateway(
            name, floor, ours=settings.comp_id, theirs=settings.peer_comp_id, heartbeat_s=settings.heartbeat_s
        )
        for name in floor.sessions
    }
    addresses = {"A": settings.gateway_a, "B": settings.gateway_b}
    fix = [
        await asyncio.start_server(gateways[name].accept, sock=sock, limit=1 << 20)
        for name, address in addresses.items()
        for sock in _listening(address)
    ]
    servers = [(_server(files_app(floor)), _listening(settings.files_a, settings.files_b)),
               (_server(control_app(floor)), _listening(settings.control))]  # fmt: skip
    serving = [asyncio.create_task(server.serve(sockets=sockets)) for server, sockets in servers]
    await stop.wait()
    for gateway in gateways.values():
        await gateway.leave()
    await asyncio.sleep(GOODBYE_S)
    for server, _ in servers:
        server.should_exit = True
    for listener in fix:
        listener.close()
    await asyncio.wait(serving, timeout=2.0)


def main() -> None:
    """Run the exchange with the settings of the environment."""
    asyncio.run(run(ExchangeSettings()))
