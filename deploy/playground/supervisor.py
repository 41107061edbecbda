"""Parent of every process: starts, restarts, stops, cuts power and gives it back, node by node."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.playground.commands import Command, Commands, environment_of
from deploy.playground.plan import Service
from deploy.playground.state import State
from ha.processes import below

RESTART_AFTER_S = 1.0
"""As an init system would; doubled for a process that dies again and again."""
RESTART_AT_MOST_S = 8.0
HEALTHY_AFTER_S = 10.0
LOG_AT_MOST_BYTES = 32 * 1024 * 1024


class UnknownNameError(Exception):
    """No node, service or process of ours has this name or number."""


@dataclass(slots=True)
class Record:
    """What the supervisor knows about one service; changes only under its lock."""

    service: Service
    pid: int | None = None
    started_at: float = 0.0
    failures: int = 0
    wanted: bool = False
    due_at: float | None = None


@dataclass(slots=True)
class Task:
    """A process that does one thing and ends."""

    pid: int
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class _Timer:
    due_at: float
    node: str | None
    act: Callable[[], object]


@dataclass(slots=True)
class Supervisor:
    """All processes of one playground. Every method may be called from any thread; ``tick`` from one only."""

    commands: Commands
    state: State
    records: dict[str, Record] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _off: set[str] = field(default_factory=set)
    _timers: list[_Timer] = field(default_factory=list)
    _tasks: dict[int, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = {service.name: Record(service) for service in self.commands.plan.services}

    # ------------------------------------------------------------------ starting

    def start(self, services: Iterable[Service]) -> None:
        """Start these and keep them running, except on nodes without power."""
        with self._lock:
            for service in services:
                record = self.records[service.name]
                record.wanted = True
                if record.pid is None and service.node not in self._off:
                    self._spawn(record)

    def _spawn(self, record: Record) -> None:
        service = record.service
        try:
            record.pid = self._launch(self.commands.of(service), service.node, service.kind)
        except OSError as error:
            self._note(service, f"cannot be started: {error}")
            self._failed(record)
            return
        record.started_at, record.due_at = time.monotonic(), None

    def _launch(self, command: Command, node: str, kind: str) -> int:
        folder, log = self.state.service(node, kind), self.state.log(node, kind)
        folder.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_AT_MOST_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            process = subprocess.Popen(
                command.argv,
                cwd=folder,
                env=environment_of(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        process.returncode = 0  # reaped by us through waitpid(-1), which also gets the orphans
        return process.pid

    def run_task(self, command: Command, node: str, name: str) -> Task:
        """Start a process that ends by itself; its exit code appears in the answer."""
        with self._lock:
            task = Task(self._launch(command, node, name))
            self._tasks[task.pid] = task
            return task

    # ------------------------------------------------------------------ watching

    def tick(self) -> None:
        """Reap what has died, restart what should run, heal what is due."""
        with self._lock:
            self._reap()
            now = time.monotonic()
            for record in self.records.values():
                if record.due_at is not None and now >= record.due_at and record.wanted:
                    self._spawn(record)
            due = [timer for timer in self._timers if now >= timer.due_at]
            self._timers = [timer for timer in self._timers if now < timer.due_at]
            for timer in due:
                timer.act()

    def _reap(self) -> None:
        by_pid = {record.pid: record for record in self.records.values() if record.pid is not None}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._tasks:
                self._tasks.pop(pid).exit_code = os.waitstatus_to_exitcode(status)
            elif pid in by_pid:
                self._died(by_pid[pid], os.waitstatus_to_exitcode(status))

    def _died(self, record: Record, exit_code: int) -> None:
        record.pid = None
        service = record.service
        if not record.wanted or service.node in self._off:
            return
        self._note(service, f"ended with {exit_code}")
        # What the dead process has left behind would hold its ports, or go on as an unguarded database.
        _kill_below(self.state.service(service.node, service.kind))
        self._failed(record)

    def _failed(self, record: Record) -> None:
        now = time.monotonic()
        record.failures = 1 if now - record.started_at > HEALTHY_AFTER_S else record.failures + 1
        record.due_at = now + min(RESTART_AT_MOST_S, RESTART_AFTER_S * 2 ** (record.failures - 1))

    def _note(self, service: Service, what: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {service.name} {what}\n"
        with self.state.runner_log.open("a", encoding="utf-8") as log:
            log.write(line)

    # ------------------------------------------------------------------ faults

    def power_off(self, node: str, *, heal_after_s: float | None = None) -> int:
        """Kill every process of a node at once; return how many there were."""
        self._known_node(node)
        with self._lock:
            self._off.add(node)
            self._drop_timers(node)
            for record in self._of(node):
                record.due_at = None
            killed = _power_cut(self.state.node(node), self._reap)
            if heal_after_s is not None:
                self._later(heal_after_s, node, lambda: self.power_on(node))
        return killed

    def power_on(self, node: str) -> None:
        """Start the node's processes again; nothing happens to a node that has power."""
        self._known_node(node)
        with self._lock:
            self._drop_timers(node)
            self._off.discard(node)
            for record in self._of(node):
                if record.wanted and record.pid is None:
                    record.failures = 0
                    self._spawn(record)

    def kill(self, *, pid: int | None = None, service: str | None = None) -> int:
        """SIGKILL one process of ours; return its pid."""
        with self._lock:
            if service is not None:
                if service not in self.records:
                    raise UnknownNameError(f"no service is called {service}")
                pid = self.records[service].pid
            if pid is None or not self._is_ours(pid):
                raise UnknownNameError(f"{service or pid} is not a running process of this playground")
            os.kill(pid, signal.SIGKILL)
            return pid

    def pause(self, *, for_s: float, pid: int | None = None, node: str | None = None) -> int:
        """Stop a node or a process without ending it, and let it go on after a while; return how many stopped."""
        with self._lock:
            if node is not None:
                self._known_node(node)
                stopped = _signal(below(self.state.node(node)), signal.SIGSTOP)
                self._later(for_s, node, lambda: _signal(below(self.state.node(node)), signal.SIGCONT))
                return stopped
            if pid is None or not self._is_ours(pid):
                raise UnknownNameError(f"{pid} is not a running process of this playground")
            process = psutil.Process(pid)
            self._later(for_s, None, lambda: _signal([process], signal.SIGCONT))
            return _signal([process], signal.SIGSTOP)

    def _later(self, after_s: float, node: str | None, act: Callable[[], object]) -> None:
        self._timers.append(_Timer(time.monotonic() + after_s, node, act))

    def _drop_timers(self, node: str) -> None:
        self._timers = [timer for timer in self._timers if timer.node != node]

    def _is_ours(self, pid: int) -> bool:
        try:
            return Path(psutil.Process(pid).cwd()).is_relative_to(self.state.nodes)
        except psutil.Error:
            return False

    def _known_node(self, node: str) -> None:
        if not any(True for _ in self._of(node)):
            raise UnknownNameError(f"no node is called {node}")

    def _of(self, node: str) -> Iterable[Record]:
        return (record for record in self.records.values() if record.service.node == node)

    def has_power(self, node: str) -> bool:
        """Tell whether the node is on."""
        return node not in self._off

    # ------------------------------------------------------------------ stopping

    def stop(self, services: Iterable[Service], *, within_s: float) -> None:
        """Ask these to end, wait, and end what has not obeyed."""
        with self._lock:
            chosen = [self.records[service.name] for service in services]
            for record in chosen:
                record.wanted, record.due_at = False, None
                if record.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(record.pid, signal.SIGTERM)
                        os.kill(record.pid, signal.SIGCONT)  # a paused one could not obey
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and any(record.pid is not None for record in chosen):
            time.sleep(0.05)
            self.tick()
        with self._lock:
            for record in chosen:
                if record.pid is not None:
                    self._note(record.service, f"did not end within {within_s:g} s and was killed")
                _kill_below(self.state.service(record.service.node, record.service.kind))
            self._reap()

    def kill_everything(self) -> None:
        """End whatever is left, in no order."""
        with self._lock:
            for record in self.records.values():
                record.wanted = False
            _power_cut(self.state.nodes, self._reap)


def _signal(processes: Iterable[psutil.Process], number: int) -> int:
    sent = 0
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
            sent += 1
    return sent


def _kill_below(folder: Path) -> int:
    return _power_cut(folder, lambda: None)


def _power_cut(folder: Path, reap: Callable[[], None]) -> int:
    """Stop all, so that nobody can notice another's death and act on it; then kill all."""
    seen: set[int] = set()
    while found := below(folder):
        fresh = [process for process in found if process.pid not in seen]
        seen.update(process.pid for process in fresh)
        _signal(fresh, signal.SIGSTOP)
        if not fresh:  # everybody stands still: nobody can start anybody any more
            _signal(found, signal.SIGKILL)
            reap()
            time.sleep(0.01)
    return len(seen)
