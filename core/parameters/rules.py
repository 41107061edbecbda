"""The rules of one market day, read from the parameters in force on it: frozen, complete, and pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from core.clock.calendar import Calendar, CalendarError
from core.quantities import Vintage, half_up

PRICE_TICK = "price"
"""The one name of kind ``tick``."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One version of one parameter."""

    kind: str
    name: str
    version: int
    value: Mapping[str, Any]
    effective_from: date

    @property
    def key(self) -> tuple[str, str]:
        """What all versions of the parameter share."""
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Limits:
    """The prices a product may trade at in one mode on a day, both ends included, in fen."""

    low_fen: int
    high_fen: int

    @classmethod
    def around(cls, close_fen: int, *, percent: int, tick_fen: int) -> Limits:
        """Derive a day's limits; rounding to the tick comes before comparing, else legal days fail."""
        low, high = (half_up(close_fen * (100 + change), 100 * tick_fen) * tick_fen for change in (-percent, percent))
        return cls(max(low, tick_fen), high)


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of trade: the sizes it takes, and when; ``most_t`` is None where it has no upper end."""

    least_t: int
    most_t: int | None
    percent: int
    sessions: tuple[tuple[time, time], ...]
    """In the market's zone, both ends included."""

    def takes(self, tonnes: int) -> bool:
        """Tell whether a trade of this size belongs to the mode."""
        return self.least_t <= tonnes and (self.most_t is None or tonnes <= self.most_t)


@dataclass(frozen=True, slots=True)
class Product:
    """A product that trades; ``base_price_fen`` stands for the close it does not have before its first day."""

    base_price_fen: int | None
    percents: Mapping[str, int]
    """By mode, where the product has limits of its own."""


@dataclass(frozen=True, slots=True)
class MarketRules:
    """Everything that two people decide about a market day; it never changes once opening data are sent."""

    day: date
    closed_because: str | None
    """Why the market does not trade on the day; None when it does."""
    tick_fen: int
    modes: Mapping[str, Mode]
    """Those that trade."""
    products: Mapping[str, Product]
    """Those that trade."""
    sectors: Mapping[str, Mapping[str, Any]]
    """Those whose firms take part."""
    vintages: frozenset[Vintage]
    """Those of which something may be issued."""
    caps_t: Mapping[Vintage, int]
    """How much may be issued in all, where that is limited."""

    @property
    def is_trading_day(self) -> bool:
        """Tell whether the market trades on the day."""
        return self.closed_because is None

    @property
    def starts(self) -> time:
        """When the first mode begins to trade."""
        return min((start for mode in self.modes.values() for start, _ in mode.sessions), default=time.max)

    @property
    def ends(self) -> time:
        """When the last mode ends."""
        return max((end for mode in self.modes.values() for _, end in mode.sessions), default=time.min)

    def limits_of(self, product: str, mode: str, previous_close_fen: int) -> Limits:
        """Return a product's price limits in a mode; those of its own come before those of the mode."""
        known = self.products.get(product)
        own = None if known is None else known.percents.get(mode)
        percent = self.modes[mode].percent if own is None else own
        return Limits.around(previous_close_fen, percent=percent, tick_fen=self.tick_fen)

    def trading(self, *, last_closes_fen: Mapping[str, int]) -> dict[str, int]:
        """Return the products that a day opens with, each with the close it starts from.

        One that never closed starts from its base price; one that has neither does not come in by itself.
        """
        found: dict[str, int] = {}
        for name, product in sorted(self.products.items()):
            close = last_closes_fen.get(name) or product.base_price_fen
            if close is not None:
                found[name] = close
        return found


def in_force(versions: Iterable[Parameter], day: date) -> dict[tuple[str, str], Parameter]:
    """Pick what is in force on a day: of the versions from that day or earlier the latest day, then the newest."""
    found: dict[tuple[str, str], Parameter] = {}
    for one in versions:
        known = found.get(one.key)
        if one.effective_from <= day and (
            known is None or (one.effective_from, one.version) > (known.effective_from, known.version)
        ):
            found[one.key] = one
    return found


def market_rules(versions: Iterable[Parameter], day: date, calendar: Calendar) -> MarketRules:
    """Build a day's rules from all versions there are, or from those in force on it."""
    values: dict[str, dict[str, Mapping[str, Any]]] = {}
    for (kind, name), one in sorted(in_force(versions, day).items()):
        values.setdefault(kind, {})[name] = one.value
    percents = {name: int(value["percent"]) for name, value in values.get("limit", {}).items() if value["percent"]}
    return MarketRules(
        day=day,
        closed_because=closed_because(calendar, day),
        tick_fen=values.get("tick", {}).get(PRICE_TICK, {"fen": 1})["fen"],
        modes=_modes(values, percents),
        products={
            name: Product(value["base_price_fen"], _own_percents(name, percents))
            for name, value in values.get("product", {}).items()
            if value["open"]
        },
        sectors={name: value for name, value in values.get("sector", {}).items() if value["open"]},
        vintages=frozenset(
            Vintage.of_product(name) for name, value in values.get("vintage", {}).items() if value["open"]
        ),
        caps_t={
            Vintage.of_product(name): value["tonnes"]
            for name, value in values.get("cap", {}).items()
            if value["tonnes"] is not None
        },
    )


def _modes(values: Mapping[str, Mapping[str, Mapping[str, Any]]], percents: Mapping[str, int]) -> dict[str, Mode]:
    """Keep the modes that are open and whole: sizes, limits and hours."""
    return {
        name: Mode(value["least_t"], value["most_t"], percents[name], sessions_of(values["hours"][name]))
        for name, value in values.get("mode", {}).items()
        if value["open"] and name in percents and name in values.get("hours", {})
    }


def _own_percents(product: str, percents: Mapping[str, int]) -> dict[str, int]:
    return {name.split("/")[0]: percent for name, percent in percents.items() if name.endswith(f"/{product}")}


def sessions_of(value: Mapping[str, Any]) -> tuple[tuple[time, time], ...]:
    """Read the sessions of a mode's hours."""
    return tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in value["sessions"])


def exceptions_of(versions: Iterable[Parameter]) -> dict[date, bool]:
    """Return the calendar's exceptions: of each date the newest version, whenever that was decided."""
    newest: dict[str, Parameter] = {}
    for one in versions:
        known = newest.get(one.name)
        if one.kind == "calendar" and (known is None or one.version > known.version):
            newest[one.name] = one
    return {date.fromisoformat(name): bool(one.value["open"]) for name, one in newest.items()}


def closed_because(calendar: Calendar, day: date) -> str | None:
    """Say why the market does not trade on a day; None when it does."""
    try:
        return None if calendar.is_trading_day(day) else f"{day} is no trading day."
    except CalendarError as error:
        return f"{error}."
