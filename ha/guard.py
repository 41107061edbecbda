"""The node guard: parent of Patroni, ends PostgreSQL when its Patroni is dead or stalled.

An orphaned primary goes on acknowledging writes until a client notices: measured 20 s. The guard ends it within
a second. It never starts anything again: that is its own parent's work.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import psutil

from ha.processes import below, die_with_parent

TICK_S = 0.1
ASK_EVERY_S = 1.0
STALLED_AFTER_S = 15.0
"""ttl (20) - 5 s: PostgreSQL is down before the lease ends and another node may be promoted."""
STOP_WITHIN_S = 60.0
"""A primary's last checkpoint may take long; whoever stops us sets the tighter limit."""


def end_postgres(data: Path) -> int:
    """Kill the server of a data directory, the postmaster first, until nothing of it is left; return how many died."""
    killed = 0
    postmaster = _postmaster(data)
    if postmaster is not None:
        postmaster.kill()
        killed += 1
    for _ in range(50):
        left = below(data)
        if not left:
            break
        for process in left:
            try:
                process.kill()
                killed += 1
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.02)
    return killed


def _postmaster(data: Path) -> psutil.Process | None:
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        mine = process.cwd() == str(data) and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return process if mine else None  # a pid file outlives its process, and the number may be somebody else's now


class _Pulse:
    """Says for how long Patroni's REST API, once it answered, has been silent."""

    def __init__(self, rest: str) -> None:
        self._rest = rest
        self._asked = 0.0
        self._answered: float | None = None

    def silent_s(self, now: float) -> float:
        if now - self._asked >= ASK_EVERY_S:
            self._asked = now
            if self._answers():
                self._answered = now
        return 0.0 if self._answered is None else now - self._answered

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._rest, timeout=0.8)
        try:
            connection.request("HEAD", "/liveness")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


class _Stop:
    """Remembers that somebody asked us to stop."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


def _say(event: str, **facts: object) -> None:
    fields = " ".join(f"{name}={value}" for name, value in facts.items())
    sys.stderr.write(f"guard {event} {fields}\n")
    sys.stderr.flush()


def watch(patroni: subprocess.Popen[bytes], data: Path, rest: str, stop: _Stop) -> int:
    """Wait for Patroni's end or stall; whatever the reason, no PostgreSQL is left when this returns."""
    pulse, stopping_since = _Pulse(rest), None
    while patroni.poll() is None:
        now = time.monotonic()
        if stop.asked and stopping_since is None:
            stopping_since = now
            patroni.terminate()
        if stopping_since is not None and now - stopping_since > STOP_WITHIN_S:
            _say("stop_took_too_long", within_s=STOP_WITHIN_S)
            patroni.kill()
        if stopping_since is None and pulse.silent_s(now) > STALLED_AFTER_S:
            _say("patroni_stalled", silent_s=STALLED_AFTER_S)
            end_postgres(data)
            patroni.kill()
        time.sleep(TICK_S)
    killed = end_postgres(data)
    if killed:
        _say("postgres_ended", processes=killed, patroni_exit=patroni.returncode)
    return 0 if stop.asked and patroni.returncode == 0 else 1


def main(arguments: Sequence[str]) -> int:
    """Start Patroni as a child that dies with us, and watch it."""
    parser = argparse.ArgumentParser(prog="python -m ha guard")
    parser.add_argument("--data", type=Path, required=True, help="PostgreSQL's data directory")
    parser.add_argument("--rest", required=True, help="host:port of Patroni's REST API")
    parser.add_argument("command", nargs="+", help="-- and Patroni's command line")
    chosen = parser.parse_args(arguments)
    data = chosen.data.absolute()
    stop = _Stop()
    left = end_postgres(data)  # an earlier guard may have been killed before it could do its work
    if left:
        _say("leftover_postgres_ended", processes=left)
    patroni = subprocess.Popen(chosen.command, preexec_fn=die_with_parent, env=os.environ)  # noqa: PLW1509  # no threads
    return watch(patroni, data, chosen.rest, stop)
