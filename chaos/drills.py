"""One drill: traffic from outside, a Chaos Toolkit experiment in the middle, a final look, a judge; all of it saved."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment

from chaos.durability import note_durability
from chaos.history import History, HistoryDamagedError, read
from chaos.judge import judge
from chaos.observe import NotObservedError
from chaos.report import write_report
from chaos.session import Target, recording, session
from chaos.telemetry import exported
from chaos.verdict import Verdict
from chaos.watch import Watch
from chaos.workload import Pace, Workload, WorldNotPreparedError
from ha.client import NoAnswerError
from ha.control import ControlRefusedError, NoPlaygroundError

EXPERIMENTS = Path(__file__).with_name("experiments")

DRILL_FILES = ("journal.json", "history.jsonl", "verdict.json", "report.html")
"""What a drill leaves in its folder."""

WARM_WRITES, COOL_WRITES = 150, 150
"""Acknowledged writes before the fault and after the healing: a few seconds each at the usual pace."""
WARM_WITHIN_S, COOL_WITHIN_S = 60.0, 60.0

GIVING_UP = (
    WorldNotPreparedError,
    NotObservedError,
    NoAnswerError,
    NoPlaygroundError,
    ControlRefusedError,
    TimeoutError,
)
"""Ends of a drill that could not be carried out."""

Progress = Callable[[str], None]
"""Told in a few words what the drill does now."""


class UnknownDrillError(Exception):
    """There is no drill of that name."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One experiment file and the names of the faults that must bite."""

    name: str
    path: Path
    title: str
    faults: tuple[str, ...]


def drills() -> list[Drill]:
    """Return every drill there is, by name."""
    return [_drill(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))]


def find_drill(name: str) -> Drill:
    """Return the drill of that name; UnknownDrillError lists the names there are."""
    known = {drill.name: drill for drill in drills()}
    if name not in known:
        raise UnknownDrillError(f"no drill {name!r}; there are: {', '.join(known)}")
    return known[name]


def _drill(path: Path) -> Drill:
    experiment = load_experiment(path)
    own = next(entry for entry in experiment["extensions"] if entry["name"] == "carbon-registry")
    return Drill(path.stem, path, experiment["title"], tuple(own["faults"]))


def load_experiment(path: Path) -> dict[str, Any]:
    """Read an experiment file."""
    experiment: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return experiment


def run_drill(
    name: str,
    target: Target,
    *,
    seed: int,
    out: Path = Path("out/drills"),
    pace: Pace | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Verdict, Path]:
    """Run the drill on a playground and return its verdict and the folder everything was saved in.

    Must be called on the main thread: Chaos Toolkit takes signals there.
    """
    drill = find_drill(name)
    folder = fresh_folder(out / f"{name}-{seed}")
    with History(folder / "history.jsonl") as history:
        history.note(
            "drill",
            "info",
            "run",
            {"name": name, "seed": seed, "faults": drill.faults, "repeat": f"registry drill run {name} --seed {seed}"},
        )
        try:
            _run(drill, target, history, folder, seed=seed, pace=pace, progress=progress)
        except GIVING_UP as error:  # judged all the same: what was noted until then is evidence
            history.note("drill", "info", "given-up", {"error": str(error)})
            progress(f"given up: {error}")
    progress("judging")
    return judge_folder(folder), folder


def _run(
    drill: Drill,
    target: Target,
    history: History,
    folder: Path,
    *,
    seed: int,
    pace: Pace | None,
    progress: Progress,
) -> None:
    endpoints = target.control.status()["endpoints"]
    workload = Workload(
        addresses=endpoints["api"],
        tokens=target.tokens,
        history=history,
        run=f"{drill.name}-{seed}-{int(time.time())}",
        seed=seed,
        pace=pace,
    )
    with exported(drill.name, endpoints["prometheus"]), workload, Watch(target.control, history):
        progress("preparing accounts and allowances")
        workload.prepare()
        workload.start()
        progress("waiting for traffic")
        if workload.flowed(WARM_WRITES, within_s=WARM_WITHIN_S):
            progress("experiment")
            with session(target, history):
                journal = run_journaled(drill.path)
            _save(folder / "journal.json", journal)
            progress("waiting for traffic after the fault")
            workload.flowed(COOL_WRITES, within_s=COOL_WITHIN_S)
        workload.stop()
        progress("reading the final state back")
        workload.observe()
        note_durability(target.control.status(), history)


def run_journaled(path: Path) -> dict[str, Any]:
    """Run an experiment file as `chaos run` would and return its journal."""
    experiment = load_experiment(path)
    with _quiet_toolkit():
        ensure_experiment_is_valid(experiment)
        journal: dict[str, Any] = run_experiment(experiment, settings={"runtime": experiment.get("runtime", {})})
    history = recording()
    if history is not None:
        outcome = {"status": journal.get("status"), "deviated": bool(journal.get("deviated"))}
        history.note(
            "drill", "info", "experiment", {"title": experiment["steady-state-hypothesis"]["title"], **outcome}
        )
    return journal


@contextmanager
def _quiet_toolkit() -> Iterator[None]:
    """Keep the toolkit's log out of a screen that shows progress; the journal has it all."""
    logger = logging.getLogger("chaostoolkit")
    handler, propagated = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagated
        logger.removeHandler(handler)


def judge_folder(folder: Path) -> Verdict:
    """Judge a saved drill (again) from its history alone, and write verdict and report beside it."""
    events = read(folder / "history.jsonl")
    if not events:
        raise HistoryDamagedError(f"{folder / 'history.jsonl'} is empty")
    verdict = judge(events)
    verdict.save(folder / "verdict.json")
    write_report(folder / "report.html", events, verdict)
    return verdict


def fresh_folder(folder: Path) -> Path:
    """Make room: a repeated run replaces what the same seed left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DRILL_FILES:
        (folder / name).unlink(missing_ok=True)
    return folder


def _save(path: Path, journal: dict[str, Any]) -> None:
    path.write_text(json.dumps(journal, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")


def worst_exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when every promise was kept, else 1."""
    return 0 if all(verdict.word == "pass" for verdict in verdicts) else 1
