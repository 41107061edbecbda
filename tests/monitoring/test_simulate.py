"""The forecast repeats, and agrees with arithmetic where arithmetic is possible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitoring.objectives import load
from monitoring.simulate import ASSUMED, FaultClass, forecast, with_measured


def test_the_same_seed_gives_the_same_forecast_and_another_seed_another() -> None:
    assert forecast(load(), ASSUMED, windows=500, seed=4) == forecast(load(), ASSUMED, windows=500, seed=4)
    assert forecast(load(), ASSUMED, windows=500, seed=4) != forecast(load(), ASSUMED, windows=500, seed=5)


def test_the_mean_loss_is_rate_times_outage() -> None:
    found = forecast(load(), [FaultClass("f", 365.25, (2.0,))], windows=4000, seed=1)
    assert found.bad_s_mean_by_class["f"] == pytest.approx(60.0, rel=0.02), "one a day of 2 s, 30 days"


def test_faults_that_never_fit_into_the_budget_break_exactly_the_months_they_happen_in() -> None:
    found = forecast(load(), [FaultClass("f", 365.25 / 30, (300.0,))], windows=8000, seed=1)
    assert found.kept_share == pytest.approx(0.3679, abs=0.02), "a Poisson month without any: 1/e"


def test_passed_drills_replace_what_was_assumed_and_failed_ones_do_not(tmp_path: Path) -> None:
    for seed, verdict, gap in ((1, "pass", 4.5), (2, "pass", 5.5), (3, "invalid", 0.0)):
        folder = tmp_path / f"kill-primary-node-{seed}"
        folder.mkdir()
        (folder / "verdict.json").write_text(json.dumps({"verdict": verdict, "longest_write_gap_s": gap}), "utf-8")
    found = {fault.name: fault for fault in with_measured(ASSUMED, tmp_path)}
    assert found["node of the primary dies"].outages_s == (4.5, 5.5)
    assert found["node of the primary dies"].measured
    assert not found["planned switchover"].measured
