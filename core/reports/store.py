"""The daily report's table, and the one query that adds a delivered day up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from core.reports.rules import ProductDay

BY_PRODUCT = text("""
SELECT p.product, p.previous_close_fen, p.close_fen, count(t.trade_id) AS trades,
       coalesce(sum(t.quantity) FILTER (WHERE t.mode = 'listed'), 0)::bigint AS listed_t,
       coalesce(sum(t.amount_fen) FILTER (WHERE t.mode = 'listed'), 0)::bigint AS listed_fen,
       coalesce(sum(t.quantity) FILTER (WHERE t.mode = 'block'), 0)::bigint AS block_t,
       coalesce(sum(t.amount_fen) FILTER (WHERE t.mode = 'block'), 0)::bigint AS block_fen,
       (SELECT f.price_fen FROM effective_trade f
        WHERE f.market_day = p.day AND f.product = p.product AND f.mode = 'listed'
        ORDER BY f.executed_at, f.appl_id, f.appl_seq LIMIT 1) AS first_listed_fen,
       max(t.price_fen) FILTER (WHERE t.mode = 'listed') AS high_fen,
       min(t.price_fen) FILTER (WHERE t.mode = 'listed') AS low_fen,
       max(t.price_fen) AS high_all_fen, min(t.price_fen) AS low_all_fen
FROM market_day_product p
LEFT JOIN effective_trade t ON t.market_day = p.day AND t.product = p.product
WHERE p.day = :day GROUP BY p.day, p.product ORDER BY p.product
""")


def product_days(connection: Connection, day: date) -> list[ProductDay]:
    """Add up each product of a cleared day from its effective trades."""
    return [ProductDay(**row) for row in connection.execute(BY_PRODUCT, {"day": day}).mappings()]


# Through the day's batches: transfers have no index by day, and need none for this.
BOOKED = text("""
SELECT asset, sum(amount) AS amount FROM transfer
WHERE batch IN (SELECT batch FROM ledger_batch WHERE market_day = :day) AND market_day = :day
  AND type IN ('TRADE_UNITS', 'TRADE_CASH')
GROUP BY asset
""")


def booked(connection: Connection, day: date) -> dict[str, int]:
    """Return how much of each asset the ledger moved for trades of the day."""
    return {asset: int(amount) for asset, amount in connection.execute(BOOKED, {"day": day})}


INSERT = text("""
INSERT INTO daily_report (day, text, figures) VALUES (:day, :text, CAST(:figures AS jsonb))
""")
FIND = text("SELECT text, figures FROM daily_report WHERE day = :day")


def insert(connection: Connection, day: date, *, content: str, figures: Mapping[str, Any]) -> None:
    """Publish the report of a day; there is one, and it never changes."""
    connection.execute(INSERT, {"day": day, "text": content, "figures": json.dumps(figures, ensure_ascii=False)})


def find(connection: Connection, day: date) -> tuple[str, dict[str, Any]] | None:
    """Return text and figures of a published report, or None."""
    row = connection.execute(FIND, {"day": day}).one_or_none()
    return None if row is None else (row.text, row.figures)
