"""Samples of the outside probe and ordered stops in, one of three verdicts out: kept, broken, not enough evidence.

The promise is kept as long as the bad time of the rolling window fits into its budget: 259.2 s in 30 days for 99.99 %.
The ratio over the time really observed is reported beside it; in a young system it says little, because ten bad seconds
of the first two minutes are 8 % of them and still only 4 % of the month's budget.

How time is counted:
- The clock starts with the first sample. An ordered `down` stops it, the first sample after the next `up` starts it
  again. An `up` without a `down` before it means that the system died: the clock has never stopped.
- Every second of the clock owes five ticks. Bad ticks are bad time, and so are ticks that nobody counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from monitoring.objectives import MIN_EVIDENCE_S, TICK_LIMIT_S, TICKS_PER_S, Objective

LATENESS_S = TICK_LIMIT_S + 1 / TICKS_PER_S
"""A tick is counted when it is answered, so the last scrape may lack this much: it is late, not missing."""

TAIL_S = 3.0
"""The newest sample may be this old, a scrape or two, before silence counts as bad."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The probe's counters as one scrape saw them; times are epoch seconds."""

    at: float
    good: float
    bad: float
    longest_gap_s: float = 0.0
    last_good_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody ordered the system up or down."""

    at: float
    up: bool


class Outcome(Enum):
    """The three verdicts and the exit code of each."""

    KEPT = ("kept", 0)
    BROKEN = ("broken", 1)
    NOT_ENOUGH_EVIDENCE = ("not enough evidence", 3)

    def __init__(self, words: str, exit_code: int) -> None:
        self.words = words
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Account:
    """Where the seconds went."""

    observed_s: float = 0.0
    bad_s: float = 0.0
    missing_s: float = 0.0
    longest_gap_s: float = 0.0

    def __add__(self, other: Account) -> Account:
        return Account(
            self.observed_s + other.observed_s,
            self.bad_s + other.bad_s,
            self.missing_s + other.missing_s,
            max(self.longest_gap_s, other.longest_gap_s),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the promise, with every number it hangs on."""

    objective: Objective
    outcome: Outcome
    since: float | None
    until: float
    account: Account

    @property
    def budget_used_s(self) -> float:
        """Bad and missing time together."""
        return min(self.account.bad_s + self.account.missing_s, self.account.observed_s)

    @property
    def availability(self) -> float | None:
        """The good share of the observed time; None when nothing was observed."""
        if self.account.observed_s <= 0:
            return None
        return 1 - self.budget_used_s / self.account.observed_s

    def as_json(self) -> dict[str, object]:
        """The verdict for machines; seconds are rounded to milliseconds."""
        return {
            "objective": self.objective.name,
            "verdict": self.outcome.words,
            "target": self.objective.target,
            "window_days": self.objective.window_days,
            "availability": None if self.availability is None else round(self.availability, 8),
            "observed_s": round(self.account.observed_s, 3),
            "bad_s": round(self.account.bad_s, 3),
            "missing_s": round(self.account.missing_s, 3),
            "budget_s": round(self.objective.budget_s, 3),
            "budget_used_s": round(self.budget_used_s, 3),
            "budget_left_s": round(self.objective.budget_s - self.budget_used_s, 3),
            "longest_write_gap_s": round(self.account.longest_gap_s, 3),
            "since": self.since,
            "until": self.until,
        }


def judge(objective: Objective, samples: Iterable[Sample], orders: Sequence[Order], *, now: float) -> Verdict:
    """Judge what the window that ends now has seen."""
    start = now - objective.window_s
    ordered = sorted((sample for sample in samples if start <= sample.at <= now), key=lambda sample: sample.at)
    account, since = Account(), None
    for begin, end in _runs(orders, now):
        seen = [sample for sample in ordered if begin <= sample.at <= end]
        if seen:
            since = seen[0].at if since is None else since
            account += _account(seen, until=end)
    return Verdict(objective, _outcome(objective, account), since, now, account)


def _outcome(objective: Objective, account: Account) -> Outcome:
    if account.observed_s < MIN_EVIDENCE_S:
        return Outcome.NOT_ENOUGH_EVIDENCE
    used = min(account.bad_s + account.missing_s, account.observed_s)
    return Outcome.KEPT if used <= objective.budget_s else Outcome.BROKEN


def _runs(orders: Sequence[Order], now: float) -> list[tuple[float, float]]:
    """The spans during which the system was ordered to be up; one endless span when nobody wrote orders down."""
    runs: list[tuple[float, float]] = []
    begin: float | None = float("-inf") if not orders else None
    for order in sorted(orders, key=lambda order: order.at):
        if order.up and begin is None:
            begin = order.at
        elif not order.up:
            runs.append((float("-inf") if begin is None else begin, min(order.at, now)))
            begin = None
    if begin is not None:
        runs.append((begin, now))
    return [run for run in runs if run[0] < run[1]]


def _account(samples: Sequence[Sample], *, until: float) -> Account:
    """Count one run: from its first sample to the order that ended it, or to now."""
    first, last = samples[0], samples[-1]
    good, bad = _increases(samples)
    owed_s = last.at - first.at
    shortfall_s = owed_s - (good + bad) / TICKS_PER_S
    tail_s = until - last.at
    missing_s = (shortfall_s if shortfall_s > LATENESS_S else 0.0) + (tail_s if tail_s > TAIL_S else 0.0)
    observed_s = owed_s + (tail_s if tail_s > TAIL_S else 0.0)
    return Account(observed_s, bad / TICKS_PER_S, missing_s, _longest_gap(samples, until=until))


def _increases(samples: Sequence[Sample]) -> tuple[float, float]:
    """How far both counters went; a counter that fell began again at zero with a new probe process."""
    good = bad = 0.0
    for before, after in pairwise(samples):
        begun_again = after.good < before.good or after.bad < before.bad
        good += after.good - (0 if begun_again else before.good)
        bad += after.bad - (0 if begun_again else before.bad)
    return good, bad


def _longest_gap(samples: Sequence[Sample], *, until: float) -> float:
    """The longest time without a good write: as each probe process saw it, and across its restarts and its silence."""
    longest = max(sample.longest_gap_s for sample in samples)
    for before, after in pairwise(samples):
        if after.good < before.good and before.last_good_at:
            longest = max(longest, (after.last_good_at or after.at) - before.last_good_at)
    tail_s = until - samples[-1].at
    if tail_s > TAIL_S and samples[-1].last_good_at:
        longest = max(longest, until - samples[-1].last_good_at)
    return longest
