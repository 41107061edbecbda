"""The promise as data: its name, its target, its window and why it is this number, read from slo.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import yaml

DOCUMENT = Path(__file__).with_name("slo.yaml")

TICKS_PER_S = 5
"""How often the outside probe asks. 0.2 s is below every recovery we know of and 0.08 % of the month's budget."""

TICK_LIMIT_S = 1.0
"""A tick that is not answered correctly within this time is bad."""

SCRAPE_S = 1
"""How often Prometheus reads the probe; a probe that does not answer one scrape has missed this many seconds."""

MIN_EVIDENCE_S = 60.0
"""Below this much observed time nobody may claim anything."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised over a rolling window."""

    name: str
    service: str
    title: str
    why: str
    target: float
    window_days: int

    @property
    def window_s(self) -> float:
        """The window in seconds."""
        return self.window_days * 86_400.0

    @property
    def allowed(self) -> float:
        """The share that may be bad, computed from the decimal as written: 1 - 0.9999 in floats is not 0.0001."""
        return float(1 - Fraction(str(self.target)))

    @property
    def budget_s(self) -> float:
        """Seconds of complete outage that the window can bear."""
        return float((1 - Fraction(str(self.target))) * self.window_days * 86_400)


def load(document: Path = DOCUMENT) -> Objective:
    """Read the OpenSLO document; ValueError when it promises anything this code could not keep account of."""
    slo = yaml.safe_load(document.read_text(encoding="utf-8"))
    if slo.get("apiVersion") != "openslo/v1" or slo.get("kind") != "SLO":
        raise ValueError(f"{document.name} is not an OpenSLO v1 SLO")
    spec = slo["spec"]
    window, objective = spec["timeWindow"][0], spec["objectives"][0]
    if not window.get("isRolling") or not str(window["duration"]).endswith("d"):
        raise ValueError(f"{document.name}: only rolling windows of whole days are kept account of")
    if not 0 < objective["target"] < 1:
        raise ValueError(f"{document.name}: a target lies between 0 and 1, got {objective['target']}")
    return Objective(
        name=slo["metadata"]["name"],
        service=spec["service"],
        title=slo["metadata"]["displayName"],
        why=spec["description"],
        target=objective["target"],
        window_days=int(str(window["duration"])[:-1]),
    )
