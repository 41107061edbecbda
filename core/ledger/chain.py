"""The hash chain over the ledger's batches: made when they are booked, recomputed when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from core.db import counters
from core.db.rows import json_rows
from core.ledger.canonical import NOTHING, Watch, chained, line_of, rows_hash
from core.ledger.rules import Transfer

PAGE = 1000
"""Batches looked at in one statement."""
LINKS_MAX = 5_000
"""Loose batches linked in one transaction, while which nobody else extends the chain: about a tenth of a second."""

# The counter's row lock lines up all who write the ledger, so it comes last, when rows and their hash are there.
# Counted in the one statement that hashes, not by core/db/counters: the counter is not held while rows are hashed, and
# no round trip is spent while the whole ledger waits.
TAKE_SEQ = text("""
WITH own AS MATERIALIZED (
    SELECT batch, sum(rows)::bigint AS transfers, sha256(string_agg(block, ''::bytea ORDER BY nth)) AS rows_hash
    FROM (SELECT batch, (position - 1) / 1000 AS nth, count(*) AS rows,
                 sha256(string_agg(line, ''::bytea ORDER BY position)) AS block
          FROM chain_line WHERE batch = (SELECT currval('batch_number')) GROUP BY batch, nth) AS blocks
    GROUP BY batch)
UPDATE counter SET next = next + 1 FROM own WHERE name = 'batch'
RETURNING next - 1 AS seq, batch, transfers, rows_hash
""")

# The same where the hash is known already: four times as fast for a batch of one.
TAKE_SEQ_FOR = text("""
UPDATE counter SET next = next + 1 WHERE name = 'batch'
RETURNING next - 1 AS seq, currval('batch_number') AS batch
""")

# A statement of its own after TAKE_SEQ: only then does its snapshot see the batch that the counter waited for.
EXTEND = text("""
INSERT INTO ledger_batch (seq, batch, market_day, transfers, form, hash)
SELECT :seq, :batch, :market_day, :transfers, 2, sha256(
    coalesce((SELECT hash FROM ledger_batch WHERE seq = :seq - 1), decode(repeat('00', 32), 'hex')) || :rows_hash)
""")

# Numbers come from the counter, so that a last batch cut off leaves a hole too. Rows of form 1 are one block, not
# hashed again. An order that stays the same under other positions is no excuse for them.
BROKEN = text("""
WITH blocks AS (
    SELECT b.seq, b.form, CASE b.form WHEN 1 THEN 0 ELSE (l.position - 1) / 1000 END AS nth, count(*) AS rows,
           max(l.position) AS last, sha256(string_agg(l.line, ''::bytea ORDER BY l.position)) AS block
    FROM ledger_batch b JOIN chain_line l USING (batch)
    WHERE b.seq BETWEEN :first AND :last GROUP BY b.seq, b.form, nth),
expected AS (
    SELECT seq, sum(rows) AS transfers, max(last) AS last,
           CASE form WHEN 1 THEN (array_agg(block))[1]
                     ELSE sha256(string_agg(block, ''::bytea ORDER BY nth)) END AS rows_hash
    FROM blocks GROUP BY seq, form)
SELECT number
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS number
LEFT JOIN ledger_batch b ON b.seq = number
LEFT JOIN expected e ON e.seq = number
LEFT JOIN ledger_batch p ON p.seq = number - 1
WHERE b.seq IS NULL OR b.transfers <> coalesce(e.transfers, 0) OR e.last <> b.transfers
   OR b.hash <> sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex'))
                       || coalesce(e.rows_hash, sha256(''::bytea)))
ORDER BY number
""")

# A batch that is loose waits for its link, openly; one that nobody knows of is stray, and so is one that is both.
STRAY = text("""
SELECT seq FROM ledger_batch WHERE seq < 1 OR seq >= (SELECT next FROM counter WHERE name = 'batch')
UNION SELECT batch FROM transfer t
      WHERE (SELECT count(*) FROM ledger_batch b WHERE b.batch = t.batch)
          + (SELECT count(*) FROM ledger_loose l WHERE l.batch = t.batch) <> 1
UNION SELECT batch FROM ledger_loose l WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.batch = l.batch)
""")

# Whoever has the counter is the only one who links; each batch is of one transfer.
TAKE_LOOSE = text("""
WITH taken AS (
    DELETE FROM ledger_loose WHERE batch IN (SELECT batch FROM ledger_loose ORDER BY batch LIMIT :limit)
    RETURNING batch, market_day)
SELECT t.batch, t.market_day, l.line
FROM taken t, LATERAL (SELECT line FROM chain_line c WHERE c.batch = t.batch OFFSET 0) AS l  -- by index, one by one
ORDER BY t.batch
""")
LINK = text("""
INSERT INTO ledger_batch (seq, batch, market_day, transfers, form, hash)
SELECT seq, batch, market_day, 1, 2, decode(hash, 'hex')
FROM json_to_recordset(CAST(:links AS json)) AS l (seq bigint, batch bigint, market_day date, hash text) ORDER BY seq
""")
IS_LOOSE = text("SELECT EXISTS (SELECT FROM ledger_loose)")

HEADS = text("""
SELECT seq, batch, form, market_day, transfers, hash FROM ledger_batch WHERE seq BETWEEN :first AND :last ORDER BY seq
""")
LINES = text("SELECT line FROM chain_line WHERE batch = :batch ORDER BY position")
HASH_OF = text("SELECT hash FROM ledger_batch WHERE seq = :seq")


@dataclass(frozen=True, slots=True)
class Head:
    """A batch without its rows."""

    seq: int
    batch: int
    form: int
    market_day: date
    transfers: int
    hash: bytes


def extend(connection: Connection, transfers: Sequence[Transfer], market_day: date) -> None:
    """Append the batch of these transfers, which were just inserted in this order."""
    hashed = rows_hash(line_of(transfer, market_day) for transfer in transfers)
    taken = connection.execute(TAKE_SEQ_FOR).mappings().one()
    facts = {"market_day": market_day, "transfers": len(transfers), "rows_hash": hashed}
    connection.execute(EXTEND, {**taken, **facts})


def extend_by_rows(connection: Connection, market_day: date) -> None:
    """Append the batch that was just inserted, however long: what is hashed is what stands in the tables."""
    taken = connection.execute(TAKE_SEQ).mappings().one()
    connection.execute(EXTEND, {**taken, "market_day": market_day})


def is_loose(connection: Connection) -> bool:
    """Tell whether there are batches to link."""
    found: bool = connection.execute(IS_LOOSE).scalar_one()
    return found


def link_loose(connection: Connection, limit: int = LINKS_MAX) -> int:
    """Link transfers that were committed by themselves to the chain, in the order of their batches; return how many."""
    seq = counters.hold(connection, "batch")
    loose = connection.execute(TAKE_LOOSE, {"limit": limit}).all()
    if not loose:
        return 0
    before = hash_of(connection, seq - 1) or NOTHING
    links = []
    for number, (batch, market_day, line) in enumerate(loose, start=seq):
        before = chained(before, rows_hash([bytes(line)]))
        links.append({"seq": number, "batch": batch, "market_day": market_day, "hash": before.hex()})
    connection.execute(LINK, {"links": json_rows(links)})
    counters.take(connection, "batch", len(links))
    return len(links)


def length(connection: Connection) -> int:
    """Return how many batches the chain has."""
    return counters.taken(connection, "batch")


def broken_batches(connection: Connection, watch: Watch | None = None) -> list[int]:
    """Recompute the chain and return the batches that are missing, extra or not what their hash says.

    A batch is named by its place in the chain; rows that belong to none, by the number they carry.
    """
    last = length(connection)
    broken: set[int] = set()
    for first in range(1, last + 1, PAGE):
        until = min(first + PAGE - 1, last)
        broken.update(connection.execute(BROKEN, {"first": first, "last": until}).scalars())
        if watch is not None:
            watch(until, last)
    return sorted(broken.union(connection.execute(STRAY).scalars()))


def heads(connection: Connection, first: int, last: int) -> Iterator[Head]:
    """Read batches in their order, a page at a time."""
    for begin in range(first, last + 1, PAGE):
        page = {"first": begin, "last": min(begin + PAGE - 1, last)}
        for row in connection.execute(HEADS, page).mappings().all():
            yield Head(**{**row, "hash": bytes(row["hash"])})


def lines(connection: Connection, batch: int) -> Iterator[bytes]:
    """Read the rows of a batch in their order and form; a day of trades does not have to fit into memory."""
    with connection.execution_options(stream_results=True, max_row_buffer=PAGE).execute(
        LINES, {"batch": batch}
    ) as rows:
        for (line,) in rows:
            yield bytes(line)


def hash_of(connection: Connection, seq: int) -> bytes | None:
    """Return the hash of a batch by its place in the chain; None when there is none."""
    found = connection.execute(HASH_OF, {"seq": seq}).scalar_one_or_none()
    return None if found is None else bytes(found)
