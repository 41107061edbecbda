"""Tonnes, fen and serials are whole numbers with one spelling each."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.quantities import SerialRange, Vintage, fen_of_yuan, half_up, parse_serial, yuan_of_fen


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
def test_half_a_fen_is_rounded_away_from_zero(numerator: int, denominator: int) -> None:
    exact, rounded = Fraction(numerator, denominator), half_up(numerator, denominator)
    assert abs(rounded - exact) <= Fraction(1, 2)
    if abs(rounded - exact) == Fraction(1, 2):
        assert abs(rounded) > abs(exact)


def test_the_price_limit_of_a_real_day_is_rounded_before_comparing() -> None:
    """2021-08-09: 52.96 x 1.1 = 58.256, and a high of 58.26 was legal."""
    assert half_up(5296 * 110, 100) == 5826


@given(st.integers(-(10**14), 10**14))
def test_yuan_and_fen_are_two_spellings_of_one_amount(fen: int) -> None:
    assert fen_of_yuan(yuan_of_fen(fen)) == fen


@pytest.mark.parametrize("text", ["", "1.234", "1e3", "NaN", "1,000.00", " 1", "١٢", "0x10", "--1", "1."])
def test_what_is_not_plain_yuan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="yuan are written"):
        fen_of_yuan(text)


@given(st.integers(2, 10**6), st.data())
def test_a_split_range_has_no_gap_and_no_overlap_and_loses_nothing(tonnes: int, data: st.DataObject) -> None:
    """A peer once split 10 into 6 and 6."""
    whole = SerialRange(Vintage(2019), 7, 6 + tonnes)
    low, high = whole.split(data.draw(st.integers(1, tonnes - 1)))
    assert (low.first, low.last + 1, high.last) == (whole.first, high.first, whole.last)
    assert low.tonnes + high.tonnes == whole.tonnes == tonnes


def test_a_range_survives_the_database_and_shows_its_serials() -> None:
    block = SerialRange(Vintage(2019), 1, 4_103_953)
    assert SerialRange.of_bounds(*block.bounds) == block
    assert str(block) == "CEA-2019-000000000001..CEA-2019-000004103953"
    assert parse_serial("CEA-2019-000004103953") == (Vintage(2019), 4_103_953)


@pytest.mark.parametrize(("first", "last"), [(0, 5), (5, 4), (1, 10**12)])
def test_serials_run_from_one_within_twelve_digits(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="serials run"):
        SerialRange(Vintage(2019), first, last)


@pytest.mark.parametrize("product", ["CEA-19", "cea-2019", "CEA-2019 ", "CEA-1999", "CCER-2019"])
def test_a_product_has_one_spelling(product: str) -> None:
    with pytest.raises(ValueError, match=r"a product is|a vintage is"):
        Vintage.of_product(product)
