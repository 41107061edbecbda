"""Clearing and delivery as set-based SQL: obligations, staged transfers, and the proofs after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from core.ledger.rules import CLEARING
from core.quantities import CASH, Break, Vintage

INSERT_OBLIGATIONS = text("""
INSERT INTO obligation (day, account, asset, receives, delivers)
SELECT t.market_day, leg.account, leg.asset, sum(leg.receives), sum(leg.delivers)
FROM effective_trade t
CROSS JOIN LATERAL (VALUES (buyer, product, quantity, 0), (seller, product, 0, quantity),
                           (seller, :cash, amount_fen, 0), (buyer, :cash, 0, amount_fen))
    AS leg (account, asset, receives, delivers)
WHERE t.market_day = :day GROUP BY t.market_day, leg.account, leg.asset ORDER BY leg.account, leg.asset
""")


def insert_obligations(connection: Connection, day: date) -> None:
    """Add up, gross, what every account receives and delivers of every asset."""
    connection.execute(INSERT_OBLIGATIONS, {"day": day, "cash": CASH})


LISTED = text("""
SELECT product, sum(quantity) AS tonnes, sum(amount_fen) AS fen FROM effective_trade
WHERE market_day = :day AND mode = 'listed' GROUP BY product
""")


def listed_sums(connection: Connection, day: date) -> dict[str, tuple[int, int]]:
    """Return tonnes and fen of the listed trades of each product."""
    return {product: (int(tonnes), int(fen)) for product, tonnes, fen in connection.execute(LISTED, {"day": day})}


# Looked up row by row on purpose: these tables are minutes old, and a join without statistics can take any way.
BEYOND_OPENING = text("""
SELECT account, asset, opening, delivers
FROM (SELECT o.account, o.asset, o.delivers, coalesce(
          (SELECT p.amount FROM opening_position p WHERE p.day = o.day AND p.version = :version
           AND p.account = o.account AND p.asset = o.asset), 0) AS opening
      FROM obligation o WHERE o.day = :day) AS owed
WHERE delivers > opening ORDER BY account, asset
""")

# Only who buys for more than the opening cash can run short on the way; everybody else needs no second look.
LOWEST_CASH = text("""
SELECT account, min(change) AS lowest
FROM (SELECT leg.account, sum(leg.delta) OVER (
          PARTITION BY leg.account ORDER BY t.executed_at, t.appl_id, t.appl_seq ROWS UNBOUNDED PRECEDING) AS change
      FROM effective_trade t
      CROSS JOIN LATERAL (VALUES (buyer, -amount_fen), (seller, amount_fen)) AS leg (account, delta)
      WHERE t.market_day = :day AND leg.account = ANY(CAST(:accounts AS text[]))) AS course
GROUP BY account ORDER BY account
""")


def uncovered(connection: Connection, day: date, *, version: int) -> list[Break]:
    """Name who sold more than the opening data allowed, or ran out of cash in the order of the trades."""
    beyond = connection.execute(BEYOND_OPENING, {"day": day, "version": version}).all()
    breaks = [
        Break("account", "opening", row.account, row.asset, row.opening, row.delivers)
        for row in beyond
        if row.asset != CASH
    ]
    opening = {row.account: row.opening for row in beyond if row.asset == CASH}
    if opening:
        for account, lowest in connection.execute(LOWEST_CASH, {"day": day, "accounts": list(opening)}):
            if opening[account] + lowest < 0:
                breaks.append(Break("account", "opening", account, CASH, 0, int(opening[account] + lowest)))
    return breaks


TOTALS = text("""
SELECT product, count(*) AS trades, sum(quantity) AS tonnes, sum(amount_fen) AS fen
FROM effective_trade WHERE market_day = :day GROUP BY product ORDER BY product
""")

OBLIGATIONS = text("""
SELECT account, asset, receives, delivers FROM obligation WHERE day = :day ORDER BY account, asset
""")


def clearing_result(connection: Connection, day: date) -> dict[str, Any]:
    """Return the result that the exchange is asked to confirm: totals, and each account's gross sides."""
    rows = connection.execute(TOTALS, {"day": day}).all()
    totals = {
        "trades": sum(row.trades for row in rows),
        "turnover_fen": int(sum(row.fen for row in rows)),
        "quantity": {row.product: int(row.tonnes) for row in rows},
    }
    accounts = [list(row) for row in connection.execute(OBLIGATIONS, {"day": day})]
    return {"day": day.isoformat(), "totals": totals, "accounts": accounts}


CASH_NETS = text("""
SELECT a.bank, o.account, o.receives - o.delivers AS fen
FROM obligation o JOIN account a ON a.number = o.account
WHERE o.day = :day AND o.asset = :cash AND o.receives <> o.delivers ORDER BY a.bank, o.account
""")


def cash_nets(connection: Connection, day: date) -> dict[str, list[tuple[str, int]]]:
    """Return by bank what each account's cash changes by."""
    nets: dict[str, list[tuple[str, int]]] = {}
    for bank, account, fen in connection.execute(CASH_NETS, {"day": day, "cash": CASH}):
        nets.setdefault(bank, []).append((account, fen))
    return nets


SHORT = text("""
SELECT account, asset, held, needed
FROM (SELECT o.account, o.asset, CASE o.asset WHEN :cash THEN o.delivers - o.receives ELSE o.delivers END AS needed,
             coalesce((SELECT a.balance FROM ledger_account a
                       WHERE a.owner = o.account AND a.asset = o.asset AND a.bucket = 'available'), 0) AS held
      FROM obligation o WHERE o.day = :day) AS owed
WHERE needed > held ORDER BY account, asset
""")


def short(connection: Connection, day: date) -> list[Break]:
    """Name who no longer holds what delivery would take."""
    rows = connection.execute(SHORT, {"day": day, "cash": CASH})
    return [Break("account", "ledger", row.account, row.asset, row.needed, row.held) for row in rows]


STAGE_TRADES = text("""
INSERT INTO staged_transfer
    (id, debit_owner, debit_bucket, credit_owner, credit_bucket, asset, amount, type, reference, position)
SELECT concat('trade:', t.market_day, ':', t.appl_id, ':', t.appl_seq, ':', leg.name), leg.giver, 'available',
       leg.taker, leg.bucket, leg.asset, leg.amount, leg.type, t.trade_id, 2 * t.nth + leg.place
FROM (SELECT *, row_number() OVER (ORDER BY appl_id, appl_seq) AS nth
      FROM effective_trade WHERE market_day = :day) AS t
CROSS JOIN LATERAL (VALUES
    ('units', seller, buyer, 'bought_today', product, quantity, 'TRADE_UNITS', 0),
    ('cash', buyer, seller, 'available', :cash, amount_fen, 'TRADE_CASH', 1))
    AS leg (name, giver, taker, bucket, asset, amount, type, place)
""")


def stage_trades(connection: Connection, day: date) -> int:
    """Stage both legs of every effective trade, in the order of the exchange; return how many rows that is."""
    return connection.execute(STAGE_TRADES, {"day": day, "cash": CASH}).rowcount


# Worded apart from effective_trade on purpose: the second accounting must not inherit a mistake of the first.
UNDONE = text("""
SELECT refers_to FROM trade WHERE market_day = :day AND refers_to IS NOT NULL AND refusal IS NULL AND kind <> 'N'
""")
UNIT_NETS = text("""
SELECT account, product, sum(tonnes) AS tonnes
FROM (SELECT side.account, product, side.tonnes
      FROM trade, LATERAL (VALUES (buyer, quantity), (seller, -quantity)) AS side (account, tonnes)
      WHERE market_day = :day AND refusal IS NULL AND kind <> 'C'
        AND trade_id <> ALL(CAST(:undone AS text[]))) AS sides
GROUP BY account, product HAVING sum(tonnes) <> 0 ORDER BY account, product
""")


def unit_nets(connection: Connection, day: date) -> list[tuple[str, Vintage, int]]:
    """Return what each account's units change by, from the trades themselves."""
    undone = list(connection.execute(UNDONE, {"day": day}).scalars())
    rows = connection.execute(UNIT_NETS, {"day": day, "undone": undone})
    return [(account, Vintage.of_product(product), int(tonnes)) for account, product, tonnes in rows]


IN_TRANSIT = text("SELECT asset, balance FROM ledger_account WHERE owner = :clearing AND balance <> 0 ORDER BY asset")


def in_transit(connection: Connection) -> list[Break]:
    """Name what is stuck between giver and taker; nothing may be, once a day is delivered."""
    rows = connection.execute(IN_TRANSIT, {"clearing": CLEARING})
    return [Break("total", "in transit", CLEARING, asset, 0, balance) for asset, balance in rows]


UNSETTLED = text("SELECT count(*) FROM effective_trade WHERE market_day = :day")


def effective_count(connection: Connection, day: date) -> int:
    """Count the trades that the day's delivery has to settle."""
    found: int = connection.execute(UNSETTLED, {"day": day}).scalar_one()
    return found


SETTLED_TRADES = text("""
SELECT t.appl_seq, t.trade_id, t.mode, t.product, t.buyer, t.seller, t.quantity, t.price_fen, t.amount_fen,
       t.executed_at
FROM effective_trade t
JOIN transfer units ON units.id = concat('trade:', t.market_day, ':', t.appl_id, ':', t.appl_seq, ':', 'units')
JOIN transfer cash ON cash.id = concat('trade:', t.market_day, ':', t.appl_id, ':', t.appl_seq, ':', 'cash')
WHERE t.market_day = :day AND t.appl_seq > :after ORDER BY t.appl_seq LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class SettledTrade:
    """A trade whose both legs are in the ledger."""

    appl_seq: int
    trade_id: str
    mode: str
    product: str
    buyer: str
    seller: str
    quantity: int
    price_fen: int
    amount_fen: int
    executed_at: Any


def settled_trades(connection: Connection, day: date, *, after: int, limit: int) -> Sequence[SettledTrade]:
    """Return the day's settled trades in the order of the exchange, a page at a time."""
    page = {"day": day, "after": after, "limit": limit}
    return [SettledTrade(**row) for row in connection.execute(SETTLED_TRADES, page).mappings()]
