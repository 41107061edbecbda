"""Time limits in working days: those of the market, and Monday to Friday where no holidays are known yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from core.clock.calendar import LONGEST_CLOSURE_DAYS, CalendarError, is_trading_day
from core.clock.rules import market_time

Trades = Callable[[date], bool]
"""Tells of a date whether the market trades; CalendarError where it cannot tell."""


def is_working_day(day: date, trades: Trades = is_trading_day) -> bool:
    """Tell whether time limits count the date."""
    try:
        return trades(day)
    except CalendarError:
        return day.weekday() < 5


def working_day_after(day: date, count: int, trades: Trades = is_trading_day) -> date:
    """Find the working day that is the ``count``-th after a date, the date itself not counted."""
    found = day
    for _ in range(count):
        found = _next(found, trades)
    return found


def on_working_day_after(moment: datetime, count: int, at: time, trades: Trades = is_trading_day) -> datetime:
    """Return a time of day in the market's zone, on the ``count``-th working day after the moment's date."""
    market = market_time(moment)
    return datetime.combine(working_day_after(market.date(), count, trades), at, market.tzinfo)


def _next(day: date, trades: Trades) -> date:
    for ahead in range(1, LONGEST_CLOSURE_DAYS + 1):
        if is_working_day(day + timedelta(days=ahead), trades):
            return day + timedelta(days=ahead)
    raise CalendarError(f"no working day within {LONGEST_CLOSURE_DAYS} days after {day}")
