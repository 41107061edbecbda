"""Reads of unit_move, unit_issue and unit_block as a history; a serial's place is what its moves add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from core.quantities import SERIALS_PER_VINTAGE, SerialRange, Vintage

# First all rows of the holder, by their index, then their order, as the ledger's statement does.
MOVES_OF = text("""
WITH own AS MATERIALIZED (SELECT * FROM unit_move WHERE ARRAY[giver, taker] && ARRAY[CAST(:holder AS text)])
SELECT id, lower(serials) AS low, upper(serials) AS high, giver, taker, type, reference, market_day
FROM own WHERE id > :after ORDER BY id LIMIT :limit
""")

# Every move adds a layer for its taker and takes one from its giver; what has one layer on that day was held.
HELD_ON = text("""
WITH own AS MATERIALIZED (
    SELECT serials, (taker = :holder)::int - (giver IS NOT DISTINCT FROM :holder)::int AS layer FROM unit_move
    WHERE ARRAY[giver, taker] && ARRAY[CAST(:holder AS text)] AND market_day <= :day),
edges AS (
    SELECT point, sum(layer) AS change
    FROM (SELECT lower(serials) AS point, layer FROM own UNION ALL SELECT upper(serials), -layer FROM own) AS ends
    GROUP BY point HAVING sum(layer) <> 0),
course AS (
    SELECT point AS low, lead(point) OVER along AS high, sum(change) OVER along AS layers
    FROM edges WINDOW along AS (ORDER BY point))
SELECT low, high FROM course WHERE layers > 0 ORDER BY low
""")

LIFE_OF = text("""
SELECT id, lower(serials) AS low, upper(serials) AS high, giver, taker, type, reference, market_day
FROM unit_move WHERE serials @> CAST(:serial AS bigint) AND id > :after ORDER BY id LIMIT :limit
""")

ISSUE_OF = text("""
SELECT id, lower(serials) AS low, upper(serials) AS high FROM unit_issue WHERE serials @> CAST(:serial AS bigint)
""")

HOLDER_OF = text("SELECT holder FROM unit_block WHERE serials @> CAST(:serial AS bigint)")

# Issued serials are one layer up, held ones one down: where the two do not meet, a serial is missing or too many.
UNCOVERED = text("""
WITH layers AS (SELECT serials, 1 AS layer FROM unit_issue UNION ALL SELECT serials, -1 FROM unit_block),
edges AS (
    SELECT point, sum(layer) AS change
    FROM (SELECT lower(serials) AS point, layer FROM layers UNION ALL SELECT upper(serials), -layer FROM layers) AS ends
    GROUP BY point HAVING sum(layer) <> 0),
course AS (
    SELECT point AS low, lead(point) OVER along AS high, sum(change) OVER along AS layers
    FROM edges WINDOW along AS (ORDER BY point))
SELECT '' AS holder, low, high, layers::int AS layers FROM course WHERE layers <> 0 ORDER BY low LIMIT :limit
""")

# The same for every holder: what its moves add up to is one layer up, what it holds is one down.
UNREPLAYED = text("""
WITH layers AS (
    SELECT taker AS holder, serials, 1 AS layer FROM unit_move
    UNION ALL SELECT giver, serials, -1 FROM unit_move WHERE giver IS NOT NULL
    UNION ALL SELECT holder, serials, -1 FROM unit_block),
edges AS (
    SELECT holder, point, sum(layer) AS change
    FROM (SELECT holder, lower(serials) AS point, layer FROM layers
          UNION ALL SELECT holder, upper(serials), -layer FROM layers) AS ends
    WHERE CAST(:holder AS text) IS NULL OR holder = :holder
    GROUP BY holder, point HAVING sum(layer) <> 0),
course AS (
    SELECT holder, point AS low, lead(point) OVER along AS high, sum(change) OVER along AS layers
    FROM edges WINDOW along AS (PARTITION BY holder ORDER BY point))
SELECT holder, low, high, layers::int AS layers FROM course WHERE layers <> 0 ORDER BY low, holder LIMIT :limit
""")

FAULTS_MAX = 1000
"""So many are named; one is enough to stop."""


@dataclass(frozen=True, slots=True)
class Move:
    """One change of hands of a run of serials; an issue has no giver."""

    id: int
    serials: SerialRange
    giver: str | None
    taker: str
    type: str
    reference: str
    market_day: date


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of one serial number."""

    issue: str
    issued: SerialRange
    holder: str | None
    """None only where the records are damaged."""
    moves: Sequence[Move]


@dataclass(frozen=True, slots=True)
class Fault:
    """Serials of which two records say different things."""

    holder: str
    """Empty where no holder is meant."""
    serials: SerialRange
    layers: int
    """Above zero: issued or moved there, but not held. Below zero: held, but neither issued nor moved there."""

    def __str__(self) -> str:
        said = "missing from the blocks" if self.layers > 0 else "in the blocks, without a record of how"
        return f"{self.serials} {said}"


def moves_of(connection: Connection, holder: str, after: int, limit: int) -> list[Move]:
    """Return a page of the changes of hands that went through a holder, oldest first."""
    return _moves(connection.execute(MOVES_OF, {"holder": holder, "after": after, "limit": limit}))


def held_on(connection: Connection, holder: str, day: date) -> list[SerialRange]:
    """Return the serials that a holder held at the end of a market day, from moves alone."""
    rows = connection.execute(HELD_ON, {"holder": holder, "day": day})
    return [block for low, high in rows for block in _by_vintage(low, high)]


def life_of(connection: Connection, vintage: Vintage, number: int, *, after: int = 0, limit: int = 1000) -> Life | None:
    """Return the issue of a serial number, a page of its changes of hands, and its holder; None if never issued."""
    serial = vintage.year * SERIALS_PER_VINTAGE + number
    issue = connection.execute(ISSUE_OF, {"serial": serial}).first()
    if issue is None:
        return None
    moves = _moves(connection.execute(LIFE_OF, {"serial": serial, "after": after, "limit": limit}))
    holder: str | None = connection.execute(HOLDER_OF, {"serial": serial}).scalar()
    return Life(issue.id, SerialRange.of_bounds(issue.low, issue.high), holder, moves)


def uncovered(connection: Connection) -> list[Fault]:
    """Name serials that were issued and are in no block, or are in two, or in one without being issued."""
    return _faults(connection.execute(UNCOVERED, {"limit": FAULTS_MAX}))


def unreplayed(connection: Connection, holder: str | None = None) -> list[Fault]:
    """Name serials, of one holder or of all, whose block is not what all changes of hands add up to from nothing."""
    return _faults(connection.execute(UNREPLAYED, {"holder": holder, "limit": FAULTS_MAX}))


def _moves(rows: Any) -> list[Move]:
    return [
        Move(row.id, SerialRange.of_bounds(row.low, row.high), row.giver, row.taker, row.type, row.reference,
             row.market_day)
        for row in rows
    ]  # fmt: skip


def _faults(rows: Any) -> list[Fault]:
    return [Fault(row.holder, block, row.layers) for row in rows for block in _by_vintage(row.low, row.high)]


def _by_vintage(low: int, high: int) -> list[SerialRange]:
    """Cut a run of numbers where the next vintage begins: the records of two vintages may touch when they are wrong."""
    blocks = []
    while low < high:
        until = min(high, (low // SERIALS_PER_VINTAGE + 1) * SERIALS_PER_VINTAGE)
        first = low + (low % SERIALS_PER_VINTAGE == 0)  # no serial is number nought
        if first < until:
            blocks.append(SerialRange.of_bounds(first, until))
        low = until
    return blocks
