"""The states of an obligation, and how they follow from what is due and what was handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from core.emissions.years.rules import YearRules
from core.ledger.rules import is_amount
from core.quantities import MAX_AMOUNT
from core.refusals import Reason, Refused

NONE = "NONE"
"""Nothing is known to be due, yet something was handed in or asked for."""
OPEN = "OPEN"
PART = "PART"
MET = "MET"
SHORT = "SHORT"
PENALISED = "PENALISED"
MISSING_DATA = "MISSING_DATA"
"""The deadline is over and the year's emissions were never verified."""

STATES = (NONE, OPEN, PART, MET, SHORT, PENALISED, MISSING_DATA)


@dataclass(frozen=True, slots=True)
class Obligation:
    """What an account owes for a year and what it has handed in, in tonnes."""

    account: str
    year: int
    due: int | None = None
    """The verified emissions; None until they are known."""
    surrendered: int = 0
    offset_used: int = 0
    pending_surrender: int = 0
    pending_offset: int = 0
    deducted: int = 0
    """What the next allocation was cut by, after a penalty."""
    state: str = NONE

    def offset_counted(self, rules: YearRules) -> int:
        """Return how much of the offset counts: emissions corrected downwards lower the limit afterwards."""
        return min(self.offset_used, rules.offset_limit(self.due or 0))

    def missing(self, rules: YearRules) -> int:
        """Return the tonnes that nobody has handed in yet."""
        return max(0, (self.due or 0) - self.surrendered - self.offset_counted(rules))

    def still_free(self, rules: YearRules) -> int:
        """Return what may still be applied for: what is missing less what waits for its second person."""
        return max(0, self.missing(rules) - self.pending_surrender - self.pending_offset)

    def offset_left(self, rules: YearRules) -> int:
        """Return the tonnes that may still be offset."""
        left = rules.offset_limit(self.due or 0) - self.offset_used - self.pending_offset
        return max(0, min(left, self.still_free(rules)))

    def facts(self, rules: YearRules) -> dict[str, Any]:
        """Return the obligation as callers read it."""
        return {
            "account": self.account,
            "year": self.year,
            "state": self.state,
            "due": self.due,
            "surrendered": self.surrendered,
            "offset": self.offset_used,
            "offset_counted": self.offset_counted(rules),
            "pending_surrender": self.pending_surrender,
            "pending_offset": self.pending_offset,
            "missing": self.missing(rules),
            "offset_left": self.offset_left(rules),
            "deducted": self.deducted,
        }


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an obligation, with its cause."""

    before: Obligation
    after: Obligation
    cause: str
    reference: str


def state_of(obligation: Obligation, rules: YearRules, today: date) -> str:
    """Say in which state an obligation is; a penalty is the end of it."""
    if obligation.state == PENALISED:
        return PENALISED
    over = rules.passed(today)
    if obligation.due is None:
        return MISSING_DATA if over else NONE
    if obligation.missing(rules) == 0:
        return MET
    if over:
        return SHORT
    return PART if obligation.surrendered + obligation.offset_used else OPEN


def changed(obligation: Obligation, rules: YearRules, today: date, deltas: Mapping[str, int]) -> Obligation:
    """Return the obligation after some of its figures changed by so much."""
    figures = {name: getattr(obligation, name) + delta for name, delta in deltas.items()}
    after = replace(obligation, **figures)
    return replace(after, state=state_of(after, rules, today))


def refuse_more(obligation: Obligation, tonnes: int, rules: YearRules) -> Refused | None:
    """Refuse what goes beyond the obligation; where nothing is known to be due, there is no beyond."""
    if obligation.state == PENALISED:
        return Refused(Reason.OBLIGATION_PENALISED)
    if obligation.due is not None and tonnes > obligation.still_free(rules):
        waiting = obligation.pending_surrender + obligation.pending_offset
        said = f"Missing: {obligation.missing(rules)}, of which {waiting} wait for a decision."
        return Refused(Reason.MORE_THAN_DUE, said)
    return None


def refuse_offset(obligation: Obligation, tonnes: int, rules: YearRules) -> Refused | None:
    """Refuse an offset for the first reason there is."""
    if obligation.due is None:
        return Refused(Reason.OBLIGATION_UNKNOWN)
    if not is_amount(tonnes):
        return Refused(Reason.QUANTITY_INVALID)
    refused = refuse_more(obligation, tonnes, rules)
    if refused is not None:
        return refused
    left = max(0, rules.offset_limit(obligation.due) - obligation.offset_used - obligation.pending_offset)
    if tonnes > left:
        limit = f"{rules.offset_basis_points // 100}.{rules.offset_basis_points % 100:02d} % of {obligation.due}"
        return Refused(Reason.OFFSET_OVER_LIMIT, f"Left of {limit} t: {left}.")
    return None


def is_emission(value: object) -> bool:
    """Tell whether this is a figure of emissions: whole tonnes, none is a figure too."""
    return type(value) is int and 0 <= value <= MAX_AMOUNT
