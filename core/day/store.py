"""The market day's tables: its row and events, products, opening data and confirmations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from core.day.rules import State, may_follow
from core.quantities import Break


@dataclass(frozen=True, slots=True)
class Day:
    """The row of a market day; the cumulative figures are those before it."""

    day: date
    state: State
    cumulative_t: int
    cumulative_fen: int
    seal: dict[str, Any] | None
    breaks: list[dict[str, Any]]
    changed_at: datetime


FIND = text("""
SELECT day, state, cumulative_t, cumulative_fen, seal, breaks, changed_at FROM market_day WHERE day = :day
""")
NEWEST = text("""
SELECT day, state, cumulative_t, cumulative_fen, seal, breaks, changed_at FROM market_day ORDER BY day DESC LIMIT 1
""")
HOLD_NEWEST = text("""
SELECT day, state, cumulative_t, cumulative_fen, seal, breaks, changed_at FROM market_day
ORDER BY day DESC LIMIT 1 FOR UPDATE
""")
UNFINISHED = text("""
SELECT day, state, cumulative_t, cumulative_fen, seal, breaks, changed_at FROM market_day
WHERE state NOT IN ('REPORTED', 'HALTED') ORDER BY day
""")


def _day(row: RowMapping) -> Day:
    facts = {"state": State(row["state"]), "cumulative_fen": int(row["cumulative_fen"])}
    return Day(**(dict(row) | facts))


def find(connection: Connection, day: date) -> Day | None:
    """Read the day's row, or None."""
    row = connection.execute(FIND, {"day": day}).mappings().one_or_none()
    return None if row is None else _day(row)


def get(connection: Connection, day: date) -> Day:
    """Read the row of a day that is known to exist."""
    return _day(connection.execute(FIND, {"day": day}).mappings().one())


def newest(connection: Connection, *, hold: bool = False) -> Day | None:
    """Read the row of the latest day there is, or None; ``hold`` keeps it as it is until the transaction ends."""
    row = connection.execute(HOLD_NEWEST if hold else NEWEST).mappings().one_or_none()
    return None if row is None else _day(row)


# Who gave way to a later day is halted too, without a break.
BROKEN = text("SELECT EXISTS (SELECT FROM market_day WHERE state = 'HALTED' AND breaks <> '[]')")


def broken(connection: Connection) -> bool:
    """Tell whether any day is halted on a break, the newest or an earlier one."""
    found: bool = connection.execute(BROKEN).scalar_one()
    return found


# A day that halted is undelivered, unless it halted after its delivery.
UNDELIVERED = text("""
SELECT day FROM market_day d
WHERE state NOT IN ('DELIVERED', 'OPENING_BUILT', 'REPORTED')
  AND NOT EXISTS (SELECT FROM market_day_event e WHERE e.day = d.day AND e.state = 'DELIVERED') ORDER BY day
""")


def undelivered(connection: Connection) -> list[date]:
    """Return the days whose trades have not changed hands, oldest first, halted days included."""
    return list(connection.execute(UNDELIVERED).scalars())


def unfinished(connection: Connection) -> list[Day]:
    """Read the days that still have an arrow to take, oldest first."""
    return [_day(row) for row in connection.execute(UNFINISHED).mappings()]


LOCK = text("SELECT state FROM market_day WHERE day = :day FOR UPDATE SKIP LOCKED")


def lock(connection: Connection, day: date) -> State | None:
    """Take the day's row for this transaction and return its state; None when another worker has it."""
    found = connection.execute(LOCK, {"day": day}).scalar_one_or_none()
    return None if found is None else State(found)


LOCK_PATIENTLY = text("SELECT state FROM market_day WHERE day = :day FOR UPDATE")


def lock_patiently(connection: Connection, day: date) -> State:
    """Take the day's row for this transaction, waiting for whoever has it."""
    return State(connection.execute(LOCK_PATIENTLY, {"day": day}).scalar_one())


INSERT = text("""
INSERT INTO market_day (day, state, cumulative_t, cumulative_fen) VALUES (:day, :state, :cumulative_t, :cumulative_fen)
""")
INSERT_PRODUCT = text("""
INSERT INTO market_day_product (day, product, previous_close_fen) VALUES (:day, :product, :previous_close_fen)
""")


def insert(
    connection: Connection,
    day: date,
    *,
    previous_close_fen: Mapping[str, int],
    cumulative_t: int,
    cumulative_fen: int,
) -> None:
    """Write a new day in its first state, with its products."""
    row = {"day": day, "state": State.OPENING_SENT, "cumulative_t": cumulative_t, "cumulative_fen": cumulative_fen}
    connection.execute(INSERT, row)
    for product, close in sorted(previous_close_fen.items()):
        connection.execute(INSERT_PRODUCT, {"day": day, "product": product, "previous_close_fen": close})


MOVE = text("UPDATE market_day SET state = :after, changed_at = now() WHERE day = :day AND state = :before")
INSERT_EVENT = text("""
INSERT INTO market_day_event (day, state_before, state, worker, detail)
VALUES (:day, :before, :after, :worker, :detail)
""")


def move(
    connection: Connection, day: date, *, before: State | None, after: State, worker: str, detail: str = ""
) -> None:
    """Change the day's state, of which the caller holds the row, and leave an event; None for a new day.

    An arrow that the day's rules do not know is a fault of the caller.
    """
    if not may_follow(before, after):
        raise ValueError(f"no day goes from {before or 'nothing'} to {after}")
    facts = {"day": day, "before": before, "after": after, "worker": worker, "detail": detail}
    if before is not None and connection.execute(MOVE, facts).rowcount != 1:
        raise RuntimeError(f"{day} is not {before}")
    connection.execute(INSERT_EVENT, facts)


def note(connection: Connection, day: date, *, worker: str, detail: str) -> None:
    """Leave an event of a day whose state stays as it is; the caller holds its row."""
    state = get(connection, day).state
    connection.execute(INSERT_EVENT, {"day": day, "before": state, "after": state, "worker": worker, "detail": detail})


EVENTS = text("""
SELECT state_before, state, worker, detail, at FROM market_day_event WHERE day = :day ORDER BY id
""")


def events(connection: Connection, day: date) -> list[dict[str, Any]]:
    """Return every change of the day's state, oldest first."""
    return [{**row, "at": row["at"].isoformat()} for row in connection.execute(EVENTS, {"day": day}).mappings()]


SET_BREAKS = text("UPDATE market_day SET breaks = CAST(:breaks AS jsonb) WHERE day = :day")


def set_breaks(connection: Connection, day: date, breaks: Sequence[Break]) -> None:
    """Write the list of what does not agree; an empty one when it does again."""
    connection.execute(SET_BREAKS, {"day": day, "breaks": json.dumps([asdict(b) for b in breaks], ensure_ascii=False)})


SET_SEAL = text("UPDATE market_day SET seal = CAST(:seal AS jsonb) WHERE day = :day")
LAST_SEAL = text(
    "SELECT seal ->> 'seal' FROM market_day WHERE seal IS NOT NULL AND day < :day ORDER BY day DESC LIMIT 1"
)


def set_seal(connection: Connection, day: date, seal: Mapping[str, Any]) -> None:
    """Write the day's seal."""
    connection.execute(SET_SEAL, {"day": day, "seal": json.dumps(seal, ensure_ascii=False)})


def last_seal(connection: Connection, day: date) -> str | None:
    """Return the seal of the last sealed day before this one."""
    found: str | None = connection.execute(LAST_SEAL, {"day": day}).scalar_one_or_none()
    return found


PRODUCTS = text(
    "SELECT product, previous_close_fen, close_fen FROM market_day_product WHERE day = :day ORDER BY product"
)
LAST_CLOSES = text("""
SELECT DISTINCT ON (product) product, close_fen FROM market_day_product
WHERE day < :day AND close_fen IS NOT NULL ORDER BY product, day DESC
""")
SET_CLOSE = text("UPDATE market_day_product SET close_fen = :close_fen WHERE day = :day AND product = :product")


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the day with its closes; its own is None until the day is cleared."""

    product: str
    previous_close_fen: int
    close_fen: int | None


def products(connection: Connection, day: date) -> list[Product]:
    """Return what is traded on the day."""
    return [Product(**row) for row in connection.execute(PRODUCTS, {"day": day}).mappings()]


def last_closes(connection: Connection, day: date) -> dict[str, int]:
    """Return the last close of every product that was cleared before a day."""
    return {row.product: row.close_fen for row in connection.execute(LAST_CLOSES, {"day": day})}


def set_closes(connection: Connection, day: date, closes: Mapping[str, int]) -> None:
    """Write the close of every product."""
    for product, close_fen in sorted(closes.items()):
        connection.execute(SET_CLOSE, {"day": day, "product": product, "close_fen": close_fen})


HOLDERS = text("""
SELECT asset, count(DISTINCT owner) AS accounts, sum(balance) AS tonnes FROM ledger_account
WHERE asset = ANY(CAST(:products AS text[])) AND bucket <> 'system' AND balance > 0 GROUP BY asset
""")


def holders(connection: Connection, products: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many accounts hold something of each product, and how much."""
    rows = connection.execute(HOLDERS, {"products": list(products)})
    return {row.asset: {"accounts": row.accounts, "tonnes": int(row.tonnes)} for row in rows}


COUNT_REFUSALS = text("SELECT count(*) FROM confirmation WHERE day = :day AND party = :party AND NOT agreed")
INSERT_CONFIRMATION = text("""
INSERT INTO confirmation (day, party, step, agreed, detail)
VALUES (:day, :party, :step, :agreed, CAST(:detail AS jsonb)) ON CONFLICT (day, party, step) DO NOTHING
""")


def refusals(connection: Connection, day: date, party: str) -> int:
    """Count how often a party said no on this day; the next question to it is a new one."""
    found: int = connection.execute(COUNT_REFUSALS, {"day": day, "party": party}).scalar_one()
    return found


def confirm(
    connection: Connection, day: date, *, party: str, step: str, agreed: bool, detail: Mapping[str, Any]
) -> None:
    """Keep what a party answered; the same answer to the same step twice is kept once."""
    facts = {"day": day, "party": party, "step": step, "agreed": agreed}
    connection.execute(INSERT_CONFIRMATION, facts | {"detail": json.dumps(detail, ensure_ascii=False)})


# Late numbers, after the end marker, are refused rows like others: received = accepted + refused.
COUNT_TRADES = text("""
SELECT count(*) FILTER (WHERE refusal IS NULL) AS accepted, count(*) FILTER (WHERE refusal IS NOT NULL) AS refused
FROM trade WHERE market_day = :day
""")
TRADED = text("SELECT EXISTS (SELECT FROM trade WHERE market_day = :day)")


def count_trades(connection: Connection, day: date) -> tuple[int, int]:
    """Return how many numbers of the day were accepted and how many refused."""
    accepted, refused = connection.execute(COUNT_TRADES, {"day": day}).one()
    return accepted, refused


def traded(connection: Connection, day: date) -> bool:
    """Tell whether anything at all was received for the day."""
    return bool(connection.execute(TRADED, {"day": day}).scalar_one())


# Whoever has locked balances finishes first, and whoever wants to waits and then sees the day's row: no transfer
# slips in between what is read for the opening data and the row that forbids it.
LOCK_BALANCES = text("LOCK TABLE ledger_account IN EXCLUSIVE MODE")


def lock_balances(connection: Connection) -> None:
    """Hold every balance of the ledger still until this transaction ends."""
    connection.execute(LOCK_BALANCES)


STAGE_RELEASES = text("""
INSERT INTO staged_transfer
    (id, debit_owner, debit_bucket, credit_owner, credit_bucket, asset, amount, type, reference, position)
SELECT concat('release:', CAST(:day AS date), ':', owner, ':', asset), owner, 'bought_today', owner, 'available',
       asset, balance, 'RELEASE_BOUGHT', concat('day:', CAST(:day AS date)), row_number() OVER (ORDER BY owner, asset)
FROM ledger_account WHERE bucket = 'bought_today' AND balance > 0
""")


def stage_releases(connection: Connection, day: date) -> None:
    """Stage that everything bought on earlier days becomes available."""
    connection.execute(STAGE_RELEASES, {"day": day})


BOUGHT_OPENED = "what was bought may be used"
NOT_OPENED = text("""
SELECT d.day FROM (SELECT day FROM market_day WHERE state IN ('OPENING_BUILT', 'REPORTED') AND day < :today
                   ORDER BY day DESC LIMIT 1) AS d
WHERE NOT EXISTS (SELECT FROM market_day_event e WHERE e.day = d.day AND e.detail = :done)
""")


def not_opened(connection: Connection, today: date) -> date | None:
    """Return the newest day that is over and whose purchases nobody has made available yet."""
    found: date | None = connection.execute(NOT_OPENED, {"today": today, "done": BOUGHT_OPENED}).scalar()
    return found


# What was bought on an earlier day may be sold, although it becomes available only when the date has changed.
HELD = """LEFT JOIN LATERAL (
    SELECT sum(a.balance)::bigint AS balance FROM ledger_account a
    WHERE a.owner = t.number AND a.asset = p.asset AND a.bucket IN ('available', 'bought_today')) AS l ON true"""
# What may not be sold or spent is not there for the exchange; who may do neither stands in no opening data.
TRADABLE = "CASE WHEN p.asset = 'CNY' AND t.buys OR p.asset <> 'CNY' AND t.sells THEN coalesce(l.balance, 0) ELSE 0 END"
INSERT_POSITIONS = text(f"""
INSERT INTO opening_position (day, version, account, asset, amount)
SELECT :day, :version, t.number, p.asset, {TRADABLE}
FROM account_trading t
CROSS JOIN unnest(CAST(:assets AS text[])) AS p (asset)
{HELD}
WHERE t.buys OR t.sells
""")  # noqa: S608  # a constant of this file
INSERT_POSITIONS_AGAIN = text(f"""
INSERT INTO opening_position (day, version, account, asset, amount)
SELECT p.day, p.version + 1, p.account, p.asset, {TRADABLE}
FROM opening_position p
JOIN account_trading t ON t.number = p.account
{HELD}
WHERE p.day = :day AND p.version = :version
""")  # noqa: S608  # a constant of this file
POSITIONS_CHANGED = text(f"""
SELECT EXISTS (
    SELECT FROM opening_position p
    JOIN account_trading t ON t.number = p.account
    {HELD}
    WHERE p.day = :day AND p.version = :version AND p.amount <> {TRADABLE})
""")  # noqa: S608  # a constant of this file
INSERT_OPENING = text("""
INSERT INTO opening (day, version, positions, hash) VALUES (:day, :version, :positions, :hash)
""")
POSITIONS = text("SELECT account, asset, amount FROM opening_position WHERE day = :day AND version = :version")
LATEST_OPENING = text("SELECT version, hash FROM opening WHERE day = :day ORDER BY version DESC LIMIT 1")
ACKNOWLEDGE = text("""
UPDATE opening SET acknowledged_at = now() WHERE day = :day AND version = :version AND acknowledged_at IS NULL
""")


def insert_positions(connection: Connection, day: date, version: int, *, assets: Sequence[str]) -> None:
    """Freeze what every open account holds available of the assets."""
    connection.execute(INSERT_POSITIONS, {"day": day, "version": version, "assets": list(assets)})


def insert_positions_again(connection: Connection, day: date, version: int) -> None:
    """Freeze what the accounts of this version hold available now, as the version after it."""
    connection.execute(INSERT_POSITIONS_AGAIN, {"day": day, "version": version})


def positions_changed(connection: Connection, day: date, version: int) -> bool:
    """Tell whether any account of this version holds something else by now."""
    changed: bool = connection.execute(POSITIONS_CHANGED, {"day": day, "version": version}).scalar_one()
    return changed


def insert_opening(connection: Connection, day: date, version: int, *, positions: int, hashed: str) -> None:
    """Write a version of the opening data; its positions are there already."""
    row = {"day": day, "version": version, "positions": positions, "hash": bytes.fromhex(hashed)}
    connection.execute(INSERT_OPENING, row)


def positions(connection: Connection, day: date, version: int) -> list[tuple[str, str, int]]:
    """Return account, asset and amount of a version, in order."""
    rows = connection.execute(POSITIONS, {"day": day, "version": version})
    return sorted((account, asset, amount) for account, asset, amount in rows)


def latest_opening(connection: Connection, day: date) -> tuple[int, str]:
    """Return version and hash of the newest opening data of the day."""
    version, hashed = connection.execute(LATEST_OPENING, {"day": day}).one()
    return version, bytes(hashed).hex()


def acknowledge_opening(connection: Connection, day: date, version: int) -> None:
    """Note when the exchange first had this version."""
    connection.execute(ACKNOWLEDGE, {"day": day, "version": version})
