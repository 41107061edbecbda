"""What a drill ends with: checks, figures, one word, and the command that repeats it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Word = Literal["pass", "fail", "invalid"]

COLOURS: Mapping[Word, str] = {"pass": "green", "fail": "red", "invalid": "yellow"}
"""How a terminal shows each word."""

ASSUMPTION = "assumption: "
"""Checks with this prefix ask whether the drill proved anything at all; without them nothing else is claimed."""

MONTHLY_BUDGET_S = 259.2
"""99.99 % of 30 days."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at, in words a person reads."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The counted side of a verdict."""

    acknowledged: int
    lost: int
    duplicated: int
    unknown_resolved: int
    failed_requests: int
    client_retries: int
    longest_write_gap_s: float
    budget_used_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged drill. ``extra`` holds what one kind of drill adds, such as the demo's day."""

    name: str
    seed: int
    figures: Figures
    checks: Sequence[Check]
    repeat: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> Word:
        """``invalid`` before ``fail``: a drill without traffic or fault has proved nothing, not even a loss."""
        if any(not check.passed and check.name.startswith(ASSUMPTION) for check in self.checks):
            return "invalid"
        return "pass" if all(check.passed for check in self.checks) else "fail"

    def as_json(self) -> dict[str, Any]:
        """Return the published form."""
        figures = self.figures
        return {
            "verdict": self.word,
            "name": self.name,
            "seed": self.seed,
            "acknowledged": figures.acknowledged,
            "lost": figures.lost,
            "duplicated": figures.duplicated,
            "unknown_resolved": figures.unknown_resolved,
            "failed_requests": figures.failed_requests,
            "client_retries": figures.client_retries,
            "longest_write_gap_s": round(figures.longest_write_gap_s, 3),
            "budget_used_s": round(figures.budget_used_s, 3),
            "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in self.checks],
            "repeat": self.repeat,
            **self.extra,
        }

    def save(self, path: Path) -> None:
        """Write the published form."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
