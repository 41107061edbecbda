"""Keeps etcd's leadership on the witness, so that the loss of a data site does not restart every lease at full time."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Sequence

import httpx
import structlog

from ha import etcd

LOOK_EVERY_S = 3.0
MOVE_AT_MOST_EVERY_S = 30.0
"""Each move is a short pause of the store: a member that flaps must not make the leadership flap."""

log = structlog.get_logger()


def keep(home: str, urls: Sequence[str], stop: threading.Event) -> None:
    """Look every few seconds, move at a limited rate, until told to stop."""
    moved: float | None = None
    with httpx.Client(timeout=etcd.TIMEOUT_S) as client:
        while not stop.wait(LOOK_EVERY_S):
            move = etcd.move_wanted(etcd.members(client, urls), home)
            if move is None or (moved is not None and time.monotonic() - moved < MOVE_AT_MOST_EVERY_S):
                continue
            moved = time.monotonic()
            try:
                etcd.transfer(client, move)
            except httpx.HTTPError as error:
                log.warning("etcd_leadership_not_moved", home=home, error=str(error))
            else:
                log.info("etcd_leadership_moved", home=home, from_url=move.leader_url)


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m ha keeper")
    parser.add_argument("--home", required=True, help="name of the member that should lead")
    parser.add_argument("urls", nargs="+", help="client URLs of all members")
    chosen = parser.parse_args(arguments)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    keep(chosen.home, chosen.urls, stop)
    return 0
