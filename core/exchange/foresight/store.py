"""The trades of a day under other rules than it had: one pass of SQL with the same rules as ``judge``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from core.exchange.rules import Market

# The same rules as ``judge`` has, as one pass over a day: what its accepted trades would be under other rules.
JUDGED = """
WITH bounds AS (
    SELECT * FROM jsonb_to_recordset(CAST(:bounds AS jsonb)) AS b (
        product text, mode text, low_fen bigint, high_fen bigint, least_t bigint, most_t bigint)),
hours AS (SELECT * FROM jsonb_to_recordset(CAST(:hours AS jsonb)) AS h (mode text, first time, last time)),
judged AS (
    SELECT t.appl_seq, t.trade_id, t.mode, t.product, t.buyer, t.seller, t.quantity, t.price_fen,
           CASE WHEN NOT EXISTS (SELECT FROM hours h WHERE h.mode = t.mode AND
                                 CAST(t.executed_at AT TIME ZONE 'UTC' AS time) BETWEEN h.first AND h.last) THEN '5013'
                WHEN b.product IS NULL THEN '5006'
                WHEN t.price_fen % :tick_fen <> 0 THEN '5014'
                WHEN t.price_fen NOT BETWEEN b.low_fen AND b.high_fen THEN '5008'
                WHEN t.quantity NOT BETWEEN b.least_t AND b.most_t THEN '5009' END AS refusal
    FROM trade t LEFT JOIN bounds b ON b.product = t.product AND b.mode = t.mode
    WHERE t.market_day = :day AND t.refusal IS NULL)
"""
REFUSED_SUMS = text(JUDGED + "SELECT refusal, count(*), sum(quantity) FROM judged GROUP BY refusal")  # noqa: S608  # constants
REFUSED_FIRST = text(JUDGED + "SELECT * FROM judged WHERE refusal IS NOT NULL ORDER BY appl_seq LIMIT :limit")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a day's accepted trades would be under other rules: trades and tonnes by refusal, and the first refused."""

    accepted: int
    refused: dict[str, tuple[int, int]]
    first: list[dict[str, Any]]


def foresee(connection: Connection, market: Market, *, limit: int) -> Foreseen:
    """Hold the accepted trades of a day against a market that may have other rules than the day had."""
    bounds = [
        {"product": product, "mode": mode, **asdict(found)}
        for product, modes in market.bounds.items()
        for mode, found in modes.items()
    ]
    hours = [{"mode": mode, "first": a, "last": b} for mode, sessions in market.hours.items() for a, b in sessions]
    facts = {"day": market.day, "tick_fen": market.tick_fen, "bounds": json.dumps(bounds), "hours": json.dumps(hours)}
    sums = {code: (trades, int(tonnes)) for code, trades, tonnes in connection.execute(REFUSED_SUMS, facts)}
    accepted = sums.pop(None, (0, 0))[0]
    first = [dict(row) for row in connection.execute(REFUSED_FIRST, facts | {"limit": limit}).mappings()]
    return Foreseen(accepted, sums, first)


LAST_TRADED = text("SELECT max(market_day) FROM trade WHERE refusal IS NULL")


def last_traded(connection: Connection) -> date | None:
    """Return the newest day of which a trade was accepted."""
    found: date | None = connection.execute(LAST_TRADED).scalar_one()
    return found
