"""The units' tables: who holds which serial numbers, and every change of hands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from core.db.rows import json_rows
from core.db.transaction import driver_of
from core.quantities import SERIALS_PER_VINTAGE, SerialRange, Vintage
from core.units.rules import Bounds, Handover, Shelf, cut_out, merge, rearrange

# One lock for every change of units: a row lock would not do, since a holder's blocks are cut into new rows that
# a waiter's snapshot does not see. Ledger batches queue for their chain anyway; take it after them, as they do.
LOCK_UNITS = text("SELECT pg_advisory_xact_lock(hashtextextended('units', 0))")

ISSUED_UP_TO = text("""
SELECT max(upper(serials)) FROM unit_issue WHERE serials && int8range(:low, :high)
""")

WAS_ISSUED = text("SELECT EXISTS (SELECT FROM unit_issue WHERE id = :id)")

INSERT_ISSUE = text("INSERT INTO unit_issue (id, serials) VALUES (:id, int8range(:low, :high))")

# The lowest blocks of each holder that together reach the tonnes asked for: no more blocks than tonnes, which keeps
# the running sum from reading all of a holder whose blocks are many and small.
LOWEST_BLOCKS = text("""
SELECT a.holder, b.id, b.low, b.high
FROM json_to_recordset(CAST(:asked AS json)) AS a (holder text, vintage smallint, tonnes bigint),
LATERAL (
    SELECT id, lower(serials) AS low, upper(serials) AS high, tonnes,
           sum(tonnes) OVER (ORDER BY lower(serials)) AS reached
    FROM (SELECT * FROM unit_block u WHERE u.holder = a.holder AND u.vintage = a.vintage
          ORDER BY lower(serials) LIMIT a.tonnes) AS lowest) AS b
WHERE b.reached - b.tonnes < a.tonnes
""")

NEIGHBOURS_OF = text("""
SELECT DISTINCT b.holder, b.id, lower(b.serials), upper(b.serials)
FROM json_to_recordset(CAST(:edges AS json)) AS e (holder text, edge bigint)
JOIN unit_block b ON b.serials @> e.edge AND b.holder = e.holder
WHERE b.id <> ALL(CAST(:known AS bigint[]))
""")

DELETE_BY_ID = text("DELETE FROM unit_block WHERE id = ANY(CAST(:ids AS bigint[]))")

INSERT_BLOCKS = text("""
INSERT INTO unit_block (serials, holder)
SELECT int8range(low, high), holder
FROM json_to_recordset(CAST(:blocks AS json)) AS b (low bigint, high bigint, holder text)
""")

INSERT_MOVES = text("""
INSERT INTO unit_move (serials, giver, taker, type, reference, market_day)
SELECT int8range(low, high), giver, taker, type, reference, :market_day
FROM json_to_recordset(CAST(:moves AS json))
    AS m (n integer, low bigint, high bigint, giver text, taker text, type text, reference text)
ORDER BY n
""")

NEIGHBOURS = text("""
SELECT DISTINCT lower(b.serials), upper(b.serials)
FROM unnest(CAST(:edges AS bigint[])) AS e (edge) JOIN unit_block b ON b.serials @> e.edge
WHERE b.holder = :holder
""")

BLOCKS_OF = text("""
SELECT holder, lower(serials), upper(serials) FROM unit_block
WHERE vintage = :vintage AND holder = ANY(CAST(:holders AS text[])) ORDER BY holder, lower(serials)
""")

OVERLAPPING = text("""
SELECT DISTINCT lower(b.serials), upper(b.serials)
FROM unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) AS w (low, high)
JOIN unit_block b ON b.serials && int8range(w.low, w.high)
WHERE b.holder = :holder
""")

DELETE_BLOCKS = text("""
DELETE FROM unit_block u
USING unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[]), CAST(:holders AS text[])) AS b (low, high, holder)
WHERE u.serials = int8range(b.low, b.high) AND u.holder = b.holder
""")

COPY_BLOCKS = "COPY unit_block (serials, holder) FROM STDIN"

COPY_MOVES = "COPY unit_move (serials, giver, taker, type, reference, market_day) FROM STDIN"

TONNES_OF = text("""
SELECT coalesce(sum(tonnes), 0)::bigint FROM unit_block WHERE holder = :holder AND vintage = :vintage
""")

HOLDINGS = text("SELECT lower(serials), upper(serials) FROM unit_block WHERE holder = :holder ORDER BY 1")

TOTALS = text("SELECT holder, vintage, sum(tonnes) FROM unit_block GROUP BY holder, vintage ORDER BY holder, vintage")

Blocks = dict[str, list[SerialRange]]

Block = tuple[str, int, int]
"""Holder and bounds."""


def issue(
    connection: Connection, *, issue_id: str, vintage: Vintage, tonnes: int, holder: str, market_day: date
) -> SerialRange:
    """Make the next free serials of the vintage and give them to the holder; an issue id works once."""
    connection.execute(LOCK_UNITS)
    first = issued(connection, vintage) + 1
    made = SerialRange(vintage, first, first + tonnes - 1)
    low, high = made.bounds
    connection.execute(INSERT_ISSUE, {"id": issue_id, "low": low, "high": high})
    _record(connection, [(made, None, holder)], "ISSUE", issue_id, market_day)
    around = _touching(connection, holder, [made])
    _replace(connection, {holder: around}, {holder: merge([*around, made])})
    return made


def issued(connection: Connection, vintage: Vintage) -> int:
    """Return how many serials of the vintage were ever made."""
    base = vintage.year * SERIALS_PER_VINTAGE
    found = connection.execute(ISSUED_UP_TO, {"low": base, "high": base + SERIALS_PER_VINTAGE}).scalar_one()
    return 0 if found is None else int(found) - base - 1


def was_issued(connection: Connection, issue_id: str) -> bool:
    """Tell whether an issue of this id exists."""
    found: bool = connection.execute(WAS_ISSUED, {"id": issue_id}).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Move:
    """Tonnes of one vintage that go from one holder to another, the giver's lowest serials first."""

    giver: str
    taker: str
    vintage: Vintage
    tonnes: int
    type: str
    reference: str


def move(
    connection: Connection,
    *,
    giver: str,
    taker: str,
    vintage: Vintage,
    tonnes: int,
    type: str,  # noqa: A002  # the column's name
    reference: str,
    market_day: date,
) -> list[SerialRange]:
    """Hand over the giver's lowest serials; return them. UnitsShortError when it holds too few."""
    return move_all(connection, [Move(giver, taker, vintage, tonnes, type, reference)], market_day=market_day)[0]


def move_all(connection: Connection, asked: Sequence[Move], *, market_day: date) -> list[list[SerialRange]]:
    """Do many moves in their order, as if one by one: read once, decided in memory, written once.

    What a giver may have to give from its own is at most the sum of what it gives, so no more is read of it.
    """
    if not asked:
        return []
    connection.execute(LOCK_UNITS)
    known = _lowest(connection, asked)
    shelves: defaultdict[tuple[str, int], Shelf] = defaultdict(Shelf)
    for (holder, low, high), _ in sorted(known.items()):
        shelves[holder, low // SERIALS_PER_VINTAGE].put(low, high)
    given: list[list[Bounds]] = []
    for one in asked:
        given.append(shelves[one.giver, one.vintage.year].take(one.tonnes))
        for low, high in given[-1]:
            shelves[one.taker, one.vintage.year].put(low, high)
    _join_neighbours(connection, shelves, known)
    after = {(holder, low, high) for (holder, _), shelf in shelves.items() for low, high in shelf.blocks}
    _write(connection, gone=[known[block] for block in known.keys() - after], come=sorted(after - known.keys()))
    pieces = [(low, high, one) for one, blocks in zip(asked, given, strict=True) for low, high in blocks]
    moves = json_rows(
        {
            "n": n,
            "low": low,
            "high": high,
            "giver": one.giver,
            "taker": one.taker,
            "type": one.type,
            "reference": one.reference,
        }
        for n, (low, high, one) in enumerate(pieces)
    )
    connection.execute(INSERT_MOVES, {"moves": moves, "market_day": market_day})
    return [[SerialRange.of_bounds(*block) for block in blocks] for blocks in given]


def _lowest(connection: Connection, asked: Sequence[Move]) -> dict[Block, int]:
    """Read what the givers may have to give, with the id of each block."""
    gives: defaultdict[tuple[str, int], int] = defaultdict(int)
    for one in asked:
        gives[one.giver, one.vintage.year] += one.tonnes
    rows = json_rows({"holder": h, "vintage": year, "tonnes": tonnes} for (h, year), tonnes in gives.items())
    found = connection.execute(LOWEST_BLOCKS, {"asked": rows})
    return {(holder, low, high): number for holder, number, low, high in found}


def _join_neighbours(connection: Connection, shelves: Mapping[tuple[str, int], Shelf], known: dict[Block, int]) -> None:
    """Read the blocks that the new ones touch, and join them."""
    edges = json_rows(
        {"holder": holder, "edge": edge}
        for (holder, _), shelf in shelves.items()
        for low, high in shelf.blocks
        if (holder, low, high) not in known
        for edge in (low - 1, high)
    )
    columns = {"edges": edges, "known": list(known.values())}
    for holder, number, low, high in connection.execute(NEIGHBOURS_OF, columns).all():
        known[holder, low, high] = number
        shelves[holder, low // SERIALS_PER_VINTAGE].put(low, high)


def _write(connection: Connection, *, gone: Sequence[int], come: Sequence[Block]) -> None:
    deleted = connection.execute(DELETE_BY_ID, {"ids": list(gone)}).rowcount
    if deleted != len(gone):
        raise RuntimeError(f"{len(gone)} blocks were to be replaced, {deleted} were there")
    blocks = json_rows({"holder": holder, "low": low, "high": high} for holder, low, high in come)
    connection.execute(INSERT_BLOCKS, {"blocks": blocks})


def deliver(
    connection: Connection, nets: Sequence[tuple[str, Vintage, int]], *, reference: str, market_day: date
) -> None:
    """Deliver a day's trades, net per account: sellers (below zero) give, buyers take in account-number order."""
    connection.execute(LOCK_UNITS)
    for vintage in sorted({vintage for _, vintage, _ in nets}):
        gives: dict[str, int] = {}
        takes: dict[str, int] = {}
        for account, of, tonnes in nets:
            side = gives if tonnes < 0 else takes
            if of == vintage and tonnes:
                side[account] = side.get(account, 0) + abs(tonnes)
        if gives.keys() & takes.keys():
            raise ValueError("an account's net goes one way")
        _rearrange(connection, vintage, gives, sorted(takes.items()), ("TRADE_DELIVER", reference, market_day))


def distribute(
    connection: Connection,
    *,
    giver: str,
    takers: Sequence[tuple[str, int]],
    vintage: Vintage,
    type: str,  # noqa: A002  # the column's name
    reference: str,
    market_day: date,
) -> None:
    """Hand the giver's lowest serials to many takers in the order in which they stand."""
    connection.execute(LOCK_UNITS)
    gives = {giver: sum(tonnes for _, tonnes in takers)}
    _rearrange(connection, vintage, gives, takers, (type, reference, market_day))


def collect(
    connection: Connection,
    *,
    givers: Mapping[str, int],
    taker: str,
    vintage: Vintage,
    type: str,  # noqa: A002  # the column's name
    reference: str,
    market_day: date,
) -> None:
    """Take the lowest serials of many givers to one taker."""
    connection.execute(LOCK_UNITS)
    takes = [(taker, sum(givers.values()))]
    _rearrange(connection, vintage, givers, takes, (type, reference, market_day))


def move_serials(
    connection: Connection,
    serials: Sequence[SerialRange],
    *,
    giver: str,
    taker: str,
    type: str,  # noqa: A002  # the column's name
    reference: str,
    market_day: date,
) -> None:
    """Hand over exactly these serials; UnitsShortError when the giver does not hold all of them."""
    connection.execute(LOCK_UNITS)
    bounds = [block.bounds for block in serials]
    asked = {"lows": [low for low, _ in bounds], "highs": [high for _, high in bounds], "holder": giver}
    given = [SerialRange.of_bounds(low, high) for low, high in connection.execute(OVERLAPPING, asked)]
    around = _touching(connection, taker, serials)
    after = {giver: cut_out(given, serials), taker: merge([*around, *serials])}
    _replace(connection, {giver: given, taker: around}, after)
    _record(connection, [(block, giver, taker) for block in serials], type, reference, market_day)


def holdings(connection: Connection, holder: str) -> list[SerialRange]:
    """Return the holder's blocks in order of serials."""
    return [SerialRange.of_bounds(low, high) for low, high in connection.execute(HOLDINGS, {"holder": holder})]


def tonnes_of(connection: Connection, holder: str, vintage: Vintage) -> int:
    """Return how many tonnes of a vintage the holder has."""
    found: int = connection.execute(TONNES_OF, {"holder": holder, "vintage": vintage.year}).scalar_one()
    return found


def totals(connection: Connection) -> dict[tuple[str, int], int]:
    """Return the tonnes of every holder by vintage year."""
    return {(holder, year): int(tonnes) for holder, year, tonnes in connection.execute(TOTALS)}


def _rearrange(
    connection: Connection,
    vintage: Vintage,
    gives: Mapping[str, int],
    takes: Sequence[tuple[str, int]],
    why: tuple[str, str, date],
) -> None:
    before: Blocks = {holder: [] for holder in [*gives, *(taker for taker, _ in takes)]}
    asked = {"vintage": vintage.year, "holders": list(before)}
    for holder, low, high in connection.execute(BLOCKS_OF, asked):
        before[holder].append(SerialRange.of_bounds(low, high))
    after, handovers = rearrange(before, gives=gives, takes=takes)
    _replace(connection, before, after)
    _record_handovers(connection, handovers, *why)


def _touching(connection: Connection, holder: str, blocks: Sequence[SerialRange]) -> list[SerialRange]:
    """Find the holder's blocks right before or after these, with which they will be joined."""
    edges = [edge for low, high in (block.bounds for block in blocks) for edge in (low - 1, high)]
    found = connection.execute(NEIGHBOURS, {"edges": edges, "holder": holder})
    return [SerialRange.of_bounds(low, high) for low, high in found]


def _replace(connection: Connection, before: Blocks, after: Blocks) -> None:
    """Write the difference: blocks that stay as they are stay untouched."""
    old = {(holder, block) for holder, blocks in before.items() for block in blocks}
    new = {(holder, block) for holder, blocks in after.items() for block in blocks}
    # In the order of serials: in any other, the index of ranges takes six times as long around a wide block just gone.
    gone, come = sorted(old - new), sorted(new - old, key=lambda held: held[1])
    if gone:
        bounds = [block.bounds for _, block in gone]
        columns = {"lows": [low for low, _ in bounds], "highs": [high for _, high in bounds]}
        deleted = connection.execute(DELETE_BLOCKS, columns | {"holders": [holder for holder, _ in gone]})
        if deleted.rowcount != len(gone):
            raise RuntimeError(f"{len(gone)} blocks were to be replaced, {deleted.rowcount} were there")
    with driver_of(connection).cursor() as cursor, cursor.copy(COPY_BLOCKS) as copy:
        for holder, block in come:
            low, high = block.bounds
            copy.write_row((f"[{low},{high})", holder))


def _record_handovers(
    connection: Connection, handovers: Sequence[Handover], kind: str, reference: str, market_day: date
) -> None:
    _record(connection, [(h.serials, h.giver, h.taker) for h in handovers], kind, reference, market_day)


def _record(
    connection: Connection,
    moves: Sequence[tuple[SerialRange, str | None, str]],
    kind: str,
    reference: str,
    market_day: date,
) -> None:
    with driver_of(connection).cursor() as cursor, cursor.copy(COPY_MOVES) as copy:
        for serials, giver, taker in moves:
            low, high = serials.bounds
            copy.write_row((f"[{low},{high})", giver, taker, kind, reference, market_day))
