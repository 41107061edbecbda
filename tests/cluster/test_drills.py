"""Every drill on the real cluster: kept promises pass, a fault that did not bite is invalid, a dead driver heals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos import faults
from chaos.drills import EXPERIMENTS, drills, judge_folder, run_drill
from chaos.faults import LineCut, link_state
from chaos.session import Target
from deploy.playground import tokens
from deploy.playground.lifecycle import Started
from ha.control import STATE_VARIABLE
from monitoring.samples import Prometheus

CUT_AND_DIE = """
import os
from chaos.faults import LineCut
from chaos.toxics import Toxics
from ha.control import find

control = find()
toxics = Toxics(control.status()["endpoints"]["toxiproxy"])
LineCut("A", toxics=toxics, control=control, heal_after_s=15).begin()
os._exit(9)
"""


@pytest.fixture
def target(playground: Started) -> Target:
    """What a drill is given."""
    return Target(playground.control, lambda name: tokens.mint(playground.state, name))


@pytest.fixture
def lines_up(playground: Started, eventually: Callable[..., float]) -> None:
    """Let a test begin with both lines up."""

    def both() -> bool:
        return all(link["state"] == "up" for link in playground.control.status()["links"])

    eventually(both, "both lines are up", within_s=60)


@pytest.mark.parametrize("name", [drill.name for drill in drills()])
def test_a_drill_passes_and_leaves_all_it_promises(
    name: str, whole: None, lines_up: None, target: Target, tmp_path: Path
) -> None:
    verdict, folder = run_drill(name, target, seed=17, out=tmp_path)

    assert [check for check in verdict.checks if not check.passed] == []
    assert verdict.word == "pass"
    figures = verdict.figures
    assert (figures.lost, figures.duplicated, figures.failed_requests) == (0, 0, 0)
    assert folder == tmp_path / f"{name}-17"
    assert {path.name for path in folder.iterdir()} == {
        "journal.json", "history.jsonl", "verdict.json", "report.html",
    }  # fmt: skip
    assert json.loads((folder / "journal.json").read_text())["status"] == "completed"
    assert json.loads((folder / "verdict.json").read_text()) == verdict.as_json()
    assert judge_folder(folder).as_json() == verdict.as_json()
    seen = Prometheus(target.control.status()["endpoints"]["prometheus"])
    metrics = (f'registry_drill_active{{drill="{name}"}}', f'registry_drill_fault_active{{fault="{name}"}}')
    shown = [[series.value for series in seen.instant(f"max_over_time({metric}[5m])")] for metric in metrics]
    seen.close()
    assert shown == [[1.0], [1.0]]


def test_a_cut_that_cuts_nothing_makes_the_drill_invalid(
    whole: None, lines_up: None, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was lost, nothing failed, and nothing was proved."""
    monkeypatch.setattr(LineCut, "inject", lambda _: {"proxies_up": {}})
    monkeypatch.setattr(faults, "LINE_FALLS_WITHIN_S", 2.0)

    verdict, _ = run_drill("cut-line-a", target, seed=18, out=tmp_path)

    assert verdict.word == "invalid"
    assert "assumption: fault cut-line-a bit" in [check.name for check in verdict.checks if not check.passed]
    assert verdict.figures.lost == 0


def test_a_line_is_mended_by_the_runner_when_whoever_cut_it_is_dead(
    lines_up: None, playground: Started, eventually: Callable[..., float]
) -> None:
    died = subprocess.run([sys.executable, "-c", CUT_AND_DIE], env=named(playground), check=False)

    assert died.returncode == 9
    assert link_state(playground.control.status(), "A") == "down"
    eventually(lambda: link_state(playground.control.status(), "A") == "up", "line A is up again", within_s=60)


def test_the_experiments_run_under_the_stock_tool(
    whole: None, lines_up: None, playground: Started, tmp_path: Path
) -> None:
    token = {"REGISTRY_TOKEN": tokens.mint(playground.state, "probe")}
    command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", str(EXPERIMENTS / "cut-line-a.yaml")]

    done = subprocess.run(
        command, env=named(playground) | token, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    journal: dict[str, Any] = json.loads((tmp_path / "journal.json").read_text())
    assert (journal["status"], journal["deviated"]) == ("completed", False)


def named(playground: Started) -> dict[str, str]:
    root = Path(__file__).parents[2]
    return os.environ | {STATE_VARIABLE: str(playground.state.root), "PYTHONPATH": str(root)}
