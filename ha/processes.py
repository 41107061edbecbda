"""Facts about processes that the kernel knows: who is below a folder, who dies with whom, who adopts orphans."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent is gone; also safe between fork and exec."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every orphan among our descendants: some machines' pid 1 reaps nobody."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def is_alive(pid: int | None) -> bool:
    """Tell whether a process still runs; a zombie does not."""
    if pid is None:
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def below(folder: Path) -> list[psutil.Process]:
    """Find living processes whose working folder is this one or inside it; PostgreSQL works in its data directory.

    A process with a terminal is left out: it is the shell or the `tail -f` of somebody who is looking at our logs.
    """
    found = []
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            at = process.cwd()
            if (at == str(folder) or at.startswith(f"{folder}/")) and is_alive(pid) and process.terminal() is None:
                found.append(process)
        except psutil.Error:
            continue
    return found
