"""The daily clearing report: figures of a delivered day, and their text, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.quantities import CASH, Break, half_up

LAST_YEAR_WITH_FIXED_DECIMALS = 2021
"""Reports of 2021 keep two decimals; from 2022 on trailing zeros are dropped."""

MARKET_OPENED_WORDS = "2021年7月16日"


@dataclass(frozen=True, slots=True)
class ProductDay:
    """What was delivered of one product on one day; prices are None where there was no such trade."""

    product: str
    previous_close_fen: int
    close_fen: int
    trades: int = 0
    listed_t: int = 0
    listed_fen: int = 0
    block_t: int = 0
    block_fen: int = 0
    first_listed_fen: int | None = None
    high_fen: int | None = None
    low_fen: int | None = None
    high_all_fen: int | None = None
    low_all_fen: int | None = None

    @property
    def quantity(self) -> int:
        """Tonnes of both modes."""
        return self.listed_t + self.block_t


def booking_breaks(products: Sequence[ProductDay], booked: Mapping[str, int]) -> list[Break]:
    """Name each asset of which the ledger moved something else than the trades add up to."""
    traded = {product.product: product.quantity for product in products}
    traded[CASH] = sum(product.listed_fen + product.block_fen for product in products)
    return [
        Break("total", "ledger", "", asset, traded.get(asset, 0), booked.get(asset, 0))
        for asset in sorted({*traded, *booked})
        if traded.get(asset, 0) != booked.get(asset, 0)
    ]


def change_pct(close_fen: int, previous_close_fen: int) -> str:
    """Write the change against the previous close in percent, two decimals, half up."""
    hundredths = half_up((close_fen - previous_close_fen) * 10_000, previous_close_fen)
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def prices_of(product: ProductDay) -> dict[str, Any]:
    """Give the day's prices of one product: open and close fall back to the previous close."""
    return {
        "open_fen": product.previous_close_fen if product.first_listed_fen is None else product.first_listed_fen,
        "high_fen": product.high_fen,
        "low_fen": product.low_fen,
        "close_fen": product.close_fen,
        "previous_close_fen": product.previous_close_fen,
        "change_pct": change_pct(product.close_fen, product.previous_close_fen),
    }


def figures_of(
    day: date, products: Sequence[ProductDay], *, cumulative_before_t: int, cumulative_before_fen: int
) -> dict[str, Any]:
    """Add a day up. Quantities span all products; prices are those of the product most traded that day.

    Vintages are priced apart, so one price for several of them would be an invention; ``products`` has each.
    """
    leading = max(products, key=lambda each: (each.quantity, each.product))
    listed_t, block_t = sum(p.listed_t for p in products), sum(p.block_t for p in products)
    listed_fen, block_fen = sum(p.listed_fen for p in products), sum(p.block_fen for p in products)
    highs = [p.high_all_fen for p in products if p.high_all_fen is not None]
    lows = [p.low_all_fen for p in products if p.low_all_fen is not None]
    return {
        "date": day.isoformat(),
        "listed_t": listed_t,
        "listed_fen": listed_fen,
        "block_t": block_t,
        "block_fen": block_fen,
        **prices_of(leading),
        "high_all_fen": max(highs, default=None),
        "low_all_fen": min(lows, default=None),
        "cleared_fen": 2 * (listed_fen + block_fen),  # both legs of every trade are cleared
        "cumulative_t": cumulative_before_t + listed_t + block_t,
        "cumulative_fen": cumulative_before_fen + listed_fen + block_fen,
        "trades": sum(p.trades for p in products),
        "products": {p.product: {"listed_t": p.listed_t, "block_t": p.block_t, **prices_of(p)} for p in products},
    }


def number(hundredths: int, *, fixed: bool) -> str:
    """Write hundredths with thousands separators: two decimals, or as few as say the same."""
    text = f"{hundredths // 100:,}.{hundredths % 100:02d}"
    return text if fixed else text.rstrip("0").rstrip(".")


def _part(title: str, tonnes: int, fen: int, *, fixed: bool) -> list[str]:
    if tonnes == 0:
        return [f"【{title}】", "当日无成交。"]
    average = number(half_up(fen, tonnes), fixed=fixed)
    return [f"【{title}】", f"成交量{tonnes:,}吨，成交额{number(fen, fixed=fixed)}元，成交均价{average}元/吨。"]


def _totals(figures: dict[str, Any], *, fixed: bool) -> str:
    tonnes, fen = figures["listed_t"] + figures["block_t"], figures["listed_fen"] + figures["block_fen"]
    if tonnes == 0:
        return "当日碳排放配额（CEA）无成交，无需办理交收。"
    high, low, average = (
        number(value, fixed=fixed) for value in (figures["high_all_fen"], figures["low_all_fen"], half_up(fen, tonnes))
    )
    return (
        f"当日碳排放配额（CEA）完成清算交收{tonnes:,}吨，成交额合计{number(fen, fixed=fixed)}元；"
        f"最高价{high}元/吨，最低价{low}元/吨，成交均价{average}元/吨。"
    )


def text_of(figures: dict[str, Any]) -> str:
    """Write the report in the published form: title, totals, both modes of trade, cumulative figures."""
    day = date.fromisoformat(figures["date"])
    fixed = day.year <= LAST_YEAR_WITH_FIXED_DECIMALS
    day_words = f"{day.year}年{day.month}月{day.day}日"
    cumulative_t = number(figures["cumulative_t"] * 100, fixed=fixed)
    cumulative_fen = number(figures["cumulative_fen"], fixed=fixed)
    return "\n".join(
        [
            f"{day_words}全国碳市场清结算信息日报",
            "",
            _totals(figures, fixed=fixed),
            "",
            *_part("挂牌协议交易", figures["listed_t"], figures["listed_fen"], fixed=fixed),
            "",
            *_part("大宗协议交易", figures["block_t"], figures["block_fen"], fixed=fixed),
            "",
            f"自{MARKET_OPENED_WORDS}开市起，累计成交量{cumulative_t}吨，累计成交额{cumulative_fen}元。",
            "",
        ]
    )
