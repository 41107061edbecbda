"""A day's figures added up from delivered trades alone, and what they must equal (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from chaos.market.published import PublishedDay
from chaos.market.trades import MarketTrade
from chaos.verdict import Check


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trades the exchange sent, the registry booked and delivered; and which are missing or doubled."""

    sent: int
    booked: int
    settled: int
    lost: list[str]
    twice: list[str]
    wrong: list[str]


def count(sent: Sequence[MarketTrade], sent_count: int, booked: int, delivered: Sequence[Mapping[str, Any]]) -> Counts:
    """Compare trade by trade what was sent with what was delivered."""
    times = Counter(str(trade["trade_id"]) for trade in delivered)
    by_id = {str(trade["trade_id"]): trade for trade in delivered}
    fields = ("mode", "product", "buyer", "seller", "quantity", "price_fen")
    wrong = [
        trade.trade_id
        for trade in sent
        if trade.trade_id in by_id and any(by_id[trade.trade_id][name] != getattr(trade, name) for name in fields)
    ]
    return Counts(
        sent=sent_count,
        booked=booked,
        settled=len(delivered),
        lost=[trade.trade_id for trade in sent if trade.trade_id not in times],
        twice=[trade_id for trade_id, often in times.items() if often > 1],
        wrong=wrong + sorted(times.keys() - {trade.trade_id for trade in sent}),
    )


def figures(published: PublishedDay, delivered: Sequence[Mapping[str, Any]], counts: Counts) -> dict[str, Any]:
    """Return the demo's ``day`` object. Prices in fen, from the listed trades; trades come in order of sequence."""
    listed = [trade for trade in delivered if trade["mode"] == "listed"]
    block = [trade for trade in delivered if trade["mode"] == "block"]
    prices = [trade["price_fen"] for trade in listed]
    previous = published.previous_close_fen
    listed_t, listed_fen = _sum(listed)
    block_t, block_fen = _sum(block)
    close = _rounded(Decimal(listed_fen) / listed_t) if listed_t else previous
    return {
        "date": published.day.isoformat(),
        "sent": counts.sent,
        "booked": counts.booked,
        "settled": counts.settled,
        "listed_t": listed_t,
        "listed_fen": listed_fen,
        "block_t": block_t,
        "block_fen": block_fen,
        "open_fen": prices[0] if prices else previous,
        "high_fen": max(prices, default=previous),
        "low_fen": min(prices, default=previous),
        "close_fen": close,
        "change_pct": str((Decimal(100 * (close - previous)) / previous).quantize(Decimal("0.01"), ROUND_HALF_UP)),
        "cleared_fen": 2 * (listed_fen + block_fen),
        "cumulative_t": published.cumulative_t_before + listed_t + block_t,
        "cumulative_fen": published.cumulative_fen_before + listed_fen + block_fen,
    }


def _sum(trades: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    return sum(trade["quantity"] for trade in trades), sum(trade["quantity"] * trade["price_fen"] for trade in trades)


def _rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def checks(published: PublishedDay, day: Mapping[str, Any], counts: Counts, report: Mapping[str, Any]) -> list[Check]:
    """Hold what was delivered against what was sent, published and reported."""
    idle = published.listed_t == 0
    wanted = {
        name: getattr(published, name)
        for name in ("listed_t", "listed_fen", "block_t", "block_fen", "close_fen", "cumulative_t", "cumulative_fen")
    } | ({} if idle else {name: getattr(published, name) for name in ("open_fen", "high_fen", "low_fen")})
    different = [f"{name} {day[name]} instead of {value}" for name, value in wanted.items() if day[name] != value]
    reported = [
        f"{name} {report.get(name)} instead of {day[name]}"
        for name in (*wanted, "cleared_fen", "change_pct")
        if report.get(name) != day[name]
    ]
    equal = counts.sent == counts.booked == counts.settled
    return [
        Check("sent = booked = settled", equal, f"{counts.sent} = {counts.booked} = {counts.settled}"),
        Check("no trade is lost", not counts.lost, ", ".join(counts.lost[:5])),
        Check("no trade settled twice", not counts.twice, ", ".join(counts.twice[:5])),
        Check("every trade settled as it was sent", not counts.wrong, ", ".join(counts.wrong[:5])),
        Check("the delivered trades give the published figures", not different, "; ".join(different)),
        Check("the daily report states the delivered trades", not reported, "; ".join(reported)),
    ]


def positions_after(
    before: Mapping[tuple[str, str], int], delivered: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], int]:
    """Add the delivered trades to what (account, asset) held before: tonnes by product, fen by "CNY"."""
    held = Counter(before)
    for trade in delivered:
        amount = trade["quantity"] * trade["price_fen"]
        held[trade["buyer"], trade["product"]] += trade["quantity"]
        held[trade["seller"], trade["product"]] -= trade["quantity"]
        held[trade["seller"], "CNY"] += amount
        held[trade["buyer"], "CNY"] -= amount
    return {place: held[place] for place in before}


def differences(
    name: str, expected: Mapping[tuple[str, str], int], found: Mapping[tuple[str, str], int], asset: str | None = None
) -> Check:
    """Compare holdings account by account; ``asset`` narrows to one of them."""
    wrong = [
        f"{account} {what}: {found.get((account, what), 0)} instead of {amount}"
        for (account, what), amount in expected.items()
        if asset in {None, what} and found.get((account, what), 0) != amount
    ]
    return Check(name, not wrong, "; ".join(wrong[:3]))
