"""The warden: parent of the playground's runner, so small that nothing in it can fail; nobody outlives it.

It ends everything when the runner is gone, however that happened, and when the terminal that started a foreground
playground is gone. It lives outside the playground package to import as little as possible.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ha.processes import adopt_orphans

ORDERLY_WITHIN_S = 60.0
TICK_S = 0.2


def end_children() -> None:
    """Kill and reap until no descendant is left: orphans of orphans come to us, one generation after the other."""
    while True:
        for pid in _children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _children() -> list[int]:
    own, found = os.getpid(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                after_name = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(after_name[1]) == own:
                    found.append(int(entry.name))
    return found


def _owner_is_gone(watched: int) -> bool:
    ready, _, _ = select.select([watched], [], [], TICK_S)
    return bool(ready) and os.read(watched, 1) == b""


def main() -> int:
    """Usage: warden KIND STATE COMMAND...

    KIND is free, tied (ends when whoever holds our input ends) or passing (tied, and leaves no trace).
    """
    kind, state, command = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    adopt_orphans()
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked.append(received))
    runner = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deadline: float | None = None
    while runner.poll() is None:
        if kind == "free":
            time.sleep(TICK_S)
        elif deadline is None and _owner_is_gone(sys.stdin.fileno()):
            asked.append(signal.SIGTERM)
        elif deadline is not None:
            time.sleep(TICK_S)
        if asked and deadline is None:
            deadline = time.monotonic() + ORDERLY_WITHIN_S
            # Nobody wants the data of a passing playground: an orderly end would only cost time.
            runner.send_signal(signal.SIGKILL if kind == "passing" else signal.SIGTERM)
        if deadline is not None and time.monotonic() > deadline:
            runner.kill()
    end_children()
    with suppress(FileNotFoundError):
        (state / "control.json").unlink()
    if kind == "passing" and runner.returncode <= 0:  # a failed start leaves its reasons for whoever waits for it
        shutil.rmtree(state, ignore_errors=True)
    return max(runner.returncode, 0)


if __name__ == "__main__":
    sys.exit(main())
