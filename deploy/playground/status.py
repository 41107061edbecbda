"""The picture of the playground: asks in the background, answers at once, also while nodes are down."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from deploy.playground import plan as places
from deploy.playground.plan import Plan
from deploy.playground.state import State
from deploy.playground.supervisor import Record, Supervisor
from ha import patroni
from ha.processes import is_alive
from ha.topology import Health, NodeView, Place, Role, Topology

LOOK_EVERY_S = 0.5
STARTING_FOR_S = 30.0
"""A node whose Patroni does not answer yet counts as starting for so long, then as down."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """One line as the intake that books sees it."""

    name: str
    state: str
    last_seq: int | None


def links_of(metrics_by_intake: Iterable[str]) -> tuple[LinkView, ...]:
    """Read the lines from the metrics of the intake that books; unknown lines are down."""
    for text in metrics_by_intake:
        values = {
            (sample.name, sample.labels.get("line", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        if values.get(("registry_intake_leader", "")) == 1.0:
            return tuple(_link(name, values) for name in places.LINES)
    return tuple(LinkView(name, "down", None) for name in places.LINES)


def _link(name: str, values: Mapping[tuple[str, str], float]) -> LinkView:
    last = values.get(("registry_link_last_seq", name))
    up = values.get(("registry_link_up", name)) == 1.0
    return LinkView(name, "up" if up else "down", None if last is None else int(last))


@dataclass(slots=True)
class Watcher:
    """Looks twice a second, in a thread of its own; ``document`` never waits for anybody."""

    plan: Plan
    state: State
    supervisor: Supervisor
    drill_password: str
    topology: Topology = field(default_factory=lambda: Topology(()))
    links: tuple[LinkView, ...] = ()
    _patroni_pids: dict[int, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._look, name="watcher", daemon=True).start()

    def _look(self) -> None:
        data_nodes = [self.plan.node(name) for name in places.DATA_NODES]
        asked = [Place(node.name, node.site, f"{node.address}:{places.PATRONI}") for node in data_nodes]
        intakes = [service.url for service in self.plan.services if service.kind == "intake"]
        with httpx.Client() as client, ThreadPoolExecutor(len(asked) + len(intakes)) as pool:
            while not self._stop.is_set():
                began = time.monotonic()
                metrics = [pool.submit(_metrics, client, url) for url in intakes if url is not None]
                self.topology = patroni.ask(client, pool, asked)
                self.links = links_of(future.result() for future in metrics)
                self._stop.wait(max(0.05, LOOK_EVERY_S - (time.monotonic() - began)))

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def document(self) -> dict[str, Any]:
        """Return the published status."""
        return {
            "nodes": [self._node(name) for name in places.REGISTRY_NODES],
            "links": [{"name": link.name, "state": link.state, "last_seq": link.last_seq} for link in self.links],
            "services": [self._service(record) for record in self.supervisor.records.values()],
            "endpoints": self.plan.endpoints(self.drill_password),
        }

    def _service(self, record: Record) -> dict[str, Any]:
        service = record.service
        pid = record.pid if is_alive(record.pid) else None
        return {
            "name": service.name,
            "kind": service.kind,
            "node": service.node,
            "site": service.site,
            "pid": pid,
            "url": service.url,
        }

    def _node(self, name: str) -> dict[str, Any]:
        node, records = self.plan.node(name), self.supervisor.records
        guard, etcd = records.get(f"patroni-{name}"), records.get(f"etcd-{name}")
        etcd_pid = etcd.pid if etcd is not None and is_alive(etcd.pid) else None
        view = self._view(name, guard) if guard is not None else _witness(name, node.site, etcd_pid)
        return {
            "name": name,
            "site": node.site,
            "role": None if view.role is None else view.role.value,
            "state": view.health.value,
            "address": node.address,
            "timeline": view.timeline,
            "lag_bytes": view.lag_bytes,
            "pids": {
                "patroni": None if guard is None else self._patroni_pid(guard.pid),
                "postgres": None if guard is None else self._postmaster(name),
                "etcd": etcd_pid,
            },
        }

    def _view(self, name: str, guard: Record) -> NodeView:
        site, seen = guard.service.site, self.topology.named(name)
        if not is_alive(guard.pid):
            waiting = guard.wanted and self.supervisor.has_power(name)  # it is restarted in a moment
            return NodeView(name, site, None, Health.STARTING if waiting else Health.DOWN)
        if seen is None or seen.health is Health.DOWN:
            young = time.monotonic() - guard.started_at < STARTING_FOR_S
            return NodeView(name, site, None, Health.STARTING if young else Health.DOWN)
        return seen

    def _patroni_pid(self, guard_pid: int | None) -> int | None:
        """The guard's only child; looked for once, the process table is long."""
        if guard_pid is None:
            return None
        known = self._patroni_pids.get(guard_pid)
        if known is None or not is_alive(known):
            try:
                children = [child for child in psutil.Process(guard_pid).children() if is_alive(child.pid)]
            except psutil.Error:
                children = []
            if not children:
                return None
            known = self._patroni_pids[guard_pid] = children[0].pid
        return known

    def _postmaster(self, name: str) -> int | None:
        data = self.state.postgres_data(name)
        try:
            pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
            ours = psutil.Process(pid).cwd() == str(data)
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if ours and is_alive(pid) else None


def _witness(name: str, site: str, etcd_pid: int | None) -> NodeView:
    if etcd_pid is None:
        return NodeView(name, site, None, Health.DOWN)
    return NodeView(name, site, Role.WITNESS, Health.RUNNING)


def _metrics(client: httpx.Client, url: str) -> str:
    try:
        return client.get(f"{url}/metrics", timeout=patroni.TIMEOUT_S).text
    except httpx.HTTPError:
        return ""
