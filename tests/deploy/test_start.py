"""Starts that fail: each ends, in time, with its reason and with exit code 2; and nobody's file is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.demo import command
from deploy.playground import lifecycle
from deploy.playground.lifecycle import Started, StartFailedError
from deploy.playground.plan import Plan
from deploy.playground.preflight import CannotStartError
from deploy.playground.runner import Runner
from deploy.playground.state import State
from ha import control

SENTENCE = "the playground did not come up: etcd has a leader: still not so after 150 s"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """A playground folder that the commands find, not made yet."""
    root = tmp_path / "playground"
    monkeypatch.setenv(control.STATE_VARIABLE, str(root))
    return State(root)


class Warden:
    """The parent of a runner that lives as long as it is let."""

    def poll(self) -> None:
        return None


def started(state: State) -> Started:
    state.root.mkdir()
    return Started(state, Warden())  # type: ignore[arg-type]


class Boot:
    """A start that ends in something nobody foresaw."""

    def run(self) -> None:
        raise KeyError("api")


def test_whatever_ends_the_start_is_reported_and_stops_the_runner(
    state: State, capfd: pytest.CaptureFixture[str]
) -> None:
    state.root.mkdir()
    runner = Runner(Plan(120), state)
    runner.progress.waiting_for = "every service listens"

    runner._boot(Boot())  # type: ignore[arg-type]

    assert runner.stopping.is_set()
    assert runner.progress.error == "every service listens: KeyError: 'api'"
    assert state.error.read_text(encoding="utf-8") == runner.progress.error
    assert "Traceback" in capfd.readouterr().err, "the runner's log has all of it"


def test_a_runner_that_answers_and_never_gets_ready_is_not_waited_for_without_end(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging:
        def progress(self) -> dict[str, Any]:
            return {"done": [], "waiting_for": "PostgreSQL has a primary", "ready": False, "error": None}

    monkeypatch.setattr(control, "find", lambda _: Hanging())
    monkeypatch.setattr(lifecycle, "READY_WITHIN_S", 0.3)
    began = time.monotonic()

    with pytest.raises(StartFailedError, match=r"did not come up: the runner is not ready after 0\.3 s"):
        lifecycle.wait_ready(started(state))
    assert time.monotonic() - began >= 0.3


def test_a_runner_that_never_answers_is_not_waited_for_without_end(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "ANSWERS_WITHIN_S", 0.3)

    with pytest.raises(StartFailedError, match="the runner ended before it answered"):
        lifecycle.wait_ready(started(state))


def test_whoever_waits_outwaits_the_starts_own_bound() -> None:
    """Else the reason that names the silent process would never be heard."""
    assert lifecycle.READY_WITHIN_S > lifecycle.boot.WITHIN_S


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every start fails."""

    def fail(*_: object, **__: object) -> None:
        raise StartFailedError(SENTENCE)

    @contextmanager
    def private(*_: object, **__: object) -> Iterator[None]:
        fail()
        yield

    monkeypatch.setattr(lifecycle, "start", lambda *_, **__: None)
    monkeypatch.setattr(lifecycle, "wait_ready", fail)
    monkeypatch.setattr(lifecycle, "private_playground", private)


@pytest.mark.parametrize(
    ("arguments", "prefix"),
    [
        (["up"], ""),
        (["up", "--detach"], ""),
        (["demo", "--day", "2021-07-16"], "registry demo: "),
        (["demo", "--day", "2021-07-16", "--keep"], "registry demo: "),
        (["drill", "run", "cut-line-a"], "registry drill: "),
        (["drill", "all"], "registry drill: "),
    ],
    ids=" ".join,
)
def test_a_failed_start_is_one_sentence_and_exit_code_2_whoever_asked_for_it(
    arguments: list[str], prefix: str, failing: None, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "OUT", tmp_path / "out")

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 2
    assert result.stderr == f"{prefix}{SENTENCE}\n"


def begin(state: State, *, fresh: bool) -> None:
    lifecycle.start(state.root, tie="free", fresh=fresh, instance=120, say=print)


@pytest.fixture
def nothing_is_launched(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """Starts come as far as the first process, which is only noted."""
    launched: list[State] = []

    def launch(state: State, *_: object) -> Warden:
        launched.append(state)
        warden = Warden()
        warden.pid = 1  # type: ignore[attr-defined]
        return warden

    monkeypatch.setattr(lifecycle, "_launch", launch)
    monkeypatch.setattr(lifecycle, "check_ports", lambda _: None)
    return launched


@pytest.mark.parametrize("fresh", [False, True], ids=["plain", "fresh"])
def test_a_folder_with_other_things_in_it_is_refused_and_left_as_it_is(
    fresh: bool,  # noqa: FBT001
    nothing_is_launched: list[State],
    state: State,
) -> None:
    """REGISTRY_PLAYGROUND_STATE=$HOME is a slip, and must not cost a home."""
    letters = state.root / "letters"
    letters.mkdir(parents=True)
    (letters / "first").write_text("dear", encoding="utf-8")
    (state.root / "tokens").mkdir()

    with pytest.raises(CannotStartError, match="holds other things than a playground") as refusal:
        begin(state, fresh=fresh)

    assert "\n" not in str(refusal.value)
    assert nothing_is_launched == []
    assert sorted(path.name for path in state.root.rglob("*")) == ["first", "letters", "tokens"]


def test_the_command_refuses_somebody_elses_folder_in_one_line(state: State) -> None:
    state.root.mkdir()
    (state.root / "thesis.tex").write_text("x", encoding="utf-8")

    result = CliRunner().invoke(app, ["up", "--detach", "--fresh"])

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert (state.root / "thesis.tex").exists()


def test_down_touches_nothing_in_somebody_elses_folder(state: State) -> None:
    state.root.mkdir()
    (state.root / "error.txt").write_text("mine", encoding="utf-8")
    (state.root / "thesis.tex").write_text("x", encoding="utf-8")

    assert CliRunner().invoke(app, ["down"]).exit_code == 0
    assert sorted(path.name for path in state.root.iterdir()) == ["error.txt", "thesis.tex"]


def test_a_fresh_start_destroys_the_playground_and_nothing_beside_it(
    nothing_is_launched: list[State], state: State
) -> None:
    begin(state, fresh=False)
    for path in (state.secrets_file, state.uptime, state.root / ".secrets.json.4711", state.nodes / "main-1" / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old", encoding="utf-8")
    notes = state.root / "notes.txt"
    notes.write_text("mine", encoding="utf-8")

    begin(state, fresh=True)

    assert len(nothing_is_launched) == 2
    assert {path.name for path in state.root.iterdir()} == {"notes.txt", "lock", "instance"}


def test_a_state_that_is_a_file_is_refused_in_one_line(state: State) -> None:
    state.root.write_text("x", encoding="utf-8")

    with pytest.raises(CannotStartError, match="cannot be used"):
        begin(state, fresh=False)
    assert not lifecycle.is_running(state)


def test_everything_a_start_writes_is_known_as_a_playgrounds_own(state: State) -> None:
    made: list[Callable[[State], Path]] = [
        lambda state: state.token("probe").parent,
        lambda state: state.log("main-1", "api").parents[2],
    ]
    assert {path(state) for path in made} <= set(state.own)
    assert len(set(state.own)) == len(state.own)
