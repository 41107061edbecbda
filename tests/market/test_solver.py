"""Published figures are met to the fen, or refused because no legal set of trades can give them."""

from __future__ import annotations

import itertools
import os
import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.market.published import OPENING_DAY, STATED_DAYS, DataError, PublishedDay, read_days
from chaos.market.solver import Deal, _levels, limits, solve
from chaos.market.trades import Participant, trades_of
from core.quantities import half_up

NO_SLACK = PublishedDay(date(2021, 8, 24), 5019, 5020, 5017, 5020, 2002, 10_050_036, 0, 0, 5020, 0, 0)
UNEQUAL_BLOCKS = PublishedDay(
    date(2021, 8, 25), 4900, 4900, 4700, 4764, 35_210, 167_728_000, 250_000, 1_149_300_000, 5020, 0, 0
)


def days_to_solve() -> list[PublishedDay]:
    named = os.environ.get("REGISTRY_MARKET_DATA")
    return [*STATED_DAYS.values(), NO_SLACK, UNEQUAL_BLOCKS, *(read_days(Path(named)).values() if named else ())]


def check(day: PublishedDay, deals: list[Deal]) -> None:
    listed = [deal for deal in deals if deal.mode == "listed"]
    block = [deal for deal in deals if deal.mode == "block"]
    for part, tonnes, fen, percent in (
        (listed, day.listed_t, day.listed_fen, 10),
        (block, day.block_t, day.block_fen, 30),
    ):
        floor, ceiling = limits(day.previous_close_fen, percent)
        assert sum(deal.quantity for deal in part) == tonnes
        assert sum(deal.quantity * deal.price_fen for deal in part) == fen
        assert all(floor <= deal.price_fen <= ceiling for deal in part)
    prices = [deal.price_fen for deal in listed]
    assert (prices[0], max(prices), min(prices)) == (day.open_fen, day.high_fen, day.low_fen)
    assert all(0 < deal.quantity < 100_000 for deal in listed)
    assert all(deal.quantity >= 100_000 for deal in block)
    assert len(listed) >= min(20_000, day.listed_t)


@pytest.mark.parametrize("day", days_to_solve(), ids=lambda day: str(day.day))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_known_day_is_solved_exactly(day: PublishedDay, seed: int) -> None:
    check(day, solve(day, random.Random(seed)))


@given(
    quantities=st.lists(st.integers(1, 90_000), min_size=1, max_size=8),
    data=st.data(),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_whatever_legal_trades_gave_a_day_some_legal_trades_are_found(
    quantities: list[int], data: st.DataObject, seed: int
) -> None:
    """Start from real trades, publish only their figures, and solve those."""
    prices = data.draw(st.lists(st.integers(4500, 5500), min_size=len(quantities), max_size=len(quantities)))
    fen = sum(q * p for q, p in zip(quantities, prices, strict=True))
    day = PublishedDay(
        *(date(2021, 9, 1), prices[0], max(prices), min(prices), half_up(fen, sum(quantities))),
        *(sum(quantities), fen, 0, 0, 5000, 0, 0),
    )
    if len({prices[0], max(prices), min(prices)}) > sum(quantities):
        return
    check(day, solve(day, random.Random(seed)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"close_fen": 5124}, "the listed trades average 5123"),
        ({"high_fen": 5281}, "inside the limits 4320 to 5280"),
        ({"low_fen": 4900}, "not in order"),
        ({"listed_t": 2, "listed_fen": 10_080, "close_fen": 5040, "open_fen": 4900}, "cannot touch"),
        ({"listed_t": 1, "listed_fen": 5123}, "cannot touch"),
        ({"listed_t": 0}, "without listed trades"),
        ({"block_t": 99_999, "block_fen": 99_999 * 4800}, "at least 100000 t"),
        ({"block_t": 100_000, "block_fen": 100_000 * 4800 + 1}, "no block trades"),
        ({"block_t": 100_000, "block_fen": 100_000 * 3359}, "no block trades"),
        ({"block_t": 0, "block_fen": 5}, "at least 100000 t"),
    ],
)
def test_figures_that_no_legal_trades_give_are_refused(change: dict[str, int], says: str) -> None:
    facts = {name: getattr(OPENING_DAY, name) for name in OPENING_DAY.__slots__} | change
    with pytest.raises(DataError, match=says):
        solve(PublishedDay(**facts), random.Random(1))


@pytest.mark.parametrize("quantity", range(4, 21))
def test_block_levels_are_found_exactly_when_they_exist(quantity: int) -> None:
    """Against every way there is, in a small market: blocks of at least 4 t and prices 0 to 5."""
    minimum, width = 4, 5
    reachable = {
        sum(level * weight for level, weight in zip(levels, weights, strict=True))
        for count in range(1, quantity // minimum + 1)
        for levels in itertools.combinations(range(width + 1), count)
        for weights in itertools.product(range(minimum, quantity + 1), repeat=count)
        if sum(weights) == quantity
    }
    for above in range(width * quantity + 1):
        found = _levels(quantity, above, width, minimum)
        assert (found is not None) == (above in reachable), above
        if found is not None:
            assert sum(found.values()) == quantity
            assert min(found.values()) >= minimum
            assert sum(level * weight for level, weight in found.items()) == above


def test_a_dealt_day_stays_inside_what_everybody_owns_and_repeats_by_its_seed() -> None:
    parties = [Participant(f"E42-{n:08d}-00", 3_000_000, 40_000_000_000) for n in range(20)]
    trades = trades_of(OPENING_DAY, parties, "CEA-2019", seed=5)

    assert trades == trades_of(OPENING_DAY, parties, "CEA-2019", seed=5)
    assert trades != trades_of(OPENING_DAY, parties, "CEA-2019", seed=6)
    assert [trade.executed_at for trade in trades] == sorted(trade.executed_at for trade in trades)
    assert trades[0].price_fen == OPENING_DAY.open_fen
    assert all(trade.buyer != trade.seller for trade in trades)
    assert len({trade.trade_id for trade in trades}) == len(trades)
    sold: dict[str, int] = {}
    for trade in trades:
        sold[trade.seller] = sold.get(trade.seller, 0) + trade.quantity
    assert max(sold.values()) <= 3_000_000


def test_participants_who_own_too_little_are_named_as_the_reason() -> None:
    poor = [Participant("A", 10, 10), Participant("B", 10, 10)]
    with pytest.raises(DataError, match="give the participants more"):
        trades_of(OPENING_DAY, poor, "CEA-2019", seed=1)


def test_a_day_of_one_price_and_only_blocks_still_has_a_first_and_a_last_trade() -> None:
    day = PublishedDay(date(2021, 9, 1), 4800, 4800, 4800, 4800, 0, 0, 500_001, 500_001 * 4700, 4800, 0, 0)
    deals = solve(day, random.Random(1))

    assert len(deals) == 5
    assert sum(deal.quantity for deal in deals) == 500_001
    assert all(deal.quantity >= 100_000 and deal.price_fen == 4700 for deal in deals)
