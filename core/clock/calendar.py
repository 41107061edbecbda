"""The market calendar: which dates are trading days."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar

LONGEST_CLOSURE_DAYS = 31
"""No run of closed days comes near this; a longer search means the calendar is wrong."""


class CalendarError(Exception):
    """The calendar cannot answer for the date; the message says which years it knows."""


def is_trading_day(day: date) -> bool:
    """Tell whether the market trades: Monday to Friday, and no statutory holiday.

    Working days that make up for a holiday at a weekend are no trading days. CalendarError for a year whose
    holidays were not yet announced when the calendar was made.
    """
    try:
        holiday: bool = chinese_calendar.is_holiday(day)
    except NotImplementedError as error:
        raise CalendarError(f"the holidays of {day.year} are not known here: {error}") from error
    return day.weekday() < 5 and not holiday


def next_trading_day(day: date) -> date:
    """Find the first trading day after a date."""
    for ahead in range(1, LONGEST_CLOSURE_DAYS + 1):
        candidate = day + timedelta(days=ahead)
        if is_trading_day(candidate):
            return candidate
    raise CalendarError(f"no trading day within {LONGEST_CLOSURE_DAYS} days after {day}")
