"""Starts a playground, waits for it, ends it, and cleans up after one that could not: what commands and tests call."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import psutil

from deploy.playground import boot
from deploy.playground import plan as places
from deploy.playground.plan import Plan
from deploy.playground.preflight import CannotStartError, check_disk, check_ports, check_programs, free_instance
from deploy.playground.state import State, default_state
from ha import control
from ha.control import STATE_VARIABLE
from ha.processes import below

ANSWERS_WITHIN_S = 30.0
"""From the start of the runner to its first answer: the imports, on a machine that is busy."""
READY_WITHIN_S = boot.WITHIN_S + 30.0
"""From then on: the start gives up by itself before; whoever waits must not wait for a runner that hangs."""
STOPS_WITHIN_S = 90.0
Tie = Literal["free", "tied", "passing"]
Report = Callable[[dict[str, Any]], None]


class StartFailedError(Exception):
    """It was started and did not come up; the message says which process, and how its log ends."""


@dataclass(frozen=True, slots=True)
class Started:
    """A playground that we started."""

    state: State
    warden: subprocess.Popen[bytes]

    @property
    def control(self) -> control.Control:
        """The way to its runner."""
        return control.find(self.state.root)


def is_running(state: State) -> bool:
    """Tell whether a warden holds this folder."""
    try:
        with state.lock.open("rb") as file:  # only looks: where there is no lock, none is made
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def start(
    root: Path, *, tie: Tie, fresh: bool = False, instance: int | None = None, say: Callable[[str], None]
) -> Started:
    """Start warden and runner, or raise CannotStartError with one clear line. Does not wait for anything.

    ``tie``: "free" outlives us, "tied" ends when we end, "passing" is tied and leaves no trace.
    """
    state = State(root.absolute())
    check_programs()
    _take_folder(state)
    with state.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStartError(
                f"a playground already runs in {_short(state.root)}: `registry status` shows it,"
                " `registry down` stops it"
            ) from None
        _sweep(state, say)
        check_disk(state.root)
        if fresh:
            _forget(state)
        plan = Plan(_instance(state, instance))
        check_ports(plan)
        state.instance_file.write_text(str(plan.instance), encoding="utf-8")
        warden = _launch(state, plan, tie, lock)
        lock.truncate(0)
        lock.write(str(warden.pid))  # whom to ask while the runner does not answer yet, or any more
        return Started(state, warden)


def _take_folder(state: State) -> None:
    """Somebody else's folder is left alone: a variable that names the wrong one must not cost anybody a file."""
    try:
        if state.is_somebody_elses():
            raise CannotStartError(
                f"{state.root} holds other things than a playground: name an empty or a new folder in {STATE_VARIABLE}"
            )
        _make(state)
    except OSError as error:
        raise CannotStartError(f"{state.root} cannot be used: {error.strerror or error}") from error


def _make(state: State) -> None:
    try:
        state.root.mkdir(parents=True, exist_ok=True)
        state.lock.touch()
    except OSError as error:
        raise CannotStartError(f"{_short(state.root)} cannot be written: {error.strerror}") from error


def _launch(state: State, plan: Plan, tie: Tie, lock: IO[str]) -> subprocess.Popen[bytes]:
    python = [sys.executable, "-m"]
    runner = [*python, "deploy.playground.runner", str(state.root), str(plan.instance)]
    with state.runner_log.open("ab") as log:
        return subprocess.Popen(
            [*python, "deploy.warden", tie, str(state.root), *runner],
            stdin=subprocess.DEVNULL if tie == "free" else subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the terminal's command alone: it orders the stop
            pass_fds=(lock.fileno(),),  # the lock is the warden's from here on
        )


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _instance(state: State, wanted: int | None) -> int:
    """The addresses are part of the data: an existing playground keeps its own."""
    with suppress(FileNotFoundError, ValueError):
        kept = int(state.instance_file.read_text(encoding="utf-8"))
        if state.nodes.exists():
            return kept
    return wanted if wanted is not None else places.DEFAULT_INSTANCE


def _sweep(state: State, say: Callable[[str], None]) -> None:
    """End what a killed playground may have left; only the holder of the lock may."""
    left = below(state.nodes)
    while found := below(state.nodes):
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)
    if left or state.control.exists():
        say(f"cleaned up after a playground that ended without `registry down` ({len(left)} processes left)")
    for stale in (state.control, state.error):
        stale.unlink(missing_ok=True)


def _forget(state: State) -> None:
    for path in state.root.iterdir():
        if path != state.lock and state.is_own(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def wait_ready(started: Started, report: Report = lambda _: None) -> dict[str, Any]:
    """Wait until writes are taken and return the status; StartFailedError tells what did not come up."""
    deadline, answered, reason = time.monotonic() + ANSWERS_WITHIN_S, False, None
    while reason is None and started.warden.poll() is None:
        if time.monotonic() > deadline:
            reason = f"the runner is not ready after {READY_WITHIN_S:g} s" if answered else _reason(started.state)
            break
        try:
            progress = started.control.progress()
        except (control.NoPlaygroundError, control.ControlRefusedError):
            pass
        else:
            if not answered:
                answered, deadline = True, time.monotonic() + READY_WITHIN_S
            report(progress)
            if progress["ready"]:
                return started.control.status()
            reason = progress["error"]
        time.sleep(0.1)
    reason = reason or _reason(started.state)
    stop(started.state.root)
    raise StartFailedError(f"the playground did not come up: {reason}")


def _reason(state: State) -> str:
    with suppress(OSError):
        return state.error.read_text(encoding="utf-8")
    try:
        tail = state.runner_log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
    except OSError:
        tail = []
    return "\n".join(["the runner ended before it answered", *tail])


def stop(root: Path, say: Callable[[str], None] = lambda _: None) -> bool:
    """Stop in order, wait until nothing is left, sweep; return whether there was anything to stop."""
    state = State(root.absolute())
    ran = is_running(state)
    if ran:
        _order_stop(state)
        deadline = time.monotonic() + STOPS_WITHIN_S
        while is_running(state) and time.monotonic() < deadline:
            time.sleep(0.05)
    if state.lock.exists() and not state.is_somebody_elses():
        with state.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStartError(f"the playground in {state.root} did not stop in {STOPS_WITHIN_S:g} s") from None
            error = state.error.read_text(encoding="utf-8") if state.error.exists() else None
            _sweep(state, say)
            if error is not None:
                state.error.write_text(error, encoding="utf-8")
    return ran


def _order_stop(state: State) -> None:
    """Ask the runner; where it cannot answer yet or any more, its warden is asked by signal."""
    deadline = time.monotonic() + 5.0
    while is_running(state) and time.monotonic() < deadline:
        try:
            control.find(state.root).shutdown()
        except (control.NoPlaygroundError, control.ControlRefusedError):
            time.sleep(0.2)
        else:
            return
    with suppress(OSError, ValueError):
        os.kill(int(state.lock.read_text(encoding="utf-8")), signal.SIGTERM)


@contextmanager
def private_playground(
    say: Callable[[str], None] = lambda _: None, report: Report = lambda _: None
) -> Iterator[Started]:
    """Run a cluster of our own on free addresses, and leave nothing of it, whatever happens to us."""
    root = Path(tempfile.mkdtemp(prefix="registry-playground-"))
    try:
        candidates = list(places.PRIVATE_INSTANCES)
        random.shuffle(candidates)  # two that start at the same moment should not meet
        started = start(root, tie="passing", instance=free_instance(candidates), say=say)
        try:
            wait_ready(started, report)
            yield started
        finally:
            started.warden.terminate()
            started.warden.wait(timeout=STOPS_WITHIN_S)
            if started.warden.stdin is not None:
                started.warden.stdin.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def open_playground(
    state: Path | None = None, *, say: Callable[[str], None] = lambda _: None, report: Report = lambda _: None
) -> Iterator[dict[str, Any]]:
    """Give the status of the running playground, else of a private one that is ended afterwards.

    Inside, ``ha.control`` and every process we start find the same playground through the environment.
    """
    root = (state or default_state()).absolute()
    if is_running(State(root)):
        with _named(root):
            yield control.find(root).status()
        return
    with private_playground(say, report) as started, _named(started.state.root):
        yield started.control.status()


@contextmanager
def _named(root: Path) -> Iterator[None]:
    before = os.environ.get(STATE_VARIABLE)
    os.environ[STATE_VARIABLE] = str(root)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(STATE_VARIABLE, None)
        else:
            os.environ[STATE_VARIABLE] = before
