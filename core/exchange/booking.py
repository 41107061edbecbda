"""One batch of the stream becomes durable in one transaction, exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from core.db.errors import constraint_of
from core.db.transaction import Unknown, write
from core.exchange import store
from core.exchange.rules import Market, Received, Totals, extend, judge
from core.refusals import Reason

COMMIT_WITHIN_S = 10.0
PATIENCE_S = 1.0
"""How long a batch looks for a primary before everything in flight is dropped: asking again is cheap."""


class FencedError(Exception):
    """The watermark is not where this leader left it: another one leads, or has booked the batch."""


class NotTakingError(Exception):
    """The day takes no trades now and has no end marker: nothing may be decided about them yet."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream as this leader knows it; everything up to ``totals.last_seq`` is durable."""

    market: Market
    epoch: int
    totals: Totals
    marker: Totals | None


@dataclass(frozen=True, slots=True)
class Booked:
    """What a batch became."""

    stream: Stream
    accepted: int
    refused: list[tuple[Received, Reason]] = field(default_factory=list)


def open_stream(engine: Engine, day: date, appl_id: str) -> Stream | Unknown:
    """Fence older leaders and read the durable position. It writes, so that position waits for the standbys too."""

    def work(connection: Connection) -> Stream:
        position = store.take_over(connection, day, appl_id)
        market = store.market(connection, day, appl_id)
        return Stream(market, position.epoch, position.totals, position.marker)

    return write(engine, work, within_s=COMMIT_WITHIN_S, patience_s=PATIENCE_S)


def book(engine: Engine, stream: Stream, batch: Sequence[Received]) -> Booked | Unknown:
    """Make a batch durable. Raises FencedError, NotTakingError, or NoPrimaryError; then nothing was booked by us."""
    try:
        return _book(engine, stream, batch, with_ids=False)
    except (SQLAlchemyError, psycopg.Error) as error:
        constraint = constraint_of(error)
        if constraint == "trade_pkey":
            raise FencedError("a number of the batch is booked already") from error
        if constraint != "trade_id_once":
            raise
    return _book(engine, stream, batch, with_ids=True)


def _book(engine: Engine, stream: Stream, batch: Sequence[Received], *, with_ids: bool) -> Booked | Unknown:
    market = stream.market
    after = extend(stream.totals, batch)

    def work(connection: Connection) -> Booked:
        taking = store.taking(connection, market, epoch=stream.epoch)
        if taking is store.Taking.FENCED:
            raise FencedError(f"epoch {stream.epoch}: {taking.value}")
        if taking is store.Taking.NOT_NOW:
            raise NotTakingError(f"{market.day} {taking.value}")
        if taking is store.Taking.ENDED:
            store.put_late(connection, market, batch)
            return Booked(stream, 0, [(received, Reason.TRADE_AFTER_END) for received in batch])
        known = store.known(connection, market.day, batch, with_ids=with_ids)
        decisions = judge(batch, market, known)
        store.copy_trades(connection, market, batch, decisions)
        if not store.advance(connection, market, epoch=stream.epoch, before=stream.totals, after=after):
            raise FencedError(f"epoch {stream.epoch} at {stream.totals.last_seq + 1}")
        refused = [(received, reason) for received, reason in zip(batch, decisions, strict=True) if reason is not None]
        booked = Stream(market, stream.epoch, after, None)
        return Booked(booked, len(batch) - len(refused), refused)

    return write(engine, work, within_s=COMMIT_WITHIN_S, patience_s=PATIENCE_S)


def end(engine: Engine, stream: Stream, marker: Totals) -> Stream | Unknown:
    """Store the end marker of a stream that is complete."""

    def work(connection: Connection) -> Stream:
        if not store.put_marker(connection, stream.market, epoch=stream.epoch, marker=marker):
            raise FencedError(f"epoch {stream.epoch} at the end marker {marker.last_seq}")
        return Stream(stream.market, stream.epoch, stream.totals, marker)

    return write(engine, work, within_s=COMMIT_WITHIN_S, patience_s=PATIENCE_S)


def quarantine(engine: Engine, stream: Stream, *, seq: int, line: str, known: str, other: str) -> Unknown | None:
    """Keep two different bodies of one number."""

    def work(connection: Connection) -> None:
        store.quarantine(connection, stream.market, seq=seq, line=line, known=known, other=other)

    return write(engine, work, within_s=COMMIT_WITHIN_S, patience_s=PATIENCE_S)
