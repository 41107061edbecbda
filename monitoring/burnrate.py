"""Generates the recording rules and burn-rate alerts of the objective, under the names that Sloth gave them.

The error ratio of a window is a division of two sums, never a mean of ratios:

    (bad ticks + missing ticks) / (ticks that the window owes: 5 a second)

Missing ticks are what the clock owed and nobody counted. The clock is a rule of its own, one sample a second: it
starts when Prometheus first reads the probe, goes on while the probe is dead, and stops with Prometheus, as in an
ordered stop of the whole system. Up to three seconds of shortfall are lateness: a tick takes up to one, so does a
scrape, so does a rule.

The divisor is the whole window even in a young system. Time that nobody could have watched is neither good nor bad,
and the thresholds mean the same outage on the first day as on the last: 5.2 s trip the one-hour page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitoring.objectives import SCRAPE_S, TICKS_PER_S, Objective
from monitoring.telemetry import TICKS, name_of

SHORT_WINDOWS = {"5m": 300, "30m": 1_800, "1h": 3_600, "2h": 7_200, "6h": 21_600}
LONG_WINDOWS = {"1d": 86_400, "3d": 259_200, "30d": 2_592_000}
WINDOWS = SHORT_WINDOWS | LONG_WINDOWS

LATE_S = 3
CLOCK = "slo:clock_running:bool"
AVAILABILITY = "slo:observed_availability:ratio"
BUDGET_LEFT = "slo:period_error_budget_remaining:ratio"
BURN_RATE = "slo:current_burn_rate:ratio"

CLOCK_MEMORY = "10s"
"""The clock survives a restart of Prometheus this short; a longer silence is taken for an ordered stop."""


@dataclass(frozen=True, slots=True)
class Burn:
    """One pair of windows: both must burn faster than the factor, the short one so that the alert ends soon after."""

    short: str
    long: str
    factor: float


PAGE = (Burn("5m", "1h", 14.4), Burn("30m", "6h", 6))
TICKET = (Burn("2h", "1d", 3), Burn("6h", "3d", 1))

Rule = dict[str, Any]


def groups(objective: Objective) -> list[dict[str, Any]]:
    """Return every rule group of the objective, in the order in which they need each other."""
    identity = f"{objective.service}-{objective.name}"
    labels = {"sloth_id": identity, "sloth_service": objective.service, "sloth_slo": objective.name}
    return [
        _group(f"slo-clock-{identity}", f"{SCRAPE_S}s", [_clock()]),
        _group(f"sloth-slo-sli-recordings-{identity}", "5s", _ratios(SHORT_WINDOWS, labels)),
        # A month of samples a second is not read every five seconds.
        _group(f"sloth-slo-sli-recordings-long-{identity}", "10s", _ratios(LONG_WINDOWS, labels)),
        _group(f"sloth-slo-meta-recordings-{identity}", "5s", _meta(objective, labels)),
        _group(f"sloth-slo-alerts-{identity}", "5s", _alerts(objective, labels)),
    ]


def _group(name: str, interval: str, rules: list[Rule]) -> dict[str, Any]:
    return {"name": name, "interval": interval, "rules": rules}


def _clock() -> Rule:
    # A bare selector would find the probe of the last run up to five minutes after an ordered stop.
    expression = f"""\
vector(1) and (
  max(last_over_time(up{{job="probe"}}[{CLOCK_MEMORY}])) == 1
  or max(last_over_time({CLOCK}[{CLOCK_MEMORY}]))
)
"""
    return {"record": CLOCK, "expr": expression}


def _ratios(windows: dict[str, int], labels: dict[str, str]) -> list[Rule]:
    return [
        {
            "record": f"slo:sli_error:ratio_rate{window}",
            "expr": _error_ratio(window, seconds),
            "labels": labels | {"sloth_window": window},
        }
        for window, seconds in windows.items()
    ]


def _error_ratio(window: str, seconds: int) -> str:
    ticks = name_of(TICKS)
    return f"""\
clamp_max(
  (
    (sum(increase({ticks}{{outcome="bad"}}[{window}])) or vector(0))
    + (
      ({TICKS_PER_S} * sum(count_over_time({CLOCK}[{window}])) - (sum(increase({ticks}[{window}])) or vector(0)))
      > {LATE_S * TICKS_PER_S} or vector(0)
    )
  ) / {TICKS_PER_S * seconds},
  1
) and sum(count_over_time({CLOCK}[{window}]))
"""


def _meta(objective: Objective, labels: dict[str, str]) -> list[Rule]:
    own = _selector(labels)
    period = f"{objective.window_days}d"
    over_budget = "/ on(sloth_id, sloth_slo, sloth_service) group_left slo:error_budget:ratio" + own
    ratios = {
        "slo:objective:ratio": f"vector({objective.target})",
        "slo:error_budget:ratio": f"vector({objective.allowed})",
        "slo:time_period:days": f"vector({objective.window_days})",
        BURN_RATE: f"slo:sli_error:ratio_rate5m{own} {over_budget}",
        "slo:period_burn_rate:ratio": f"slo:sli_error:ratio_rate{period}{own} {over_budget}",
        BUDGET_LEFT: f"1 - slo:period_burn_rate:ratio{own}",
        AVAILABILITY: _availability(period, int(objective.window_s), own),
    }
    info = labels | {
        "sloth_mode": "generated",
        "sloth_objective": f"{objective.target * 100:g}",
        "sloth_spec": "openslo/v1",
        "sloth_version": "none",
    }
    return [
        *({"record": name, "expr": expression, "labels": labels} for name, expression in ratios.items()),
        {"record": "sloth_slo_info", "expr": "vector(1)", "labels": info},
    ]


def _availability(period: str, seconds: int, own: str) -> str:
    """The good share of the time the clock has run: what people call availability."""
    return f"""\
clamp_min(
  1 - max(slo:sli_error:ratio_rate{period}{own}) * {seconds} / ({SCRAPE_S} * sum(count_over_time({CLOCK}[{period}]))),
  0
)
"""


def _alerts(objective: Objective, labels: dict[str, str]) -> list[Rule]:
    return [
        {
            "alert": "RegistryErrorBudgetBurnsFast",
            "expr": _burning(PAGE, objective, labels),
            "labels": {"sloth_severity": "page", "severity": "page"},
            "annotations": {
                "summary": "Writes fail so often that the month's budget will not last.",
                "description": "Recovery is automatic. See which node is primary and whether the endpoint has one.",
            },
        },
        {
            "alert": "RegistryErrorBudgetBurnsSlowly",
            "expr": _burning(TICKET, objective, labels),
            "labels": {"sloth_severity": "ticket", "severity": "ticket"},
            "annotations": {
                "summary": "Writes fail a little more often than the month's budget allows.",
                "description": "Find the fault class in the drill reports and in the list of switchovers.",
            },
        },
    ]


def _burning(burns: tuple[Burn, ...], objective: Objective, labels: dict[str, str]) -> str:
    return "or\n".join(_pair(burn, objective, _selector(labels)) for burn in burns)


def _pair(burn: Burn, objective: Objective, own: str) -> str:
    limit = f"({burn.factor:g} * {objective.allowed})"
    return f"""\
(
  max(slo:sli_error:ratio_rate{burn.short}{own} > {limit}) without (sloth_window)
  and
  max(slo:sli_error:ratio_rate{burn.long}{own} > {limit}) without (sloth_window)
)
"""


def _selector(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
