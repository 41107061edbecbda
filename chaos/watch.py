"""Watches the cluster from beside the drill and notes every change of primary, roles and lines into the history."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from chaos.faults import Control, Status, primary_of
from chaos.history import History

EVERY_S = 0.5

BLIND_LOOKS = 3
"""All lines down at once may mean that the intake did not answer in time: believed at the third look in a row."""


class Watch:
    """A context manager: watches while inside, and notes the state once more on the way out."""

    def __init__(self, control: Control, history: History) -> None:
        self._control, self._history = control, history
        self._over = threading.Event()
        self._last: dict[str, Any] = {}
        self._dark = 0
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(30)
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        begun = time.monotonic()
        try:
            seen = summary(self._control.status())
        except Exception as error:  # noqa: BLE001  # a watcher that ended unnoticed would look like calm
            took_s = round(time.monotonic() - begun, 3)
            self._history.note("watcher", "info", "blind", {"error": str(error) or repr(error), "for_s": took_s})
            return
        self._dark = 0 if "up" in seen["links"].values() else self._dark + 1
        if 0 < self._dark < BLIND_LOOKS and self._last:
            seen["links"] = self._last["links"]
        if seen != self._last:
            self._last = seen
            self._history.note("watcher", "info", "cluster", seen)


def summary(status: Status) -> dict[str, Any]:
    """Return what the judge looks at: who is primary, each node's role, each line's state."""
    return {
        "primary": primary_of(status),
        "roles": {node["name"]: node["role"] for node in status["nodes"]},
        "timeline": max((node["timeline"] or 0 for node in status["nodes"]), default=0),
        "links": {link["name"]: link["state"] for link in status["links"]},
    }
