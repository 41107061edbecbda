"""What becomes due by itself, beside the market days: found by a read, each done in a transaction of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from core.callers import Caller
from core.db.transaction import NoPrimaryError, Unknown, read, write
from core.telemetry import log

PAUSE_S = 3.0
"""What failed is tried again after this; the others do not wait for it."""


@dataclass(frozen=True, slots=True)
class Chore:
    """One kind of thing that becomes due. Doing it twice, or at two sites at once, changes nothing more."""

    name: str
    due: Callable[[Connection], Sequence[str]]
    """Names what is due now; a page of it is enough."""
    do: Callable[[Connection, Caller, str], object]
    """Does one of them, in the transaction it is given; something true when it changed anything."""


@dataclass(slots=True)
class Housekeeper:
    """Goes over all chores; any number of housekeepers may do so at once."""

    engine: Engine
    worker: str
    chores: Sequence[Chore] = ()
    _not_before: dict[tuple[str, str], float] = field(default_factory=dict)

    def tick(self) -> bool:
        """Do everything that is due once; True when something changed."""
        found = read(self.engine, lambda connection: [(chore, chore.due(connection)) for chore in self.chores])
        now = time.monotonic()
        self._not_before = {item: at for item, at in self._not_before.items() if at > now}
        items = [(chore, item) for chore, due in found for item in due if (chore.name, item) not in self._not_before]
        moved = [self._do(chore, item) for chore, item in items]
        return any(moved)

    def _do(self, chore: Chore, item: str) -> bool:
        caller = Caller(self.worker, frozenset())
        try:
            done = write(self.engine, lambda connection: chore.do(connection, caller, item))
        except NoPrimaryError:
            raise
        except Exception:  # noqa: BLE001  # whatever it is, the other items have nothing to do with it
            log.exception("chore_failed", chore=chore.name, item=item)
            self._not_before[chore.name, item] = time.monotonic() + PAUSE_S
            return False
        if isinstance(done, Unknown) or not done:
            return False
        log.info("chore_done", chore=chore.name, item=item, end=str(done))
        return True
