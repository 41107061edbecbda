"""The daily report against published days, and its two ways to write numbers."""

from __future__ import annotations

from datetime import date

import pytest

from core.reports.rules import ProductDay, change_pct, figures_of, number, text_of

AUGUST_19 = ProductDay(
    product="CEA-2019",
    previous_close_fen=5000,
    close_fen=5049,
    trades=3,
    listed_t=4_001,
    listed_fen=20_200_200,
    first_listed_fen=5000,
    high_fen=5200,
    low_fen=5000,
    high_all_fen=5200,
    low_all_fen=5000,
)


def test_the_report_of_2021_08_19_has_the_published_figures_with_two_decimals() -> None:
    figures = figures_of(
        date(2021, 8, 19), [AUGUST_19], cumulative_before_t=7_028_843, cumulative_before_fen=35_554_298_345
    )

    lines = text_of(figures).splitlines()

    assert lines[0] == "2021年8月19日全国碳市场清结算信息日报"
    assert "4,001吨" in lines[2]
    assert "202,002.00元" in lines[2]
    for price in ("最高价52.00元/吨", "最低价50.00元/吨", "成交均价50.49元/吨"):
        assert price in lines[2]
    assert lines[4:6] == ["【挂牌协议交易】", "成交量4,001吨，成交额202,002.00元，成交均价50.49元/吨。"]
    assert lines[7:9] == ["【大宗协议交易】", "当日无成交。"]
    assert "累计成交量7,032,844.00吨" in lines[10]
    assert "累计成交额355,744,985.45元" in lines[10]
    assert figures["cleared_fen"] == 2 * 20_200_200


def test_the_report_of_2022_12_22_drops_trailing_zeros_and_spans_both_modes() -> None:
    day = ProductDay(
        product="CEA-2019",
        previous_close_fen=5650,
        close_fen=5650,
        trades=9,
        listed_t=60_500,
        listed_fen=341_800_000,
        block_t=2_617_774,
        block_fen=14_824_894_400,
        first_listed_fen=5650,
        high_fen=5650,
        low_fen=5600,
        high_all_fen=5895,
        low_all_fen=5500,
    )
    figures = figures_of(
        date(2022, 12, 22),
        [day],
        cumulative_before_t=223_221_698 - 2_678_274,
        cumulative_before_fen=1_012_060_560_439 - 15_166_694_400,
    )

    lines = text_of(figures).splitlines()

    assert "2,678,274吨" in lines[2]
    assert "151,666,944元" in lines[2]
    for price in ("最高价58.95元", "最低价55元", "成交均价56.63元"):
        assert price in lines[2]
    assert lines[5] == "成交量60,500吨，成交额3,418,000元，成交均价56.5元/吨。"
    assert lines[8] == "成交量2,617,774吨，成交额148,248,944元，成交均价56.63元/吨。"
    assert "累计成交量223,221,698吨，累计成交额10,120,605,604.39元" in lines[10]


def test_the_opening_day_of_the_market_closes_up_6_73_percent() -> None:
    day = ProductDay(
        product="CEA-2019",
        previous_close_fen=4800,
        close_fen=5123,
        listed_t=4_103_953,
        listed_fen=21_023_005_325,
        first_listed_fen=4800,
        high_fen=5280,
        low_fen=4800,
        high_all_fen=5280,
        low_all_fen=4800,
    )

    figures = figures_of(date(2021, 7, 16), [day], cumulative_before_t=0, cumulative_before_fen=0)

    assert figures["change_pct"] == "6.73"
    assert (figures["cumulative_t"], figures["cumulative_fen"]) == (4_103_953, 21_023_005_325)
    assert figures["cleared_fen"] == 42_046_010_650


def test_a_day_without_any_trade_keeps_its_price_and_says_so_three_times() -> None:
    quiet = ProductDay(product="CEA-2019", previous_close_fen=5000, close_fen=5000)

    figures = figures_of(date(2021, 9, 1), [quiet], cumulative_before_t=10, cumulative_before_fen=50_000)

    assert text_of(figures).count("无成交") == 3
    assert (figures["open_fen"], figures["close_fen"], figures["change_pct"]) == (5000, 5000, "0.00")
    assert figures["high_fen"] is None
    assert "10.00吨" in text_of(figures)


def test_prices_are_those_of_the_product_most_traded_and_every_product_is_listed() -> None:
    small = ProductDay(product="CEA-2023", previous_close_fen=9000, close_fen=9100, listed_t=10, listed_fen=91_000)
    large = ProductDay(product="CEA-2022", previous_close_fen=8000, close_fen=8080, listed_t=90, listed_fen=727_200)

    figures = figures_of(date(2024, 5, 6), [large, small], cumulative_before_t=0, cumulative_before_fen=0)

    assert (figures["close_fen"], figures["listed_t"]) == (8080, 100)
    assert figures["products"]["CEA-2023"]["close_fen"] == 9100


@pytest.mark.parametrize(
    ("close", "previous", "written"),
    [(5123, 4800, "6.73"), (4722, 5000, "-5.56"), (5000, 5000, "0.00"), (10001, 10000, "0.01"), (4999, 5000, "-0.02")],
)
def test_the_change_is_written_in_percent_with_two_decimals_half_up(close: int, previous: int, written: str) -> None:
    assert change_pct(close, previous) == written


@pytest.mark.parametrize(
    ("hundredths", "fixed", "dropped"),
    [(0, "0.00", "0"), (5, "0.05", "0.05"), (5650, "56.50", "56.5"), (1_234_567_00, "1,234,567.00", "1,234,567")],
)
def test_numbers_keep_two_decimals_or_only_those_that_say_something(hundredths: int, fixed: str, dropped: str) -> None:
    assert number(hundredths, fixed=True) == fixed
    assert number(hundredths, fixed=False) == dropped
