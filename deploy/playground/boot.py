"""The steps from nothing to "writes are taken", each waited for, each with the process to blame when it fails."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from deploy.playground import plan as places
from deploy.playground.commands import Commands, database_task
from deploy.playground.plan import Plan, Service
from deploy.playground.state import State
from deploy.playground.status import Watcher
from deploy.playground.supervisor import Supervisor
from ha.routing import Protection, Route, where_writes_go
from ha.topology import Health

WITHIN_S = 150.0
"""Ten times what a start takes on two idle cores: a busy machine is slow, not broken."""
FAILURES_MAX = 4
"""A process that died so often during one start will not come up by itself."""
TAIL_LINES = 12


FIRST_PRIMARY = "main-1"
HEAD_START_AT_MOST_S = 8.0


class BootFailedError(Exception):
    """A step was not reached; the message names it, the process, and the end of its log."""


@dataclass(slots=True)
class Progress:
    """How far the start is, for whoever watches it."""

    done: list[dict[str, Any]] = field(default_factory=list)
    waiting_for: str | None = None
    ready: bool = False
    error: str | None = None
    began: float = field(default_factory=time.monotonic)

    def document(self) -> dict[str, Any]:
        """Return it as JSON would."""
        return {"done": self.done, "waiting_for": self.waiting_for, "ready": self.ready, "error": self.error}


@dataclass(frozen=True, slots=True)
class Boot:
    """Brings one playground up."""

    plan: Plan
    state: State
    commands: Commands
    supervisor: Supervisor
    watcher: Watcher
    progress: Progress
    stopping: threading.Event

    def run(self) -> None:
        """Start everything in parallel, what needs tables when they are there; BootFailedError names what hangs."""
        first = [service for service in self.plan.services if not service.after_database]
        if not self.state.postgres_data(FIRST_PRIMARY).exists():
            self._let_main_win(first)
        later = [service for service in self.plan.services if service.after_database]
        self.supervisor.start(first)
        task = self.supervisor.run_task(database_task(self.commands), "outside-1", "database")
        self._step("etcd has a leader", self._etcd_is_up)
        self._step("PostgreSQL has a primary", lambda: self.watcher.topology.primary is not None)
        self._step("roles and tables are there", lambda: task.exit_code is not None)
        if task.exit_code:
            raise BootFailedError(f"the database could not be prepared\n{self._tail('outside-1', 'database')}")
        self.supervisor.start(later)
        self._step("standbys on both sites confirm", self._is_protected)
        self._step("all data nodes run", self._all_run)
        self._step("every service listens", lambda: not self._deaf())
        self._step("writes are taken", self._takes_writes)
        self.progress.waiting_for, self.progress.ready = None, True

    def _let_main_win(self, first: list[Service]) -> None:
        """The very first start: give one Patroni a head start, so that a new registry begins on the main site."""
        others = [service for service in first if service.kind == "patroni" and service.node != FIRST_PRIMARY]
        self.supervisor.start(service for service in first if service not in others)
        self._step("Patroni answers", self._first_answers)

    def _first_answers(self) -> bool:
        seen = self.watcher.topology.named(FIRST_PRIMARY)
        waited_s = time.monotonic() - self.progress.began
        return waited_s > HEAD_START_AT_MOST_S or (seen is not None and seen.health is not Health.DOWN)

    def _step(self, what: str, reached: Callable[[], bool]) -> None:
        self.progress.waiting_for = what
        deadline = self.progress.began + WITHIN_S
        while not reached():
            self._blame_the_dying()
            if self.stopping.is_set():
                raise BootFailedError("stopped before it was up")
            if time.monotonic() > deadline:
                deaf = ", ".join(self._deaf()) or "nobody; all listen"
                raise BootFailedError(f"{what}: still not so after {WITHIN_S:g} s; silent: {deaf}")
            time.sleep(0.1)
        self.progress.done.append({"step": what, "at_s": round(time.monotonic() - self.progress.began, 1)})

    def _blame_the_dying(self) -> None:
        for record in self.supervisor.records.values():
            if record.failures >= FAILURES_MAX:
                service = record.service
                raise BootFailedError(f"{service.name} does not start\n{self._tail(service.node, service.kind)}")

    def _tail(self, node: str, kind: str) -> str:
        try:
            lines = self.state.log(node, kind).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(it wrote no log)"
        return "\n".join(lines[-TAIL_LINES:])

    def _etcd_is_up(self) -> bool:
        for node in places.ETCD_NODES:
            try:
                answer = httpx.get(f"http://{self.plan.address(node)}:{places.ETCD_CLIENT}/health", timeout=1)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                return True
        return False

    def _is_protected(self) -> bool:
        route = where_writes_go(self.watcher.topology)
        return isinstance(route, Route) and route.protection is Protection.BOTH_SITES

    def _all_run(self) -> bool:
        return all(node.health is Health.RUNNING for node in self.watcher.topology.nodes)

    def _deaf(self) -> list[str]:
        return [service.name for service in self.plan.services if not _listens(service)]

    def _takes_writes(self) -> bool:
        """Make a real write through each SQL endpoint, and have each API endpoint say that it is ready."""
        ends = self.plan.endpoints(self.commands.secrets.drill)
        writes, apis = ends["write"], ends["api"]
        if not isinstance(writes, list) or not isinstance(apis, list):
            raise TypeError("endpoints are lists")
        return all(_commits(uri) for uri in writes) and all(_is_ready(url) for url in apis)


def _listens(service: Service) -> bool:
    for address in service.listens:
        try:
            socket.create_connection(address, timeout=0.5).close()
        except OSError:
            return False
    return True


def _commits(uri: str) -> bool:
    """Commit something that leaves no row behind and yet waits for the standbys."""
    try:
        with psycopg.connect(uri, connect_timeout=3) as connection:
            connection.execute("SELECT pg_logical_emit_message(true, 'playground', 'are writes taken?')")
    except psycopg.OperationalError:
        return False
    return True


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=3).status_code == 200
    except httpx.HTTPError:
        return False
