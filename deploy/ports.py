"""Finds an address that is free."""

from __future__ import annotations

import socket


def free_port(host: str) -> int:
    """Return a port nobody listens on at this address now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
