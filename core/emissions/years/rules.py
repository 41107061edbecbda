"""What counts for a compliance year, and what a change of it must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeGuard

from core.refusals import Reason, Refused
from core.texts import is_plain_text

OFFSET_BASIS_POINTS = 500
"""At most 5 % of the amount due."""
REVERSAL_DAYS = 30
VINTAGES_MAX = 50


@dataclass(frozen=True, slots=True)
class YearRules:
    """What counts for a compliance year; the defaults are those of a year for which nothing was laid down."""

    year: int
    version: int = 0
    deadline: date | None = None
    """The last market day on which the year is met in time; without one it is never too late."""
    vintages: tuple[int, ...] | None = None
    """Units of these count; of every vintage, where nothing is laid down."""
    offset_basis_points: int = OFFSET_BASIS_POINTS
    reversal_days: int = REVERSAL_DAYS
    authority: bool = False
    """The authority decides on every surrender, also where no obligation is known."""

    def passed(self, today: date) -> bool:
        """Tell whether the deadline is over."""
        return self.deadline is not None and today > self.deadline

    def counts(self, vintage: int) -> bool:
        """Tell whether units of a vintage may be handed in."""
        return self.vintages is None or vintage in self.vintages

    def offset_limit(self, due: int) -> int:
        """Return the whole tonnes of an amount due that may be offset."""
        return due * self.offset_basis_points // 10_000

    def reversible_until(self, done_at: datetime) -> datetime:
        """Return the moment up to which what was done now can be reversed, in business time."""
        return done_at + timedelta(days=self.reversal_days)

    @property
    def body(self) -> dict[str, Any]:
        """The rules as callers read them."""
        return {
            "year": self.year,
            "version": self.version,
            "deadline": self.deadline.isoformat() if self.deadline is not None else None,
            "vintages": list(self.vintages) if self.vintages is not None else None,
            "offset_basis_points": self.offset_basis_points,
            "reversal_days": self.reversal_days,
            "authority": self.authority,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """New rules of a year, and why."""

    rules: YearRules
    reason: str


def read_change(body: Mapping[str, Any]) -> Change | Refused:
    """Read a change of a year's rules as proposed, or as a task kept it; its version is not known yet."""
    year, reason = body.get("year"), body.get("reason")
    deadline, vintages = as_date(body.get("deadline")), as_vintages(body.get("vintages"))
    points, days = body.get("offset_basis_points", OFFSET_BASIS_POINTS), body.get("reversal_days", REVERSAL_DAYS)
    authority = body.get("authority", True)
    if not (is_year(year) and is_plain_text(reason, 500)):
        return Refused(Reason.MALFORMED, "year: the compliance year, such as 2020; reason: in words.")
    if deadline is None or deadline.year < year:
        return Refused(Reason.MALFORMED, "deadline: a date after the year has begun, YYYY-MM-DD.")
    if vintages is None:
        return Refused(Reason.MALFORMED, f"vintages: 1 to {VINTAGES_MAX} different years, 2000 to 2099.")
    for name, value, most in (("offset_basis_points", points, 10_000), ("reversal_days", days, 3660)):
        if not is_count(value, most):
            return Refused(Reason.MALFORMED, f"{name}: a whole number from 0 to {most}.")
    if not isinstance(authority, bool):
        return Refused(Reason.MALFORMED, "authority: true or false.")
    return Change(YearRules(year, 0, deadline, vintages, points, days, authority), reason)


def is_year(value: object) -> TypeGuard[int]:
    """Tell whether this is a year for which there can be an obligation."""
    return type(value) is int and 2000 <= value <= 2099


def is_count(value: object, most: int) -> TypeGuard[int]:
    """Tell whether this is a whole number from 0 to ``most``."""
    return type(value) is int and 0 <= value <= most


def as_date(value: object) -> date | None:
    """Read a date as written in JSON; None when it is none."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def as_vintages(value: object) -> tuple[int, ...] | None:
    """Read a list of different vintages, in order; None when it is none."""
    if not isinstance(value, list) or not 0 < len(value) <= VINTAGES_MAX or not all(is_year(v) for v in value):
        return None
    return tuple(sorted(value)) if len(set(value)) == len(value) else None
