"""The SQL of intake, trade, trade_quarantine and link_event, and what intake must know of day and accounts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import bindparam

from core.accounts import store as accounts
from core.db.transaction import driver_of
from core.exchange.rules import FIELDS, HASH_0, Known, Market, Received, Totals, is_plain
from core.parameters import service as parameters
from core.refusals import Reason

APPL_ID = "1"
"""The one stream of the day."""

LOCK = 0x494E54414B45  # "INTAKE"
TRY_LEAD = text("""
SELECT pg_try_advisory_lock(:lock), set_config('idle_session_timeout', :silence, false)
""")


def try_lead(connection: Connection, *, silent_at_most_s: float) -> bool:
    """Take the session lock of the one intake that books, if nobody holds it.

    The server ends a session that is silent for longer, and the lock with it: a process that froze keeps its
    socket open and would lead for ever.
    """
    values = {"lock": LOCK, "silence": f"{round(silent_at_most_s * 1000)}ms"}
    return bool(connection.execute(TRY_LEAD, values).one()[0])


NEWEST_TAKING_DAY = text("""
SELECT day FROM market_day WHERE state IN ('OPENING_ACKED', 'TRADING', 'CLOSED') ORDER BY day DESC LIMIT 1
""")


def newest_taking_day(connection: Connection) -> date | None:
    """Return the newest day that takes trades."""
    found: date | None = connection.execute(NEWEST_TAKING_DAY).scalar()
    return found


@dataclass(frozen=True, slots=True)
class Position:
    """Where a stream stands: everything up to ``totals.last_seq`` is durable; ``epoch`` fences older leaders."""

    epoch: int
    totals: Totals
    marker: Totals | None


TAKE_OVER = text("""
INSERT INTO intake (market_day, appl_id, epoch) VALUES (:day, :appl_id, 1)
ON CONFLICT (market_day, appl_id) DO UPDATE SET epoch = intake.epoch + 1
RETURNING epoch, next_seq, new_count, changed_count, quantity, turnover_fen, hash, marker
""")


def take_over(connection: Connection, day: date, appl_id: str) -> Position:
    """Fence every older leader of the stream and return where it stands."""
    row = connection.execute(TAKE_OVER, {"day": day, "appl_id": appl_id}).one()
    return Position(row.epoch, _totals_of(row), None if row.marker is None else Totals.of_json(row.marker))


def _totals_of(row: Any) -> Totals:  # a database row
    return Totals(
        row.new_count, row.changed_count, row.next_seq - 1, row.quantity, int(row.turnover_fen), bytes(row.hash).hex()
    )


PRODUCTS = text("SELECT product, previous_close_fen FROM market_day_product WHERE day = :day")


def market(connection: Connection, day: date, appl_id: str) -> Market:
    """Return what the day's trades are held against; it stays as it is once the day is opened."""
    rows = connection.execute(PRODUCTS, {"day": day})
    closes = {row.product: row.previous_close_fen for row in rows}
    return Market.of(parameters.market_rules(connection, day), appl_id, closes)


class Taking(Enum):
    """Whether a stream takes trades now."""

    YES = "yes"
    FENCED = "another intake leads"
    ENDED = "the end marker has come"
    NOT_NOW = "the day is in a state that takes no trades"


# The share lock keeps the day's state as it is until the batch is committed, so nothing is booked into a sealed day.
DAY_AND_MARKER = text("""
SELECT day.state IN ('OPENING_ACKED', 'TRADING', 'CLOSED') AS is_open, intake.marker IS NOT NULL AS has_ended,
       intake.epoch
FROM market_day day JOIN intake ON intake.market_day = day.day AND intake.appl_id = :appl_id
WHERE day.day = :day FOR SHARE OF day
""")


def taking(connection: Connection, market: Market, *, epoch: int) -> Taking:
    """Tell whether the stream takes trades from the leader of this epoch; that the day does holds to the end.

    The epoch speaks before the marker: who was fenced cannot know which of its trades the next leader booked
    before the end, so it may not call them late.
    """
    row = connection.execute(DAY_AND_MARKER, {"day": market.day, "appl_id": market.appl_id}).one()
    if row.epoch != epoch:
        return Taking.FENCED
    if row.has_ended:
        return Taking.ENDED
    return Taking.YES if row.is_open else Taking.NOT_NOW


TAKEN_IDS = text("SELECT trade_id FROM trade WHERE market_day = :day AND refusal IS NULL AND trade_id = ANY(:ids)")
CHANGEABLE = text("SELECT trade_id FROM effective_trade WHERE market_day = :day AND trade_id = ANY(:ids)")


def known(connection: Connection, day: date, batch: Sequence[Received], *, with_ids: bool) -> Known:
    """Look up what a batch names. Ids are looked up only when asked: the unique index speaks up if one is taken."""
    whole = [received for received in batch if len(received.values) == FIELDS]
    numbers = {number for received in whole for number in received.values[7:9]}
    referred = [received.refers_to for received in whole if received.values[4] != "N" and received.refers_to]
    traders = accounts.traders(connection, numbers, day)
    ids, changeable = [], []
    if with_ids:
        asked = [received.values[3] for received in whole]
        ids = list(connection.execute(TAKEN_IDS, {"day": day, "ids": asked}).scalars())
    if referred:
        changeable = list(connection.execute(CHANGEABLE, {"day": day, "ids": referred}).scalars())
    return Known(
        open_accounts=traders.free,
        taken_ids=frozenset(ids),
        changeable=frozenset(changeable),
        buyers=traders.buyers,
        sellers=traders.sellers,
        until=traders.until,
    )


# A canonical row is a COPY line as it is, up to the time.
COPY_ACCEPTED = """
COPY trade (market_day, appl_id, appl_seq, trade_id, kind, mode, product, buyer, seller, quantity, price_fen,
            amount_fen, executed_at, refers_to, line) FROM STDIN (DELIMITER '|')
"""
COPY_REFUSED = """
COPY trade (market_day, appl_id, appl_seq, refers_to, line, received_row, refusal) FROM STDIN
"""
_TIME = len("01:30:00.123")


def copy_trades(
    connection: Connection, market: Market, batch: Sequence[Received], decisions: Sequence[Reason | None]
) -> None:
    """Store every number of the batch: accepted ones as columns, refused ones as the row that came."""
    prefix = market.day.strftime("%Y-%m-%d ")
    accepted, refused = [], []
    for received, reason in zip(batch, decisions, strict=True):
        if reason is not None:
            refused.append((received, reason))
            continue
        row, refers_to = received.row, received.refers_to
        if "\\" in row:
            row = row.replace("\\", "\\\\")
        refers = refers_to.replace("\\", "\\\\").replace("|", "\\|") if refers_to else "\\N"
        time = row[-_TIME:]
        accepted.append(f"{row[: -_TIME - 9]}{prefix}{time}+00|{refers}|{received.line}\n")
    with driver_of(connection).cursor() as cursor:
        if accepted:
            with cursor.copy(COPY_ACCEPTED) as copy:
                copy.write("".join(accepted))
        if refused:
            with cursor.copy(COPY_REFUSED) as copy:
                for received, reason in refused:
                    copy.write_row(_refused_row(market, received, reason))


def _refused_row(market: Market, received: Received, reason: Reason) -> tuple[object, ...]:
    refers = received.refers_to or None
    return market.day, market.appl_id, received.seq, refers, received.line, received.row, reason.code


INSERT_LATE = text("""
INSERT INTO trade (market_day, appl_id, appl_seq, refers_to, line, received_row, refusal)
VALUES (:day, :appl_id, :seq, :refers_to, :line, :row, :refusal) ON CONFLICT DO NOTHING
""")


def put_late(connection: Connection, market: Market, batch: Sequence[Received]) -> None:
    """Keep trades that came after the end of the day: refused, outside the totals, the watermark stays."""
    columns = ("day", "appl_id", "seq", "refers_to", "line", "row", "refusal")
    rows = [_refused_row(market, received, Reason.TRADE_AFTER_END) for received in batch]
    connection.execute(INSERT_LATE, [dict(zip(columns, row, strict=True)) for row in rows])


ADVANCE = text("""
UPDATE intake SET next_seq = :next_seq, new_count = :new_count, changed_count = :changed_count, quantity = :quantity,
    turnover_fen = :turnover_fen, hash = :hash
WHERE market_day = :day AND appl_id = :appl_id AND next_seq = :expected AND epoch = :epoch AND marker IS NULL
""").bindparams(bindparam("quantity", type_=JSONB))


def advance(connection: Connection, market: Market, *, epoch: int, before: Totals, after: Totals) -> bool:
    """Move the watermark and the running totals on; False when somebody else has, or leads now."""
    values = after.as_json() | {
        "day": market.day,
        "appl_id": market.appl_id,
        "epoch": epoch,
        "expected": before.last_seq + 1,
        "next_seq": after.last_seq + 1,
        "hash": bytes.fromhex(after.sha256_hex),
    }
    return connection.execute(ADVANCE, values).rowcount == 1


PUT_MARKER = text("""
UPDATE intake SET marker = :marker
WHERE market_day = :day AND appl_id = :appl_id AND next_seq = :next_seq AND epoch = :epoch AND marker IS NULL
""").bindparams(bindparam("marker", type_=JSONB))


def put_marker(connection: Connection, market: Market, *, epoch: int, marker: Totals) -> bool:
    """Store the exchange's end marker, once its last number is the last one here."""
    values = {"day": market.day, "appl_id": market.appl_id, "epoch": epoch, "marker": marker.as_json()}
    return connection.execute(PUT_MARKER, values | {"next_seq": marker.last_seq + 1}).rowcount == 1


ROW = """to_char(market_day, 'YYYYMMDD') || '|' || appl_id || '|' || appl_seq || '|' || trade_id || '|' || kind || '|'
    || mode || '|' || product || '|' || buyer || '|' || seller || '|' || quantity || '|' || price_fen || '|'
    || amount_fen || '|' || to_char(executed_at AT TIME ZONE 'UTC', 'YYYYMMDD-HH24:MI:SS.MS')"""
"""The canonical row, rebuilt from the columns of an accepted trade."""

BODIES = text(f"""
SELECT appl_seq, coalesce(received_row, {ROW}) || coalesce(chr(1) || refers_to, '') AS body
FROM trade WHERE market_day = :day AND appl_id = :appl_id AND appl_seq = ANY(:seqs)
""")  # noqa: S608  # a constant of this file


def bodies(connection: Connection, market: Market, seqs: Sequence[int]) -> dict[int, str]:
    """Return what is stored under these numbers, to compare a late second copy with."""
    values = {"day": market.day, "appl_id": market.appl_id, "seqs": list(seqs)}
    return {row.appl_seq: row.body for row in connection.execute(BODIES, values)}


PUT_QUARANTINE = text("""
INSERT INTO trade_quarantine (market_day, appl_id, appl_seq, line, row_known, row_other)
VALUES (:day, :appl_id, :seq, :line, :known, :other) ON CONFLICT DO NOTHING
""")


def quarantine(connection: Connection, market: Market, *, seq: int, line: str, known: str, other: str) -> None:
    """Keep both bodies of one number; the day cannot seal while there is one."""
    values = {"day": market.day, "appl_id": market.appl_id, "seq": seq, "line": line, "known": known, "other": other}
    connection.execute(PUT_QUARANTINE, values)


REFUSED = text("""
SELECT appl_seq, received_row, refusal FROM trade
WHERE market_day = :day AND appl_id = :appl_id AND refusal IS NOT NULL ORDER BY appl_seq LIMIT :limit
""")


def refused(connection: Connection, market: Market, *, limit: int) -> list[tuple[int, str, Reason]]:
    """Return the day's refused numbers, to tell the exchange again."""
    values = {"day": market.day, "appl_id": market.appl_id, "limit": limit}
    reasons = {reason.code: reason for reason in Reason}
    return [(row[0], row[1], reasons[row[2]]) for row in connection.execute(REFUSED, values)]


PUT_EVENT = text("INSERT INTO link_event (line, event, detail) VALUES (:line, :event, :detail)")


def note(connection: Connection, events: Iterable[tuple[str, str, str]]) -> None:
    """Append (line, event, detail) to the log of the link."""
    connection.execute(PUT_EVENT, [{"line": line, "event": event, "detail": text} for line, event, text in events])


RUNNING = text("""
SELECT next_seq, new_count, changed_count, quantity, turnover_fen, hash, marker
FROM intake WHERE market_day = :day AND appl_id = :appl_id
""")


def running(connection: Connection, day: date, appl_id: str = APPL_ID) -> Totals | None:
    """Return the totals kept while booking; None when nothing of the day ever came."""
    row = connection.execute(RUNNING, {"day": day, "appl_id": appl_id}).one_or_none()
    return None if row is None else _totals_of(row)


def marker(connection: Connection, day: date, appl_id: str = APPL_ID) -> Totals | None:
    """Return the exchange's own totals from its end marker; None while it has not come."""
    row = connection.execute(RUNNING, {"day": day, "appl_id": appl_id}).one_or_none()
    return None if row is None or row.marker is None else Totals.of_json(row.marker)


COUNT_QUARANTINED = text("SELECT count(*) FROM trade_quarantine WHERE market_day = :day")


def quarantined(connection: Connection, day: date) -> int:
    """Count numbers of the day that came with two different bodies."""
    return int(connection.execute(COUNT_QUARANTINED, {"day": day}).scalar_one())


SUMS = text("""
SELECT count(*) FILTER (WHERE kind = 'N') AS new_count, product, sum(quantity) AS quantity,
       sum(amount_fen) AS turnover_fen
FROM trade WHERE market_day = :day AND appl_id = :appl_id AND refusal IS NULL GROUP BY product
""")
ROWS = text(f"""
SELECT appl_seq, coalesce(received_row, {ROW}), refusal FROM trade
WHERE market_day = :day AND appl_id = :appl_id
  AND appl_seq < (SELECT next_seq FROM intake WHERE market_day = :day AND appl_id = :appl_id)
ORDER BY appl_seq
""")  # noqa: S608  # a constant of this file


def recomputed(connection: Connection, day: date, appl_id: str = APPL_ID) -> Totals:
    """Compute the totals anew from the stored trades: sums in SQL, the chain over every row in order."""
    values = {"day": day, "appl_id": appl_id}
    new = count = turnover = 0
    quantity: dict[str, int] = {}
    for row in connection.execute(SUMS, values):
        new, turnover = new + row.new_count, turnover + int(row.turnover_fen)
        quantity[row.product] = int(row.quantity)
    digest, sha256 = HASH_0, hashlib.sha256
    streaming = {"stream_results": True, "yield_per": 10_000}
    last = 0
    for last, canonical, refusal in connection.execute(ROWS, values, execution_options=streaming):  # noqa: B007
        digest = sha256(b"%s%s\n" % (digest, canonical.encode())).digest()
        count += 1
        fields: list[str] = canonical.split("|") if refusal is not None else []
        if len(fields) != FIELDS:
            continue
        new += fields[4] == "N"
        if fields[9] and is_plain(fields[9]):
            quantity[fields[6]] = quantity.get(fields[6], 0) + int(fields[9])
        turnover += int(fields[11]) if fields[11] and is_plain(fields[11]) else 0
    return Totals(new, count - new, last, quantity, turnover, digest.hex())
