"""Asks the running playground whether the promise is kept: the one way to a verdict for commands, demo and drills."""

from __future__ import annotations

import time
from pathlib import Path

from ha import control
from monitoring import samples
from monitoring.objectives import load
from monitoring.samples import Prometheus
from monitoring.verdict import Verdict, judge


def prometheus_url() -> str:
    """Return where the playground's Prometheus answers; NoPlaygroundError when none runs."""
    found: str = control.status()["endpoints"]["prometheus"]
    return found


def verdict_of(url: str, state: Path, *, now: float | None = None) -> Verdict:
    """Judge what that Prometheus recorded, with the orders of that state folder; UnreachableError when it is silent."""
    objective, until = load(), time.time() if now is None else now
    given = samples.orders(state)
    seams = [until - objective.window_s, *(order.at for order in given)]
    prometheus = Prometheus(url)
    try:
        since = prometheus.first_sample_at(within_days=objective.window_days)
        seen = [] if since is None else list(prometheus.probe_samples(since=since, until=until, seams=seams))
    finally:
        prometheus.close()
    return judge(objective, seen, given, now=until)


def current_verdict() -> Verdict:
    """Judge the running playground."""
    return verdict_of(prometheus_url(), control.state_folder())
