"""Delays in working days, and what an account allows itself: tables over holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock.calendar import Calendar
from core.refusals import Reason
from core.trust.rules import Control, added_at, due_at, refuse_by_control

ZONE = "+08:00"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text + ZONE)


@pytest.mark.parametrize(
    ("proposed", "due"),
    [
        ("2021-07-15T09:00:00", "2021-07-16T12:00"),
        ("2021-07-16T11:59:59", "2021-07-19T12:00"),  # Friday before noon
        ("2021-07-16T12:00:00", "2021-07-20T12:00"),  # Friday at noon
        ("2021-07-17T09:00:00", "2021-07-20T12:00"),  # Saturday: as if on Monday morning
        ("2021-07-18T23:59:59", "2021-07-20T12:00"),
        ("2021-07-19T00:00:00", "2021-07-20T12:00"),
        ("2021-09-26T10:00:00", "2021-09-28T12:00"),  # a Sunday on which offices make up for the holidays
        ("2021-09-30T11:00:00", "2021-10-08T12:00"),  # the day before the National Day week
        ("2021-09-30T15:00:00", "2021-10-11T12:00"),  # 9 October, a Saturday, is made up too
        ("2021-10-03T10:00:00", "2021-10-11T12:00"),
        ("2022-01-28T13:00:00", "2022-02-08T12:00"),  # over the Spring Festival and both make-up days
        ("2021-12-31T12:00:00", "2022-01-05T12:00"),  # over the New Year
    ],
)
def test_a_move_to_an_account_that_is_not_trusted_waits(proposed: str, due: str) -> None:
    assert due_at(moment(proposed)) == moment(due)


def test_noon_is_noon_in_the_markets_zone() -> None:
    assert due_at(datetime(2021, 7, 16, 3, 59, tzinfo=UTC)) == moment("2021-07-19T12:00")
    assert due_at(datetime(2021, 7, 16, 4, 0, tzinfo=UTC)) == moment("2021-07-20T12:00")


@pytest.mark.parametrize(
    ("exceptions", "proposed", "due"),
    [
        ({date(2021, 7, 19): False}, "2021-07-16T09:00", "2021-07-20T12:00"),
        ({date(2021, 7, 17): True}, "2021-07-16T09:00", "2021-07-17T12:00"),
        ({date(2021, 7, 17): True}, "2021-07-17T13:00", "2021-07-20T12:00"),
    ],
)
def test_days_that_two_people_opened_or_closed_count_as_decided(
    exceptions: dict[date, bool], proposed: str, due: str
) -> None:
    assert due_at(moment(proposed), Calendar(exceptions).is_trading_day) == moment(due)


@pytest.mark.parametrize(
    ("decided", "counts_from"),
    [
        ("2021-07-15T09:00", "2021-07-21T12:00"),
        ("2021-07-15T23:59", "2021-07-21T12:00"),
        ("2021-07-17T10:00", "2021-07-22T12:00"),
        ("2021-09-29T16:00", "2021-10-12T12:00"),
    ],
)
def test_an_account_that_is_added_counts_from_noon_of_the_fourth_working_day(decided: str, counts_from: str) -> None:
    assert added_at(moment(decided)) == moment(counts_from)


MINUTES = st.integers(0, 366 * 24 * 60).map(lambda n: moment("2021-01-01T00:00") + timedelta(minutes=n))


@given(MINUTES, MINUTES)
def test_nobody_gains_by_waiting_and_everybody_has_a_day_to_object(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))

    assert due_at(earlier) <= due_at(later)
    assert due_at(one) - one > timedelta(days=1) - timedelta(microseconds=1)
    assert due_at(one).time() == time(12)


@pytest.mark.parametrize(
    ("control", "asset", "amount", "trusted", "expected"),
    [
        # Each row breaks one more rule than the row below it; the topmost reason wins.
        (Control(100, 50, trusted_only=True), "CEA-2019", 101, False, Reason.OVER_OWN_LIMIT),
        (Control(100, 50, trusted_only=True), "CEA-2019", 100, False, Reason.TARGET_NOT_TRUSTED),
        (Control(100, 50, trusted_only=True), "CEA-2019", 100, True, None),
        (Control(100, 50), "CNY", 51, True, Reason.OVER_OWN_LIMIT),
        (Control(100, 50), "CNY", 50, False, None),
        (Control(None, 50), "CEA-2019", 10**18, False, None),
        (Control(), "CNY", 10**18, False, None),
    ],
)
def test_an_account_allows_itself_no_more_than_it_said(
    control: Control, asset: str, amount: int, expected: Reason | None, *, trusted: bool
) -> None:
    refused = refuse_by_control(control, asset=asset, amount=amount, trusted=trusted)

    assert (refused and refused.reason) == expected
