"""The market day: its states, when each arrow is due, and the hashes that seal it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from core.clock.rules import market_time
from core.parameters.rules import MarketRules
from core.quantities import MAX_AMOUNT, Vintage
from core.refusals import Reason, Refused


class State(StrEnum):
    """How far a market day has come; the order is the order of the day."""

    OPENING_SENT = "OPENING_SENT"
    OPENING_ACKED = "OPENING_ACKED"
    TRADING = "TRADING"
    CLOSED = "CLOSED"
    SEALED = "SEALED"
    CLEARED = "CLEARED"
    EXCHANGE_CONFIRMED = "EXCHANGE_CONFIRMED"
    BANK_CONFIRMED = "BANK_CONFIRMED"
    DELIVERED = "DELIVERED"
    OPENING_BUILT = "OPENING_BUILT"
    REPORTED = "REPORTED"
    HALTED = "HALTED"


COURSE = tuple(state for state in State if state is not State.HALTED)
"""The states of an undisturbed day, first to last."""

UNTRADED = frozenset({State.OPENING_SENT, State.OPENING_ACKED, State.TRADING, State.CLOSED})
"""States in which a day may be without any trade; only then can a later day take its place."""

NO_SEAL = "0" * 64
"""What the first seal of all names as its predecessor."""


REVISED = (State.OPENING_ACKED, State.OPENING_SENT)
"""The one arrow back: holdings changed before trading, so the exchange is sent new opening data."""


def may_follow(before: State | None, after: State) -> bool:
    """Tell whether the day may go from one state to another; None is the state of a day that is not there yet.

    One step on, back for new opening data, or to HALTED unless it is over. A day that gives way to a later one
    goes to HALTED too; that it has no trade is the business of who moves it.
    """
    if before is None:
        return after is COURSE[0]
    if after is State.HALTED:
        return before not in (State.HALTED, State.REPORTED)
    if before is State.HALTED:
        return False
    return (before, after) == REVISED or COURSE.index(after) == COURSE.index(before) + 1


def due_by_clock(state: State, rules: MarketRules, now: datetime) -> State | None:
    """Name the state that business time alone brings about, if it is due."""
    wall = market_time(now).replace(tzinfo=None)
    if state is State.OPENING_ACKED and wall >= datetime.combine(rules.day, rules.starts):
        return State.TRADING
    if state is State.TRADING and wall >= datetime.combine(rules.day, rules.ends):
        return State.CLOSED
    return None


@dataclass(frozen=True, slots=True)
class Opening:
    """What an operator says to open a day."""

    day: date
    previous_close_fen: dict[str, int]
    """Empty where the day opens with the products in force on it, each with its last close."""
    cumulative_t: int
    cumulative_fen: int


def _whole(value: object, *, least: int) -> bool:
    return type(value) is int and least <= value <= MAX_AMOUNT


def _date_of(value: object) -> date | Refused:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    return day or Refused(Reason.MALFORMED, "day is a date, as 2021-07-16.")


def _bad_product(products: Mapping[str, Any]) -> Refused | None:
    for product, close in products.items():
        try:
            Vintage.of_product(product)
        except ValueError as error:
            return Refused(Reason.PRODUCT_UNKNOWN, f"{error}.")
        if not _whole(close, least=1):
            return Refused(Reason.MALFORMED, f"The previous close of {product} is a positive number of fen.")
    return None


def refuse_opening(asked: Opening, rules: MarketRules) -> Refused | None:
    """Refuse to open a day on which the market does not trade, or with products that do not trade on it."""
    if rules.closed_because is not None:
        return Refused(Reason.MARKET_CLOSED, rules.closed_because)
    for product in asked.previous_close_fen:
        if product not in rules.products:
            return Refused(Reason.PRODUCT_UNKNOWN, f"{product} is not in force on {asked.day}.")
    return None


def read_opening(body: Mapping[str, Any]) -> Opening | Refused:
    """Read an operator's request to open a day; products may be left out."""
    day, products = _date_of(body.get("day")), body.get("products")
    cumulative_t, cumulative_fen = body.get("cumulative_t"), body.get("cumulative_fen")
    if isinstance(day, Refused):
        return day
    if "products" in body and (not isinstance(products, Mapping) or not products):
        return Refused(Reason.MALFORMED, "products names the previous close of each product in fen.")
    if not (_whole(cumulative_t, least=0) and _whole(cumulative_fen, least=0)):
        return Refused(Reason.MALFORMED, "cumulative_t and cumulative_fen are whole numbers from 0.")
    named = dict(products or {})
    return _bad_product(named) or Opening(day, named, int(cumulative_t or 0), int(cumulative_fen or 0))


def canonical(value: Mapping[str, Any]) -> bytes:
    """Write JSON in the one form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def opening_hash(positions: Iterable[tuple[str, str, int]]) -> str:
    """Hash opening data: SHA-256 of the lines ``account|asset|amount`` in order of account and asset."""
    digest = hashlib.sha256()
    for account, asset, amount in sorted(positions):
        digest.update(f"{account}|{asset}|{amount}\n".encode())
    return digest.hexdigest()


def seal_of(day: date, totals: Mapping[str, Any], *, previous: str) -> dict[str, Any]:
    """Seal a day's totals onto the seal of the day before; ``seal`` hashes all the rest."""
    content = {"day": day.isoformat(), "totals": dict(totals), "previous": previous}
    return content | {"seal": hashlib.sha256(canonical(content)).hexdigest()}
