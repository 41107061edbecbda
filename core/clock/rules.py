"""What business time means: it never runs backwards, and a market day is a date in Shanghai."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from core.refusals import Reason, Refused

MARKET_ZONE = ZoneInfo("Asia/Shanghai")


def market_day(now: datetime) -> date:
    """Return the market's date at this moment."""
    return market_time(now).date()


def market_time(now: datetime) -> datetime:
    """Return the moment as a wall in Shanghai shows it: trading hours are read from this."""
    if now.tzinfo is None:
        raise ValueError("business time always carries its zone")
    return now.astimezone(MARKET_ZONE)


def shown(moment: datetime | None) -> str | None:
    """Write a moment of business time as the market's wall clock shows it."""
    return market_time(moment).isoformat() if moment is not None else None


def decide_move(*, now: datetime, to: datetime) -> datetime | Refused:
    """Let the clock move forward or stand; never back, because what has expired cannot come to life again."""
    if to < now:
        return Refused(Reason.CLOCK_BACKWARDS, f"It is {market_time(now).isoformat()}.")
    return to
