"""Mends cut links after a while, in the runner, so that they are mended even when the drill that cut them is dead."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from chaos.toxics import FaultDidNotBiteError, Toxics, ToxiproxyError


@dataclass(slots=True)
class LinkHealer:
    """One timer for each set of links; a later order replaces an earlier one. Any thread may give orders."""

    toxiproxy: str
    _timers: dict[tuple[str, ...], threading.Timer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heal_later(self, links: Sequence[str], after_s: float | None) -> None:
        """Mend these links after so many seconds; None calls an earlier order off."""
        named = tuple(sorted(links))
        with self._lock:
            earlier = self._timers.pop(named, None)
            if earlier is not None:
                earlier.cancel()
            if after_s is not None:
                timer = self._timers[named] = threading.Timer(after_s, self._mend, [named])
                timer.daemon = True
                timer.start()

    def _mend(self, links: tuple[str, ...]) -> None:
        with suppress(ToxiproxyError, FaultDidNotBiteError):
            Toxics(self.toxiproxy).up(links)
