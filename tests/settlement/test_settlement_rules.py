"""The close of a product."""

from __future__ import annotations

from core.quantities import Break
from core.settlement.rules import DisagreementError, close_of


def test_the_close_is_the_weighted_average_of_listed_trades_half_up() -> None:
    assert close_of(listed_fen=21_023_005_325, listed_t=4_103_953, previous_close_fen=4_800) == 5_123
    assert close_of(listed_fen=10_001, listed_t=2, previous_close_fen=1) == 5_001


def test_without_listed_trades_the_close_is_the_previous_one() -> None:
    assert close_of(listed_fen=0, listed_t=0, previous_close_fen=4_800) == 4_800


def test_a_disagreement_says_how_much_and_where_first() -> None:
    found = Break("account", "B001", "E42-00001001-19", "CNY", 5, 4)

    error = DisagreementError([found])

    assert "1 breaks" in str(error)
    assert "E42-00001001-19" in str(error)
