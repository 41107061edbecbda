"""The list of benchmarks: a name, what it measures, and the function that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from deploy.bench.ground import Ground
from deploy.bench.results import Row

HISTORY = 10_000_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how large; the defaults are those of the published figures."""

    seconds: float = 15.0
    seed: int = 0
    history: int = HISTORY
    """Transfers that are there already when balances are read."""

    @property
    def chance(self) -> Random:
        """Return the run's own chance."""
        return Random(self.seed)  # noqa: S311  # a seed that repeats the run


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One thing that is measured, with its reference in the same run."""

    name: str
    about: str
    run: Callable[[Ground, Plan, Say], Sequence[Row]]
