"""The market calendar: which dates are trading days, by statute and by decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType

import chinese_calendar

LONGEST_CLOSURE_DAYS = 31
"""No run of closed days comes near this; a longer search means the calendar is wrong."""


class CalendarError(Exception):
    """The calendar cannot answer for the date; the message says which years it knows."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Monday to Friday without statutory holidays, and what two people decided otherwise for single dates."""

    exceptions: Mapping[date, bool] = field(default_factory=lambda: MappingProxyType({}))
    """True where the market trades although it would not, False where it stays closed although it would trade."""

    def is_trading_day(self, day: date) -> bool:
        """Tell whether the market trades on the date.

        Working days that make up for a holiday at a weekend are no trading days. CalendarError for a year whose
        holidays were not yet announced when the calendar was made, unless the date itself was decided.
        """
        decided = self.exceptions.get(day)
        if decided is not None:
            return decided
        try:
            holiday: bool = chinese_calendar.is_holiday(day)
        except NotImplementedError as error:
            raise CalendarError(f"the holidays of {day.year} are not known here: {error}") from error
        return day.weekday() < 5 and not holiday

    def next_trading_day(self, day: date) -> date:
        """Find the first trading day after a date."""
        for ahead in range(1, LONGEST_CLOSURE_DAYS + 1):
            candidate = day + timedelta(days=ahead)
            if self.is_trading_day(candidate):
                return candidate
        raise CalendarError(f"no trading day within {LONGEST_CLOSURE_DAYS} days after {day}")


STATUTORY = Calendar()
"""The calendar as it is before anybody decided anything."""
is_trading_day = STATUTORY.is_trading_day
next_trading_day = STATUTORY.next_trading_day
