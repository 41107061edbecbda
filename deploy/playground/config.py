"""Renders the configuration of the programs we do not write, from the plan and the passwords."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chaos.telemetry import PORT as DRILL_METRICS
from deploy.playground import plan as places
from deploy.playground.plan import Node, Plan
from deploy.playground.state import Secrets, State, write_private

TEMPLATES = Path(__file__).with_name("templates")
RULES = Path(__file__).parents[2] / "monitoring" / "rules"

OFTEN = "1s"
"""What the objectives are computed from, and what a drill watches, needs a sample a second."""
SELDOM = "5s"


@dataclass(frozen=True, slots=True)
class Target:
    """One address that Prometheus asks."""

    address: str
    node: str
    site: str


@dataclass(frozen=True, slots=True)
class Job:
    """Targets of one kind."""

    name: str
    interval: str
    path: str
    targets: tuple[Target, ...]


_SCRAPED = {
    "probe": OFTEN,
    "api": OFTEN,
    "intake": OFTEN,
    "settle": OFTEN,
    "patroni": SELDOM,
    "haproxy": SELDOM,
    "etcd": SELDOM,
    "toxiproxy": SELDOM,
}


def jobs(plan: Plan) -> tuple[Job, ...]:
    """Say what Prometheus asks, how often, grouped by kind."""
    kinds = (Job(kind, interval, "/metrics", tuple(_targets(plan, kind))) for kind, interval in _SCRAPED.items())
    outside = plan.node("outside-1")
    drill = Target(f"{outside.address}:{DRILL_METRICS}", outside.name, outside.site)  # answers only while one runs
    return (*kinds, Job("drill", OFTEN, "/metrics", (drill,)))


def _targets(plan: Plan, kind: str) -> list[Target]:
    found = [service for service in plan.services if service.kind == kind]
    return [Target(f"{s.listens[0][0]}:{s.listens[0][1]}", s.node, s.site) for s in found]


def _render(template: str, **facts: object) -> str:
    environment = Environment(  # noqa: S701  # YAML and HAProxy files: escaping for HTML would break them
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(facts)


def patroni(plan: Plan, node: Node, state: State, secrets: Secrets, bin_dir: Path) -> str:
    """Render one node's Patroni."""
    hosts = ",".join(f"{plan.address(name)}:{places.ETCD_CLIENT}" for name in places.ETCD_NODES)
    return _render(
        "patroni.yaml.j2",
        node=node,
        etcd_hosts=hosts,
        data_dir=state.postgres_data(node.name),
        pgpass=state.service(node.name, "patroni") / "pgpass",
        bin_dir=bin_dir,
        secrets=secrets,
    )


def haproxy(plan: Plan, node: Node) -> str:
    """Render one site's endpoint."""
    return _render(
        "haproxy.cfg.j2",
        node=node,
        data_nodes=[plan.node(name) for name in places.DATA_NODES],
        entries=[plan.node(name) for name in places.ENTRY_NODES],
    )


def prometheus(plan: Plan, rules: Path) -> str:
    """Render Prometheus; rule files only where somebody has written them."""
    pattern = str(rules / "*.yaml") if any(rules.glob("*.yaml")) else ""
    alertmanager = f"{plan.address('outside-1')}:{places.ALERTMANAGER}"
    return _render("prometheus.yaml.j2", alertmanager=alertmanager, rules=pattern, jobs=jobs(plan))


def toxiproxy(plan: Plan) -> str:
    """Write down the links that faults may be put on."""
    proxies: list[dict[str, Any]] = [asdict(proxy) | {"enabled": True} for proxy in plan.proxies]
    return json.dumps(proxies, indent=1)


def write_all(plan: Plan, state: State, secrets: Secrets, bin_dir: Path) -> None:
    """Write every configuration file into the working folder of the process that reads it."""
    for service in plan.services:
        folder = state.service(service.node, service.kind)
        folder.mkdir(parents=True, exist_ok=True)
        node = plan.node(service.node)
        match service.kind:
            case "patroni":
                write_private(folder / "patroni.yaml", patroni(plan, node, state, secrets, bin_dir))
            case "haproxy":
                write_private(folder / "haproxy.cfg", haproxy(plan, node))
            case "prometheus":
                write_private(folder / "prometheus.yaml", prometheus(plan, RULES))
            case "alertmanager":
                write_private(folder / "alertmanager.yaml", _render("alertmanager.yaml.j2"))
            case "toxiproxy":
                write_private(folder / "proxies.json", toxiproxy(plan))
