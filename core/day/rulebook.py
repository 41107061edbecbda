"""What a market day opens with under its rules, and its rules as callers read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.day import store
from core.parameters import service as parameters
from core.parameters.rules import MarketRules
from core.quantities import Vintage
from core.units import store as units


def starting_closes(
    connection: Connection, rules: MarketRules, *, known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the products that a day opens with and the closes they start from.

    That is every product in force of which something was issued: with its last close, else with its base price.
    ``known`` are closes that count before those of the days that were cleared.
    """
    closes = {**store.last_closes(connection, rules.day), **(known or {})}
    return {
        product: close
        for product, close in rules.trading(last_closes_fen=closes).items()
        if units.issued(connection, Vintage.of_product(product))
    }


def show(connection: Connection, day: date) -> dict[str, Any]:
    """Return a day's rules, with the price limits as far as the closes before it are known."""
    return shown(parameters.market_rules(connection, day), closes_of(connection, day))


def closes_of(connection: Connection, day: date, rules: MarketRules | None = None) -> dict[str, int]:
    """Return the closes that a day starts from: as it was opened, else as it would be by now."""
    opened = {product.product: product.previous_close_fen for product in store.products(connection, day)}
    return opened or starting_closes(connection, rules or parameters.market_rules(connection, day))


def shown(rules: MarketRules, closes_fen: Mapping[str, int]) -> dict[str, Any]:
    """Write a day's rules as callers read them; times are the market's."""
    return {
        "day": rules.day.isoformat(),
        "trading_day": rules.is_trading_day,
        "closed_because": rules.closed_because,
        "tick_fen": rules.tick_fen,
        "modes": {
            name: {
                "least_t": mode.least_t,
                "most_t": mode.most_t,
                "percent": mode.percent,
                "sessions": [[f"{start:%H:%M}", f"{end:%H:%M}"] for start, end in mode.sessions],
            }
            for name, mode in rules.modes.items()
        },
        "products": {
            name: {"base_price_fen": product.base_price_fen, "percents": dict(product.percents)}
            for name, product in rules.products.items()
        },
        "limits": limit_table(rules, closes_fen),
        "sectors": {name: dict(value) for name, value in rules.sectors.items()},
        "vintages": sorted(vintage.product for vintage in rules.vintages),
        "caps_t": {vintage.product: tonnes for vintage, tonnes in sorted(rules.caps_t.items())},
    }


def limit_table(rules: MarketRules, closes_fen: Mapping[str, int]) -> list[dict[str, Any]]:
    """List the price limits of every product that the day opens with, in every mode."""
    return [
        {
            "product": product,
            "mode": mode,
            "previous_close_fen": close,
            "low_fen": limits.low_fen,
            "high_fen": limits.high_fen,
        }
        for product, close in sorted(closes_fen.items())
        for mode in sorted(rules.modes)
        for limits in [rules.limits_of(product, mode, close)]
    ]
