"""The numbers an operator watches: the state of the newest day, and whether both accountings hold."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Engine

from core.day import store
from core.day.rules import State
from core.db.transaction import read
from core.ledger import store as ledger
from core.reconciliation import store as reconciliation
from core.reconciliation.breaks import store as breaks
from core.settlement import store as settlement_store
from core.telemetry import BREAKS_OPEN, DAY_STATE, LEDGER_IMBALANCE, TRADES_UNSETTLED, UNITS_DIFFERENCE

PROOFS_EVERY_S = 5.0


class Gauges:
    """Refreshes the day's state at every call, and the proofs every few seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._proofs_due = 0.0

    def refresh(self) -> None:
        """Set the gauges from the primary."""
        with_proofs = time.monotonic() >= self._proofs_due
        read(self._engine, lambda c: _set(c, with_proofs=with_proofs), within_s=60.0)
        if with_proofs:
            self._proofs_due = time.monotonic() + PROOFS_EVERY_S


def _set(connection: Connection, *, with_proofs: bool) -> None:
    newest = store.newest(connection)
    broken = store.broken(connection)  # an earlier day too: it may halt after the next one was opened
    for state in State:
        here = broken if state is State.HALTED else newest is not None and newest.state is state
        DAY_STATE.labels(state).set(here)
    if not with_proofs:
        return
    for asset, total in ledger.imbalance(connection).items():
        LEDGER_IMBALANCE.labels(asset).set(total)
    UNITS_DIFFERENCE.set(len(reconciliation.differences(connection)))
    BREAKS_OPEN.set(breaks.open_count(connection))
    TRADES_UNSETTLED.set(
        sum(settlement_store.effective_count(connection, day) for day in store.undelivered(connection))
    )
