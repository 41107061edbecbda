"""The day's states, calendar and clock, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from core.clock.calendar import CalendarError, is_trading_day, next_trading_day
from core.day.rules import (
    COURSE,
    NO_SEAL,
    Opening,
    State,
    due_by_clock,
    may_follow,
    opening_hash,
    read_opening,
    refuse_opening,
    seal_of,
)
from core.parameters.rules import MarketRules, Mode, Product
from core.refusals import Reason, Refused

MODES = {
    "listed": Mode(1, 99_999, 10, ((time(9, 30), time(11, 30)), (time(13), time(15)))),
    "block": Mode(100_000, None, 30, ((time(13), time(15)),)),
}
RULES = MarketRules(date(2021, 7, 16), None, 1, MODES, {"CEA-2019": Product(None, {})}, {}, frozenset(), {})
ASKED = {"day": "2021-07-16", "products": {"CEA-2019": 4800}, "cumulative_t": 0, "cumulative_fen": 0}


def trading_days(first: date, last: date) -> int:
    return sum(is_trading_day(first + timedelta(days=n)) for n in range((last - first).days + 1))


def test_the_first_year_and_a_half_have_356_trading_days() -> None:
    assert trading_days(date(2021, 7, 16), date(2021, 12, 31)) == 114
    assert trading_days(date(2022, 1, 1), date(2022, 12, 31)) == 242


def test_a_weekend_worked_for_a_holiday_is_no_trading_day() -> None:
    assert not is_trading_day(date(2021, 9, 18))  # a Saturday worked for the Mid-Autumn holiday
    assert not is_trading_day(date(2021, 9, 20))
    assert next_trading_day(date(2021, 9, 17)) == date(2021, 9, 22)
    assert next_trading_day(date(2021, 9, 30)) == date(2021, 10, 8)


def test_a_year_without_announced_holidays_is_an_error_that_says_so() -> None:
    with pytest.raises(CalendarError, match="2040"):
        is_trading_day(date(2040, 1, 7))


def test_a_day_goes_one_step_at_a_time_back_only_for_new_opening_data_and_may_halt_until_it_is_over() -> None:
    for before in State:
        allowed = {after for after in State if may_follow(before, after)}
        if before in (State.HALTED, State.REPORTED):
            assert allowed == set()
        elif before is State.OPENING_ACKED:
            assert allowed == {State.OPENING_SENT, State.TRADING, State.HALTED}
        else:
            assert allowed == {COURSE[COURSE.index(before) + 1], State.HALTED}


def test_a_day_begins_with_its_opening_data() -> None:
    assert {after for after in State if may_follow(None, after)} == {State.OPENING_SENT}


@pytest.mark.parametrize(
    ("state", "utc", "due"),
    [
        (State.OPENING_ACKED, "2021-07-16T01:29:59+00:00", None),
        (State.OPENING_ACKED, "2021-07-16T01:30:00+00:00", State.TRADING),
        (State.OPENING_SENT, "2021-07-16T02:00:00+00:00", None),
        (State.TRADING, "2021-07-16T06:59:59+00:00", None),
        (State.TRADING, "2021-07-16T07:00:00+00:00", State.CLOSED),
        (State.TRADING, "2021-07-18T00:00:00+00:00", State.CLOSED),
        (State.CLOSED, "2021-07-18T00:00:00+00:00", None),
    ],
)
def test_business_time_starts_and_ends_trading_in_shanghai(state: State, utc: str, due: State | None) -> None:
    assert due_by_clock(state, RULES, datetime.fromisoformat(utc)) is due


def test_the_first_mode_starts_the_day_and_the_last_one_ends_it() -> None:
    late = replace(RULES, modes={**RULES.modes, "block": Mode(100_000, None, 30, ((time(8), time(9)),))})
    assert (late.starts, late.ends) == (time(8), time(15))
    assert due_by_clock(State.OPENING_ACKED, late, datetime.fromisoformat("2021-07-16T00:00:00+00:00")) is State.TRADING


def test_an_operators_request_is_read_into_an_opening() -> None:
    assert read_opening(ASKED) == Opening(date(2021, 7, 16), {"CEA-2019": 4800}, 0, 0)
    without = {name: value for name, value in ASKED.items() if name != "products"}
    assert read_opening(without) == Opening(date(2021, 7, 16), {}, 0, 0)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (Opening(date(2021, 7, 16), {"CEA-2019": 4800}, 0, 0), None),
        (Opening(date(2021, 7, 16), {}, 0, 0), None),
        (Opening(date(2021, 7, 16), {"CEA-2019": 4800, "CEA-2021": 4800}, 0, 0), Reason.PRODUCT_UNKNOWN),
        (Opening(date(2021, 7, 17), {"CEA-2021": 4800}, 0, 0), Reason.MARKET_CLOSED),
    ],
)
def test_a_day_opens_when_the_market_trades_and_with_what_trades_on_it(asked: Opening, reason: Reason | None) -> None:
    closed = None if asked.day == RULES.day else f"{asked.day} is no trading day."
    refused = refuse_opening(asked, replace(RULES, closed_because=closed))
    assert (refused.reason if refused else None) is reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"day": "16.7.2021"}, Reason.MALFORMED),
        ({"day": None}, Reason.MALFORMED),
        ({"products": {}}, Reason.MALFORMED),
        ({"products": {"CEA-19": 4800}}, Reason.PRODUCT_UNKNOWN),
        ({"products": {"CEA-2019": 48.0}}, Reason.MALFORMED),
        ({"products": {"CEA-2019": 0}}, Reason.MALFORMED),
        ({"cumulative_t": -1}, Reason.MALFORMED),
        ({"cumulative_fen": True}, Reason.MALFORMED),
    ],
)
def test_a_request_that_is_not_in_order_is_refused_with_its_reason(change: dict[str, object], reason: Reason) -> None:
    refused = read_opening(ASKED | change)

    assert isinstance(refused, Refused)
    assert refused.reason is reason


def test_the_opening_hash_does_not_depend_on_the_order_of_positions() -> None:
    positions = [("E42-00001001-19", "CNY", 5), ("E42-00001001-19", "CEA-2019", 7)]

    assert opening_hash(positions) == opening_hash(positions[::-1])
    assert opening_hash(positions) != opening_hash([*positions, ("E42-00001002-16", "CNY", 0)])


def test_a_seal_hangs_on_the_totals_and_on_the_seal_before() -> None:
    first = seal_of(date(2021, 7, 16), {"new_count": 1}, previous=NO_SEAL)
    second = seal_of(date(2021, 7, 19), {"new_count": 1}, previous=first["seal"])

    assert second["previous"] == first["seal"]
    assert (
        len({first["seal"], second["seal"], seal_of(date(2021, 7, 16), {"new_count": 2}, previous=NO_SEAL)["seal"]})
        == 3
    )
