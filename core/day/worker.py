"""The settle process: takes whatever arrow of a market day is due, at either site, and survives every loss."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from prometheus_client import start_http_server

from core.bank.client import BankClient, BankUnavailableError
from core.day import store, transitions
from core.day.arrows import ARROWS, Parties
from core.day.chores import Chore, Housekeeper
from core.day.counterparty import ExchangeFiles, ExchangeUnavailableError
from core.day.errands import CashMoves
from core.day.gauges import Gauges
from core.day.notices import Notices
from core.day.opening import MORNING
from core.day.rules import State
from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, read, write
from core.ledger.keys import SealingKey
from core.settings import Settings, settings
from core.settlement.rules import DisagreementError
from core.telemetry import DAY_TRANSITIONS, bind_service, log

POLL_S = 0.3
END_WITHIN_S = 4.0
"""Told to end, the process does not wait longer for whoever it is asking: being killed is harmless."""
PAUSE_MAX_S = 3.0
"""A party that does not answer is asked again after a pause that doubles up to this."""


@dataclass(slots=True)
class Patience:
    """How one day's arrow has fared lately."""

    state: State
    pause_s: float = POLL_S
    not_before: float = 0.0
    differs_since: float | None = None
    suspects: frozenset[str] = frozenset()
    """Accounts that have differed ever since; a difference that wanders is traffic, one that stays is a break."""


@dataclass(slots=True)
class Worker:
    """Looks at every unfinished day and takes its next arrow; any number of workers may do so at once."""

    parties: Parties
    chores: Sequence[Chore] = ()
    _patience: dict[date, Patience] = field(default_factory=dict)
    _housekeeper: Housekeeper = field(init=False)
    _notices: Notices = field(init=False)
    _cash: CashMoves = field(init=False)

    def __post_init__(self) -> None:
        self._notices = Notices(self.parties)
        self._cash = CashMoves(self.parties)
        self._housekeeper = Housekeeper(self.parties.engine, self.parties.worker, (MORNING, *self.chores))

    def tick(self) -> bool:
        """Go once over notices, unfinished days, oldest first, and chores; True when something moved."""
        told = self._notices.tick()
        told = self._cash.tick() or told
        moved = self._days() or told
        return self._housekeeper.tick() or moved

    def _days(self) -> bool:
        days = read(self.parties.engine, store.unfinished)
        self._patience = {d.day: p for d in days if (p := self._patience.get(d.day)) and p.state is d.state}
        moved = [self._step_alone(found.day, found.state) for found in days]
        return any(moved)

    def _step_alone(self, day: date, state: State) -> bool:
        """Take a day's step; a fault of one day takes no step from the others."""
        try:
            return self._step(day, state)
        except NoPrimaryError:
            raise
        except Exception:  # noqa: BLE001  # whatever it is, the other days have nothing to do with it
            log.exception("arrow_failed", day=str(day), state=state)
            self._patience[day].not_before = time.monotonic() + PAUSE_MAX_S
            return False

    def _step(self, day: date, state: State) -> bool:
        patience = self._patience.setdefault(day, Patience(state))
        if time.monotonic() < patience.not_before:
            return False
        try:
            moved = ARROWS[state](self.parties, day)
        except (BankUnavailableError, ExchangeUnavailableError) as error:
            log.warning("party_unavailable", day=str(day), state=state, error=str(error))
            patience.pause_s = min(2 * patience.pause_s, PAUSE_MAX_S)
            patience.not_before = time.monotonic() + patience.pause_s
            return False
        except DisagreementError as error:
            return self._disagree(day, patience, error)
        if moved:
            self._note(day, state)
        return moved

    def _note(self, day: date, state: State) -> None:
        found = read(self.parties.engine, lambda c: store.find(c, day))
        after = state if found is None else found.state
        if after is not state:
            DAY_TRANSITIONS.labels(after).inc()
            log.info("day_moved", day=str(day), before=state, after=after)

    def _disagree(self, day: date, patience: Patience, error: DisagreementError) -> bool:
        """Halt the day, at once or when the difference has lasted as long as mere delay could."""
        now = time.monotonic()
        named = frozenset(found.account for found in error.breaks if found.account) or frozenset({""})
        stayed = named & patience.suspects
        if patience.differs_since is None or not stayed:
            patience.differs_since = now
        patience.suspects = stayed or named
        if now - patience.differs_since < error.patience_s:
            log.warning("not_yet_equal", day=str(day), state=patience.state, first=str(error.breaks[0]))
            patience.not_before = now + POLL_S
            return False
        halted = write(
            self.parties.engine,
            lambda c: transitions.halt(c, day, state=patience.state, because=error, worker=self.parties.worker),
        )
        if halted is False:  # the day is elsewhere by now, or has newer opening data
            log.warning("disagreement_outdated", day=str(day), state=patience.state, first=str(error))
            return False
        log.error("day_halted", day=str(day), state=patience.state, breaks=len(error.breaks), first=str(error))
        self._note(day, patience.state)
        return True


def run(worker: Worker, gauges: Gauges, stop: threading.Event) -> None:
    """Work until told to stop; whatever goes wrong is logged and tried again."""
    while not stop.is_set():
        try:
            moved = worker.tick()
            gauges.refresh()
        except NoPrimaryError as error:
            moved = False
            log.warning("no_primary", error=str(error))
        except Exception:  # noqa: BLE001  # nothing may end the process that tries again
            moved = False
            log.exception("round_failed")
            stop.wait(1.0)
        if not moved:
            stop.wait(POLL_S)


def worker_of(facts: Settings, chores: Sequence[Chore] = ()) -> Worker:
    """Build the worker of this deployment."""
    name = f"settle@{facts.node}"
    parties = Parties(
        engine=write_engine(facts.dsn, name=name),
        exchange=ExchangeFiles.at([line.files for _, line in sorted(facts.lines.items())]),
        banks={bank: BankClient.at(bank, url) for bank, url in sorted(facts.banks.items())},
        worker=name,
        sealing_key=SealingKey.load(facts.sealing_key) if facts.sealing_key is not None else None,
    )
    return Worker(parties, chores)


def main(chores: Sequence[Chore] = ()) -> None:
    """Run the settle process of this node until SIGTERM; ``chores`` is what it does beside the days."""
    facts = settings()
    bind_service("settle", node=facts.node, site=facts.site)
    host, _, port = facts.metrics_listen.rpartition(":")
    start_http_server(int(port), addr=host)
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        hard = threading.Timer(END_WITHIN_S, os._exit, (0,))
        hard.daemon = True
        hard.start()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    try:
        worker = worker_of(facts, chores)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The settle process cannot start: {error}\n")
        sys.exit(2)
    if worker.parties.sealing_key is None:
        log.warning("seals_not_signed", setting="REGISTRY_SEALING_KEY")
    log.info("settle_started", banks=sorted(facts.banks), lines=sorted(facts.lines))
    run(worker, Gauges(worker.parties.engine), stop)
