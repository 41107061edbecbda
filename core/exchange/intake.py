"""The loop that books the exchange's trades: lead, take from both lines, arbitrate, commit, acknowledge."""

from __future__ import annotations

import os
import signal
import time
from datetime import date
from typing import TypeVar

import psycopg
import structlog
from prometheus_client import start_http_server
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, Unknown, read, write
from core.exchange import links, store
from core.exchange.arbiter import Arbiter, Conflict
from core.exchange.booking import FencedError, NotTakingError, Stream, book, end, open_stream, quarantine
from core.exchange.leadership import Leadership, LeadershipLostError, Standing
from core.exchange.links import Alive, Down, Ended, Event, Health, Line, LineConfig, Served, Trades, Up
from core.exchange.recovery import GapRequests
from core.exchange.rules import FIELDS, FIX_REASONS, OTHER_REASON, Received, Totals
from core.refusals import Reason
from core.settings import Settings, settings
from core.telemetry import (
    INTAKE_LEADER,
    INTAKE_MISSING,
    INTAKE_NEXT_SEQ,
    LINK_DUPLICATES,
    LINK_GARBLED,
    LINK_LAST_SEQ,
    LINK_READ_LAG,
    LINK_UP,
    TRADES_BOOKED,
    TRADES_QUARANTINED,
    bind_service,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BATCH_MAX = 5_000
ASK_LOCK_EVERY_S = 0.25
"""With dialling and logon, another intake books about half a second after one was killed."""
ASK_DAY_EVERY_S = 0.25
RESUBSCRIBE_AFTER_S = 0.5
WAIT_S = 0.1
TIMEOUTS = {"idle_in_transaction_session_timeout": "3s", "statement_timeout": "10s"}
"""A process that freezes inside a batch, or inside its COPY, must not keep the stream's row from the next leader."""
TOLD_AGAIN_MAX = 20_000
"""Refusals repeated to a line that comes back, so that no lost message leaves the two sides with different nets."""


class UncertainError(Exception):
    """A commit ended Unknown: only the stored watermark can tell."""


LOST = (UncertainError, NoPrimaryError, LeadershipLostError)
FAULTS = (FencedError, NotTakingError, SQLAlchemyError, psycopg.Error)
"""After any of either, everything in flight is dropped and asked for again from the stored watermark; after a fault
with a pause, because at once it would only happen again."""


class Intake:
    """One intake process; ``step`` is one turn of its loop."""

    def __init__(self, engine: Engine, lines: list[Line], *, appl_id: str = store.APPL_ID) -> None:
        self._engine = engine
        self._lines = lines
        self._appl_id = appl_id
        self._leadership = Leadership(engine)
        self._leading = False
        self._stream: Stream | None = None
        self._arbiter = Arbiter(1)
        self._gaps = GapRequests()
        self._markers: dict[str, Totals] = {}
        self._notes: list[tuple[str, str, str]] = []
        self._next_ask = 0.0
        self._resubscribe_at: dict[str, float] = {}

    def step(self) -> None:
        """Lead or try to; handle what the lines say; book one batch."""
        try:
            self._keep_standing(time.monotonic())
            busy = self._stream is not None and self._arbiter.has_ready
            for line, event in links.poll(self._lines, 0.0 if busy else WAIT_S):
                self._handle(line, event)
            if self._stream is not None:
                self._work(self._stream, time.monotonic())
            self._write_notes()
        except LOST as error:
            self._start_over(error, pause_s=0.0)
        except FAULTS as error:
            self._start_over(error, pause_s=ASK_LOCK_EVERY_S)

    # --- who leads, and which day ---

    def _keep_standing(self, now: float) -> None:
        if now < self._next_ask:
            return
        for line in self._lines:
            line.renew()
        if not self._leading:
            self._next_ask = now + ASK_LOCK_EVERY_S
            self._ask_to_lead()
        if self._leading:
            self._next_ask = now + ASK_DAY_EVERY_S
            self._follow_day(self._leadership.newest_taking_day())

    def _ask_to_lead(self) -> None:
        standing = self._leadership.ask()
        self._leading = standing is Standing.LEADING
        INTAKE_LEADER.set(self._leading)
        if self._leading:
            log.info("intake_leads")
            for line in self._lines:
                line.connect()
        elif standing is Standing.OTHER_LEADS:  # it needs the sessions; without a primary we may yet lead again
            for line in self._lines:
                line.disconnect()

    def _follow_day(self, day: date | None) -> None:
        """Begin the stream of a newer day. A day that stops taking keeps its stream, to refuse what comes late."""
        if day is None or (self._stream is not None and self._stream.market.day == day):
            return
        self._stream = _certain(open_stream(self._engine, day, self._appl_id))
        self._arbiter = Arbiter(self._stream.totals.last_seq + 1)
        self._gaps, self._markers = GapRequests(), {}
        INTAKE_NEXT_SEQ.set(self._arbiter.next_seq)
        log.info("stream_opened", day=str(day), epoch=self._stream.epoch, next_seq=self._arbiter.next_seq)
        for line in self._lines:
            self._subscribe(line)

    def _start_over(self, error: Exception, *, pause_s: float) -> None:
        log.warning("intake_starts_over", error=type(error).__name__, detail=str(error))
        self._stream = None
        self._leading = False
        self._leadership.give_up()
        INTAKE_LEADER.set(0)
        self._next_ask = time.monotonic() + pause_s

    # --- what the lines say ---

    def _subscribe(self, line: Line) -> None:
        if self._stream is not None and line.is_up:
            self._arbiter.forget(line.name)
            self._resubscribe_at.pop(line.name, None)
            day = self._stream.market.day.strftime("%Y%m%d")
            line.subscribe(day=day, appl_id=self._appl_id, begin=self._stream.totals.last_seq + 1)

    def _handle(self, line: Line, event: Event) -> None:
        if isinstance(event, Trades | Served | Alive | Ended):
            if self._stream is not None and event.generation == line.generation:
                self._handle_stream(self._stream, line, event)
        elif isinstance(event, Up):
            line.is_up, line.garbled = True, 0
            LINK_UP.labels(line.name).set(1)
            self._note(line, "up", "")
            self._subscribe(line)
        elif isinstance(event, Down):
            self._went_down(line, event)
        else:
            self._measure(line, event)

    def _went_down(self, line: Line, event: Down) -> None:
        if event.was_up or line.is_up:
            self._note(line, "down", event.reason)
        line.is_up = False
        self._arbiter.forget(line.name)
        self._resubscribe_at.pop(line.name, None)
        LINK_UP.labels(line.name).set(0)

    def _measure(self, line: Line, health: Health) -> None:
        LINK_READ_LAG.labels(line.name).set(health.read_lag_s)
        if health.garbled > line.garbled:
            LINK_GARBLED.labels(line.name).inc(health.garbled - line.garbled)
            self._note(line, "garbled", str(health.garbled))
            line.garbled = health.garbled

    def _handle_stream(self, stream: Stream, line: Line, event: Trades | Served | Alive | Ended) -> None:
        if isinstance(event, Trades):
            self._offer(stream, line, event)
        elif isinstance(event, Alive):
            self._arbiter.announce(line.name, event.last)
        elif isinstance(event, Ended):
            if event.day == stream.market.day.strftime("%Y%m%d"):
                self._arbiter.announce(line.name, event.totals.last_seq)
                self._markers[line.name] = event.totals
        elif event.accepted:
            self._arbiter.announce(line.name, stream.totals.last_seq)
            self._tell_again(stream, line)
        else:
            self._resubscribe_at[line.name] = time.monotonic() + RESUBSCRIBE_AFTER_S

    def _offer(self, stream: Stream, line: Line, trades: Trades) -> None:
        offered = self._arbiter.offer(line.name, trades.items)
        LINK_LAST_SEQ.labels(line.name).set(self._arbiter.last[line.name])
        duplicates, conflicts = offered.duplicates, offered.conflicts
        if offered.unverified:
            asked = [seq for seq, _ in offered.unverified]
            known = read(self._engine, lambda connection: store.bodies(connection, stream.market, asked))
            conflicts += [
                Conflict(seq, known[seq], body) for seq, body in offered.unverified if known.get(seq, body) != body
            ]
            duplicates += len(offered.unverified)
        LINK_DUPLICATES.labels(line.name).inc(duplicates)
        for conflict in conflicts:
            self._quarantine(stream, line.name, conflict.seq, conflict.known, conflict.other)

    def _tell_again(self, stream: Stream, line: Line) -> None:
        """Say what this line may have missed: refusals, and how far we are durable."""
        refused = read(self._engine, lambda connection: store.refused(connection, stream.market, limit=TOLD_AGAIN_MAX))
        self._refuse([line], refused)
        line.command(do="acknowledge", last=stream.totals.last_seq)

    # --- the work ---

    def _work(self, stream: Stream, now: float) -> None:
        for line in self._lines:
            if self._resubscribe_at.get(line.name, now) < now:
                self._subscribe(line)
        batch = [Received.of_body(*item) for item in self._arbiter.ready(BATCH_MAX)]
        if batch:
            stream = self._stream = self._book(stream, batch)
        if self._markers and not self._arbiter.has_ready:
            stream = self._stream = self._end(stream)
        missing = self._arbiter.missing()
        INTAKE_MISSING.set(0 if missing is None else missing[1] - missing[0] + 1)
        if self._gaps.is_due(missing, everywhere=self._arbiter.is_missing_everywhere, now=now) and missing is not None:
            self._ask_for(missing)

    def _book(self, stream: Stream, batch: list[Received]) -> Stream:
        booked = _certain(book(self._engine, stream, batch))
        TRADES_BOOKED.labels("accepted").inc(booked.accepted)
        TRADES_BOOKED.labels("refused").inc(len(booked.refused))
        last = booked.stream.totals.last_seq
        INTAKE_NEXT_SEQ.set(last + 1)
        if booked.refused:
            for received, reason in booked.refused:
                log.warning("trade_refused", seq=received.seq, code=reason.code)
            self._refuse(self._lines, [(received.seq, received.row, reason) for received, reason in booked.refused])
        for line in self._lines:
            line.command(do="acknowledge", last=last)
        return booked.stream

    def _refuse(self, lines: list[Line], refused: list[tuple[int, str, Reason]]) -> None:
        told = [refusal_of(seq, row, reason) for seq, row, reason in refused]
        for line in lines:
            if line.is_up and told:
                line.command(do="refuse", trades=told)

    def _end(self, stream: Stream) -> Stream:
        """Store the end marker once the stream is complete; two markers that differ block the day."""
        for name, marker in sorted(self._markers.items()):
            if marker == stream.marker or marker.last_seq > stream.totals.last_seq:
                continue  # known, or its last numbers are still to come
            if stream.marker is None and marker.last_seq == stream.totals.last_seq:
                stream = _certain(end(self._engine, stream, marker))
                log.info("end_marker_stored", line=name, last_seq=marker.last_seq)
            else:
                known = stream.marker or stream.totals
                self._quarantine(stream, name, marker.last_seq, f"end {known.as_json()}", f"end {marker.as_json()}")
        self._markers = {
            name: marker for name, marker in self._markers.items() if marker.last_seq > stream.totals.last_seq
        }
        return stream

    def _quarantine(self, stream: Stream, line: str, seq: int, known: str, other: str) -> None:
        _certain(quarantine(self._engine, stream, seq=seq, line=line, known=known, other=other))
        TRADES_QUARANTINED.inc()
        log.error("trade_quarantined", line=line, seq=seq)

    def _ask_for(self, missing: tuple[int, int]) -> None:
        begin, last = missing
        (log.error if self._gaps.is_alarming else log.warning)("gap_requested", begin=begin, end=last)
        for line in self._lines:
            if line.is_up:
                self._note(line, "gap", f"{begin}-{last}")
                line.command(do="range", begin=begin, end=last)

    # --- the log of the link ---

    def _note(self, line: Line, event: str, detail: str) -> None:
        log.info("link_event", line=line.name, link_event=event, detail=detail)
        self._notes.append((line.name, event, detail))
        del self._notes[:-100]  # while no primary is there, the newest matter

    def _write_notes(self) -> None:
        if not self._notes or not self._leading:
            return

        def work(connection: Connection) -> None:
            store.note(connection, self._notes)

        if not isinstance(write(self._engine, work, patience_s=1.0), Unknown):
            self._notes.clear()


T = TypeVar("T")


def _certain(result: T | Unknown) -> T:
    if isinstance(result, Unknown):
        raise UncertainError("a commit ended unknown")
    return result


def refusal_of(seq: int, row: str, reason: Reason) -> tuple[int, str, int, str]:
    """Write a refusal as the line process wants it: number, trade id, reason (751), text."""
    values = row.split("|")
    trade_id = values[3] if len(values) == FIELDS else ""
    return seq, trade_id, FIX_REASONS.get(reason, OTHER_REASON), f"{reason.code} {reason.sentence}"


def lines_of(config: Settings) -> list[Line]:
    """Build the lines that the settings name."""
    ours, theirs = config.registry_comp_id, config.exchange_comp_id
    return [Line(LineConfig(name, line.fix, ours, theirs)) for name, line in sorted(config.lines.items())]


def main() -> None:
    """Run an intake until it is told to stop; it may be killed between any two instructions."""
    config = settings()
    bind_service("intake", site=config.site, node=config.node)
    host, _, port = config.metrics_listen.rpartition(":")
    start_http_server(int(port), addr=host)
    # All that matters is in the database, and the lines' processes end with their pipes: there is nothing to wind up.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    lines = lines_of(config)
    for line in lines:
        line.start()
        LINK_UP.labels(line.name).set(0)
    intake = Intake(write_engine(config.dsn, pool_size=3, name="registry intake", timeouts=TIMEOUTS), lines)
    while True:
        intake.step()
