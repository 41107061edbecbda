"""Does what must be done when a time is up: one thread for all, since one each would cost as much as a statement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

IDLE_S = 60.0


class Deadlines:
    """Watches many times at once. What is done at one of them is short, and is never done after its watch has ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watches: dict[object, tuple[float, Callable[[], None]]] = {}
        self._looks_at = 0.0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, within_s: float, act: Callable[[], None]) -> Iterator[None]:
        """Call ``act`` once, from another thread, if the block lasts longer."""
        own = object()
        with self._changed:
            at = time.monotonic() + within_s
            self._watches[own] = (at, act)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif at < self._looks_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watches.pop(own, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for own in [own for own, (at, _) in self._watches.items() if at <= now]:
                    self._watches.pop(own)[1]()
                self._looks_at = min((at for at, _ in self._watches.values()), default=now + IDLE_S)
                self._changed.wait(self._looks_at - now)


DEADLINES = Deadlines()
"""Those of this process."""
