"""Stated serials change hands exactly, wherever they lie in a holder's blocks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.clock import store as clock
from core.clock.rules import market_day
from core.quantities import SerialRange, Vintage
from core.units import store as units
from core.units.rules import UnitsShortError, cut_out, merge

OF_2019 = Vintage(2019)


def block(first: int, last: int) -> SerialRange:
    return SerialRange(OF_2019, first, last)


@given(st.sets(st.integers(1, 60), min_size=1), st.data())
def test_what_is_cut_out_and_what_is_left_are_the_blocks(numbers: set[int], data: Any) -> None:
    held = merge(block(n, n) for n in numbers)
    wanted = merge(block(n, n) for n in data.draw(st.sets(st.sampled_from(sorted(numbers)))))
    left = cut_out(held, wanted)
    assert merge([*left, *wanted]) == held
    assert sum(b.tonnes for b in left) == sum(b.tonnes for b in held) - sum(b.tonnes for b in wanted)


@pytest.mark.parametrize("wanted", [block(9, 11), block(21, 21), block(1, 30), SerialRange(Vintage(2020), 1, 2)])
def test_serials_that_are_not_all_there_are_a_fault(wanted: SerialRange) -> None:
    with pytest.raises(UnitsShortError):
        cut_out([block(1, 10), block(12, 20)], [wanted])


def test_stated_serials_change_hands_and_join_what_they_touch(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        giver, taker = market.open(connection, 2)
        market.allocate(connection, [(giver, 100), (taker, 20)])
        day = market_day(clock.now(connection))
        facts = {"giver": giver, "taker": taker, "type": "TEST", "reference": "t", "market_day": day}
        units.move_serials(connection, [block(11, 20), block(91, 100)], **facts)
        assert units.holdings(connection, giver) == [block(1, 10), block(21, 90)]
        assert units.holdings(connection, taker) == [block(11, 20), block(91, 120)]
        back = {**facts, "giver": taker, "taker": giver}
        units.move_serials(connection, [block(11, 20), block(91, 100)], **back)
        assert units.holdings(connection, giver) == [block(1, 100)]
        with pytest.raises(UnitsShortError):
            units.move_serials(connection, [block(101, 101)], **facts)
