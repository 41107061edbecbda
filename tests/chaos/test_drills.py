"""The drills as files and as a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaoslib.experiment import ensure_experiment_is_valid
from typer.testing import CliRunner

from chaos import cli
from chaos.drills import DRILL_FILES, Drill, drills, fresh_folder, load_experiment
from chaos.history import History
from chaos.session import Target
from ha.control import NoPlaygroundError


@pytest.mark.parametrize("drill", drills(), ids=lambda drill: drill.name)
def test_every_drill_is_an_experiment_that_chaos_toolkit_accepts(drill: Drill) -> None:
    experiment = load_experiment(drill.path)

    ensure_experiment_is_valid(experiment)

    assert experiment["rollbacks"], "a fault that nobody takes back is no drill"
    assert experiment["runtime"]["rollbacks"]["strategy"] == "always"
    assert experiment["steady-state-hypothesis"]["probes"]


def test_the_drills_of_the_first_release_are_there() -> None:
    assert {drill.name for drill in drills()} >= {"cut-line-a", "kill-primary-node"}


def test_the_list_names_every_drill() -> None:
    shown = CliRunner().invoke(cli.app, ["list"])

    assert shown.exit_code == 0
    assert all(drill.name in shown.output for drill in drills())


def test_an_unknown_drill_is_one_line_that_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is started for it."""

    def never() -> None:
        pytest.fail("no playground is needed to see that there is no such drill")

    monkeypatch.setattr(cli, "open_target", never)

    answer = CliRunner().invoke(cli.app, ["run", "nonsense"])

    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert "cut-line-a, kill-primary-node" in answer.stderr


def test_a_machine_without_a_playground_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def none() -> Iterator[Target]:
        raise NoPlaygroundError("haproxy is missing: apt-get install haproxy")
        yield

    monkeypatch.setattr(cli, "open_target", none)

    answer = CliRunner().invoke(cli.app, ["run", "cut-line-a"])

    assert answer.exit_code == 2
    assert answer.stderr == "registry drill: haproxy is missing: apt-get install haproxy\n"


def test_a_saved_drill_is_judged_again_from_its_history_alone(tmp_path: Path) -> None:
    with History(tmp_path / "history.jsonl") as history:
        history.note(
            "drill", "info", "run", {"name": "d", "seed": 7, "faults": ["f"], "repeat": "registry drill run d"}
        )

    answer = CliRunner().invoke(cli.app, ["judge", str(tmp_path)])

    assert answer.exit_code == 1
    saved = json.loads((tmp_path / "verdict.json").read_text())
    assert saved["verdict"] == "invalid"
    assert (saved["seed"], saved["repeat"]) == (7, "registry drill run d")
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("content", [None, "", "{\n{}\n"], ids=["missing", "empty", "damaged"])
def test_a_folder_without_a_usable_history_is_wrong_use(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "history.jsonl").write_text(content)

    answer = CliRunner().invoke(cli.app, ["judge", str(tmp_path)])

    assert answer.exit_code == 2
    assert len(answer.stderr.splitlines()) == 1


def test_a_repeated_seed_replaces_what_the_earlier_run_left(tmp_path: Path) -> None:
    for name in DRILL_FILES:
        (tmp_path / name).write_text("old")
    keep = tmp_path / "notes.txt"
    keep.write_text("mine")
    fresh_folder(tmp_path)

    assert list(tmp_path.iterdir()) == [keep]
