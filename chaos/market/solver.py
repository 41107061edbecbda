"""Solves a published day into trades that give exactly its figures, or says why no legal set of trades can (pure).

Only integers; the only luck is the seeded generator handed in. What makes a day feasible:

listed  Every tonne may have a price of its own between the day's low and high, so every amount between
        ``low * t`` and ``high * t`` can be met once one tonne each has gone to the open, the high and the low.
block   A price level carries nothing or at least 100,000 t. With one level the amount divides; with two it is
        a divisor search; from 400,000 t on three levels reach whatever can be reached at all.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from chaos.market.published import DataError, PublishedDay
from core.quantities import half_up

BLOCK_MIN_T = 100_000
"""Listed orders stay below this many tonnes, block orders reach it."""
TRADES_MIN = 20_000
"""How many trades a day is split into where its tonnes allow it."""
SPREAD_MAX_FEN = 60
"""How far from the average price three block levels are sought."""


@dataclass(frozen=True, slots=True)
class Deal:
    """A quantity at a price, before it has a buyer, a seller or a time."""

    mode: str
    quantity: int
    price_fen: int


def solve(day: PublishedDay, dice: random.Random) -> list[Deal]:
    """Return the day's deals, the opening one first among the listed; DataError when no legal set exists."""
    return solve_listed(day, dice) + solve_block(day)


def limits(previous_close_fen: int, percent: int) -> tuple[int, int]:
    """Return the lowest and highest legal price: rounded half up to the fen before anybody compares."""
    return half_up(previous_close_fen * (100 - percent), 100), half_up(previous_close_fen * (100 + percent), 100)


def solve_listed(day: PublishedDay, dice: random.Random) -> list[Deal]:
    """Deal the listed tonnes: first the opening price, somewhere the high and the low, on average the close."""
    if day.listed_t == 0:
        return _no_listed(day)
    _check_listed(day)
    forced = list(dict.fromkeys((day.open_fen, day.high_fen, day.low_fen)))
    tonnes, fen = day.listed_t - len(forced), day.listed_fen - sum(forced)
    if tonnes < 0 or not day.low_fen * tonnes <= fen <= day.high_fen * tonnes:
        raise DataError(
            f"{day.day}: {day.listed_t} t for {day.listed_fen} fen cannot touch the open, the high and the low"
        )
    rest = _spread(tonnes, fen, day, dice)
    first, *others = [Deal("listed", 1, price) for price in forced]
    later = others + rest
    dice.shuffle(later)
    return [first, *later]


def _no_listed(day: PublishedDay) -> list[Deal]:
    idle = {0, day.previous_close_fen}
    if (
        day.listed_fen
        or day.close_fen != day.previous_close_fen
        or not {day.open_fen, day.high_fen, day.low_fen} <= idle
    ):
        raise DataError(f"{day.day}: without listed trades the prices are the previous close and the amount is 0")
    return []


def _check_listed(day: PublishedDay) -> None:
    floor, ceiling = limits(day.previous_close_fen, 10)
    if not floor <= day.low_fen <= day.open_fen <= day.high_fen <= ceiling:
        raise DataError(
            f"{day.day}: low {day.low_fen}, open {day.open_fen}, high {day.high_fen} fen are not in order "
            f"inside the limits {floor} to {ceiling}"
        )
    average = half_up(day.listed_fen, day.listed_t)
    if average != day.close_fen:
        raise DataError(f"{day.day}: the close is {day.close_fen} fen, the listed trades average {average}")


def _spread(tonnes: int, fen: int, day: PublishedDay, dice: random.Random) -> list[Deal]:
    """Cut ``tonnes`` into many deals around the average price, then shift prices until the amount is exact."""
    if tonnes == 0:
        return []
    sizes, mean = _sizes(tonnes, dice), fen // tonnes
    noise = max(1, (day.high_fen - day.low_fen) // 12)
    prices = [min(day.high_fen, max(day.low_fen, mean + round(dice.gauss(0, noise)))) for _ in sizes]
    missing = fen - sum(size * price for size, price in zip(sizes, prices, strict=True))
    step, bound = (1, day.high_fen) if missing > 0 else (-1, day.low_fen)
    missing, extra = abs(missing), []
    for place in dice.sample(range(len(sizes)), len(sizes)):
        moved = min(missing // sizes[place], abs(bound - prices[place]))
        prices[place] += step * moved
        missing -= moved * sizes[place]
        if 0 < missing < sizes[place] and prices[place] != bound:  # a part of this deal moves one fen further
            extra.append(Deal("listed", missing, prices[place] + step))
            sizes[place] -= missing
            missing = 0
    assert missing == 0, "every amount between low * t and high * t can be met"
    return extra + [Deal("listed", size, price) for size, price in zip(sizes, prices, strict=True)]


def _sizes(tonnes: int, dice: random.Random) -> list[int]:
    count = min(tonnes, max(TRADES_MIN, -(-tonnes // (BLOCK_MIN_T // 4))))
    cuts = [0, *sorted(dice.sample(range(1, tonnes), count - 1)), tonnes]
    sizes = [high - low for low, high in itertools.pairwise(cuts)]
    if max(sizes) >= BLOCK_MIN_T:  # chance made a size that only a block may have: share out evenly
        sizes = [tonnes // count + (place < tonnes % count) for place in range(count)]
    return sizes


def solve_block(day: PublishedDay, *, minimum: int = BLOCK_MIN_T) -> list[Deal]:
    """Deal the block tonnes over as few price levels as can be; each level carries at least ``minimum`` tonnes."""
    if day.block_t == 0 and day.block_fen == 0:
        return []
    floor, ceiling = limits(day.previous_close_fen, 30)
    if day.block_t < minimum:
        raise DataError(f"{day.day}: a block trade has at least {minimum} t, the day has {day.block_t}")
    above = day.block_fen - floor * day.block_t
    levels = _levels(day.block_t, above, ceiling - floor, minimum) if above >= 0 else None
    if levels is None:
        raise DataError(
            f"{day.day}: no block trades of {minimum} t or more between {floor} and {ceiling} fen "
            f"give {day.block_t} t for {day.block_fen} fen"
        )
    deals = [Deal("block", quantity, floor + level) for level, quantity in levels.items()]
    return _parted(deals[0], minimum) if len(deals) == 1 and day.listed_t == 0 else deals


def _parted(deal: Deal, minimum: int) -> list[Deal]:
    """Make several trades of a day's only one where its tonnes allow it: a day needs a first and a last."""
    count = min(5, deal.quantity // minimum)
    sizes = [deal.quantity // count + (place < deal.quantity % count) for place in range(count)]
    return [Deal(deal.mode, size, deal.price_fen) for size in sizes]


def _levels(quantity: int, above: int, width: int, minimum: int) -> dict[int, int] | None:
    """Find ``{level: tonnes}`` with levels 0..width, tonnes >= minimum each, of that sum and that weighted sum."""
    level, rest = divmod(above, quantity)
    if level > width or (level == width and rest):
        return None
    if rest == 0:
        return {level: quantity}
    return _two_levels(quantity, above, width, minimum) or _three_levels(quantity, above, width, minimum)


def _two_levels(quantity: int, above: int, width: int, minimum: int) -> dict[int, int] | None:
    if quantity < 2 * minimum:
        return None
    for low in range(above // quantity, -1, -1):
        rest = above - low * quantity
        for apart in range(-(-rest // (quantity - minimum)), min(rest // minimum, width - low) + 1):
            if rest % apart == 0:
                return {low: quantity - rest // apart, low + apart: rest // apart}
    return None


def _three_levels(quantity: int, above: int, width: int, minimum: int) -> dict[int, int] | None:
    if quantity < 3 * minimum:
        return None
    near = above // quantity
    lows = range(near, max(near - SPREAD_MAX_FEN, 0) - 1, -1)
    highs = range(near + 1, min(near + SPREAD_MAX_FEN, width) + 1)
    for low in lows:
        for high in highs:
            for middle in range(low + 1, high):
                found = _weights(quantity, above, (low, middle, high), minimum)
                if found is not None:
                    return found
    return None


def _weights(quantity: int, above: int, levels: tuple[int, int, int], minimum: int) -> dict[int, int] | None:
    """Solve three levels: with ``x`` at the middle and ``y`` at the top, a*x + b*y = rest and all three fit."""
    low, middle, high = levels
    a, b, rest = middle - low, high - low, above - low * quantity
    for smallest in range(minimum, minimum + a):  # y and y + a solve alike, so one period holds every class
        if (rest - b * smallest) % a:
            continue
        # From here y moves in steps of a; x falls by b a step, the lowest level gains b - a.
        x, y = (rest - b * smallest) // a, smallest
        steps = max(0, -(-(minimum - (quantity - x - y)) // (b - a)))
        x, y = x - b * steps, y + a * steps
        if x >= minimum and quantity - x - y >= minimum:
            return {low: quantity - x - y, middle: x, high: y}
    return None
