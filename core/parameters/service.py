"""Reads the rules of a market day, and has them changed by two people."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from core.clock import store as clock
from core.parameters import rules, store
from core.parameters.rules import MarketRules
from core.quantities import Vintage


def market_rules(connection: Connection, day: date) -> MarketRules:
    """Return the rules of a day; read them once per day or batch, not per trade."""
    return rules.market_rules(store.in_force(connection, day), day, clock.calendar(connection))


def cap_of(connection: Connection, vintage: Vintage, day: date) -> int | None:
    """Return how many tonnes of a vintage may be issued in all, as decided for a day; None: no cap was set."""
    found = store.value(connection, "cap", vintage.product, day)
    return None if found is None else found["tonnes"]


def may_issue(connection: Connection, vintage: Vintage, day: date) -> bool:
    """Tell whether anything of a vintage may be issued on a day."""
    found = store.value(connection, "vintage", vintage.product, day)
    return found is not None and bool(found["open"])


def takes_sector(connection: Connection, sector: str, day: date) -> bool:
    """Tell whether firms of a sector take part on a day."""
    found = store.value(connection, "sector", sector, day)
    return found is not None and bool(found["open"])
