"""The watcher and the looks in the middle of an experiment: what they could not see is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chaoslib.activity import execute_activity

from chaos import watch
from chaos.drills import EXPERIMENTS, load_experiment
from chaos.history import History, read
from chaos.session import Target, session
from chaos.watch import Watch


class Runner:
    """Answers with one status, or with an error that nobody foresaw."""

    def __init__(self, *, line_b: str = "up") -> None:
        self.broken = False
        self.links = [{"name": "A", "state": "down"}, {"name": "B", "state": line_b}]

    def status(self) -> dict[str, Any]:
        if self.broken:
            raise ValueError("half an answer")
        node = {"name": "main-1", "role": "primary", "state": "running", "timeline": 1}
        return {"nodes": [node], "links": self.links}


def test_whatever_ends_a_look_is_noted_as_blindness_and_the_watcher_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    runner = Runner()
    with History(tmp_path / "history.jsonl") as history, Watch(runner, history) as watcher:  # type: ignore[arg-type]
        runner.broken = True
        watcher._thread.join(0.2)
        assert watcher._thread.is_alive()
        runner.broken = False
        runner.links = [{"name": "A", "state": "up"}]

    seen = [(event.f, event.value) for event in read(tmp_path / "history.jsonl")]
    assert [f for f, _ in seen if f == "cluster"] == ["cluster", "cluster"]
    blind = [value for f, value in seen if f == "blind"]
    assert blind
    assert {value["error"] for value in blind} == {"half an answer"}
    assert all(value["for_s"] >= 0 for value in blind)


@pytest.mark.parametrize(("state", "status"), [("up", "succeeded"), ("down", "failed")])
def test_the_look_at_the_other_line_fails_by_itself_when_that_line_is_down(
    state: str, status: str, tmp_path: Path
) -> None:
    """Chaos Toolkit heeds tolerances in the hypothesis only; in the method, only a probe that raises has failed."""
    experiment = load_experiment(EXPERIMENTS / "cut-line-a.yaml")
    probe = next(step for step in experiment["method"] if step["name"] == "line-b-carries-on")
    probe["provider"]["arguments"]["within_s"] = 0.3

    with History(tmp_path / "history.jsonl") as history:
        target = Target(Runner(line_b=state), lambda name: name)  # type: ignore[arg-type]
        with session(target, history):
            done = execute_activity(experiment, probe, {}, {}, dry=None)

    assert done["status"] == status
