"""What the actions of an experiment work on: the playground, somebody's token, and whoever writes faults down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from chaos.faults import Control, Facts, Fault, Recorder
from chaos.history import History
from chaos.telemetry import FAULT_ACTIVE
from chaos.toxics import Toxics
from ha.control import find

PROBE = "probe"
"""The caller whose role may write beats."""


@dataclass(frozen=True, slots=True)
class Target:
    """A playground that takes drills: its runner, and bearer tokens by a person's name."""

    control: Control
    tokens: Callable[[str], str]

    @property
    def toxics(self) -> Toxics:
        """The playground's Toxiproxy."""
        return Toxics(self.control.status()["endpoints"]["toxiproxy"])


@dataclass(slots=True)
class Session:
    """One experiment's run: its target, its recorder, and the faults that are on."""

    target: Target
    recorder: Recorder | None = None
    history: History | None = None
    active: dict[str, Fault] = field(default_factory=dict)


_current: Session | None = None


@contextmanager
def session(target: Target, history: History) -> Iterator[Session]:
    """Let the experiment that runs inside work on this target and write into this history."""
    global _current  # noqa: PLW0603  # Chaos Toolkit loads actions by module name: there is nowhere else to put it
    before, _current = _current, Session(target, nemesis_into(history), history)
    try:
        yield _current
    finally:
        _current = before


def current(configuration: Mapping[str, Any] | None) -> Session:
    """Return the session of this run; under a plain `chaos run`, one on the playground that the configuration names."""
    global _current  # noqa: PLW0603  # as above
    if _current is None:
        settings = configuration or {}
        state, token = settings.get("state"), settings.get("token")
        _current = Session(
            Target(find(Path(state) if state else None), (lambda _: str(token)) if token else token_by_command)
        )
    return _current


def recording() -> History | None:
    """Return the history of the current run, if it keeps one."""
    return _current.history if _current is not None else None


def nemesis_into(history: History) -> Recorder:
    """Return a recorder that notes every verb of a fault, and shows it to Prometheus while it is on."""

    def note(fault: Fault, verb: str, facts: Facts) -> None:
        if verb in {"inject", "cleanup"}:
            FAULT_ACTIVE.labels(fault.name).set(1 if verb == "inject" else 0)
        history.note("nemesis", "info", fault.name, {"verb": verb, "kind": fault.kind, "target": fault.target, **facts})

    return note


@cache
def token_by_command(name: str) -> str:
    """Ask the published command for a token, as any person on this machine would."""
    command = [str(Path(sys.executable).with_name("registry")), "token", "--as", name]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
