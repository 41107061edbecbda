"""Monte Carlo: how likely a month keeps the promise, given how often things break and how long each recovery takes.

The rates are assumptions and are shown beside the answer. Recovery times come from drills where there are any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from monitoring.objectives import Objective

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class FaultClass:
    """One way to lose writes: how often a year, for how long, and the drill that measures it."""

    name: str
    per_year: float
    outages_s: tuple[float, ...]
    drill: str | None = None
    measured: bool = False


ASSUMED = (
    FaultClass("node of the primary dies", 6, (19, 21, 23, 25, 29), "kill-primary-node"),
    FaultClass("primary's PostgreSQL dies", 12, (2, 3, 4, 6, 9), "kill-primary-postgres"),
    FaultClass("a whole site is lost", 0.5, (21, 24, 27, 31, 38), "lose-site"),
    FaultClass("planned switchover", 24, (1, 1.5, 2, 2.5, 3), "switchover"),
    FaultClass("one endpoint or its path dies", 6, (0.2, 0.5, 1, 1, 2), "kill-endpoint"),
    FaultClass("everything stops, a person must act", 0.1, (300, 600, 900, 1800, 3600)),
)
"""Rates for two ordinary data centres; outages from the lease times of the cluster, until drills replace them."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What many simulated windows came to."""

    windows: int
    kept_share: float
    bad_s_quantiles: Mapping[str, float]
    bad_s_mean_by_class: Mapping[str, float]


def with_measured(classes: Sequence[FaultClass], drills: Path) -> list[FaultClass]:
    """Replace assumed outages by the write gaps of passed drills, where drills of that name left verdicts."""
    found = []
    for fault in classes:
        gaps = tuple(_gaps(drills, fault.drill)) if fault.drill else ()
        found.append(FaultClass(fault.name, fault.per_year, gaps, fault.drill, measured=True) if gaps else fault)
    return found


def _gaps(drills: Path, name: str) -> Iterator[float]:
    for file in sorted(drills.glob(f"{name}-*/verdict.json")):
        verdict = json.loads(file.read_text(encoding="utf-8"))
        gap = verdict.get("longest_write_gap_s")
        if verdict.get("verdict") == "pass" and gap is not None:
            yield float(gap)


def forecast(objective: Objective, classes: Sequence[FaultClass], *, windows: int, seed: int) -> Forecast:
    """Live through many windows; faults come independently, their outages never overlap in anybody's favour."""
    dice = Random(seed)  # noqa: S311  # chance, not secrets: a seed must repeat it
    totals: list[float] = []
    by_class = dict.fromkeys((fault.name for fault in classes), 0.0)
    for _ in range(windows):
        bad_s = 0.0
        for fault in classes:
            lost_s = _lost_s(fault, objective.window_days, dice)
            by_class[fault.name] += lost_s
            bad_s += lost_s
        totals.append(bad_s)
    totals.sort()
    return Forecast(
        windows=windows,
        kept_share=sum(bad_s <= objective.budget_s for bad_s in totals) / windows,
        bad_s_quantiles={f"p{share}": totals[min(windows - 1, windows * share // 100)] for share in (50, 90, 99)},
        bad_s_mean_by_class={name: lost_s / windows for name, lost_s in by_class.items()},
    )


def _lost_s(fault: FaultClass, days: int, dice: Random) -> float:
    lost_s, at_days = 0.0, dice.expovariate(fault.per_year / DAYS_PER_YEAR)
    while at_days < days:
        lost_s += dice.choice(fault.outages_s)
        at_days += dice.expovariate(fault.per_year / DAYS_PER_YEAR)
    return lost_s
