"""Actions and probes for Chaos Toolkit experiments on the playground; they work under a plain `chaos run` as well."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

from chaoslib.exceptions import ActivityFailed

from chaos.faults import Facts, LineCut, NodePowerOff, link_state, primary_of, wait_until
from chaos.session import PROBE, Session, current
from ha.client import NoAnswerError, RegistryClient

Configuration = Mapping[str, Any]


def writes_are_taken(within_s: float = 45.0, configuration: Configuration | None = None) -> bool:
    """Probe: one keyed write through the endpoint is acknowledged in time."""
    run = current(configuration)
    return asyncio.run(_beat(run, within_s))


async def _beat(run: Session, within_s: float) -> bool:
    addresses = run.target.control.status()["endpoints"]["api"]
    beat = {"probe": "experiment", "n": int(time.time() * 1000)}
    async with RegistryClient(addresses, run.target.tokens(PROBE), within_s=within_s) as client:
        try:
            answer = await client.request("POST", "/v1/beats", json=beat, key=f"experiment.{uuid.uuid4()}")
        except NoAnswerError:
            return False
    return answer.ok


def both_lines_are_up(configuration: Configuration | None = None) -> bool:
    """Probe: every exchange line has its session."""
    links = current(configuration).target.control.status()["links"]
    return bool(links) and all(link["state"] == "up" for link in links)


def line_is_up(line: str, within_s: float = 3.0, configuration: Configuration | None = None) -> str:
    """Probe: the line is up. It fails by itself: Chaos Toolkit heeds a tolerance in the hypothesis only.

    Looks more than once: an intake that does not answer in time shows as a line that is down.
    """
    control = current(configuration).target.control

    def up() -> Facts | None:
        state = link_state(control.status(), line)
        return {"link": state} if state == "up" else None

    seen = wait_until(up, within_s=within_s, what=f"line {line} is up", error=ActivityFailed)
    return str(seen["link"])


def cut_line(line: str, heal_after_s: float = 120.0, configuration: Configuration | None = None) -> dict[str, Any]:
    """Action: cut a leased line and wait until the registry notices; it heals itself after ``heal_after_s``."""
    run = current(configuration)
    target = run.target
    fault = LineCut(
        line, toxics=target.toxics, control=target.control, heal_after_s=heal_after_s, recorder=run.recorder
    )
    run.active[fault.name] = fault
    return fault.begin().read_back


def power_off_primary(
    name: str = "kill-primary-node", heal_after_s: float = 120.0, configuration: Configuration | None = None
) -> dict[str, Any]:
    """Action: cut the power of the node that is primary now; the runner heals it after ``heal_after_s``."""
    run = current(configuration)
    node = primary_of(run.target.control.status())
    if node is None:
        raise RuntimeError("there is no primary to power off")
    fault = NodePowerOff(node, control=run.target.control, name=name, heal_after_s=heal_after_s, recorder=run.recorder)
    run.active[fault.name] = fault
    return fault.begin().read_back


def new_primary(
    name: str = "kill-primary-node", within_s: float = 60.0, configuration: Configuration | None = None
) -> str:
    """Probe: wait until another node than the powered-off one is primary, and return it."""
    fault = current(configuration).active[name]
    if not isinstance(fault, NodePowerOff):
        raise TypeError(f"{name} powers off no node")
    return str(fault.wait_new_primary(within_s=within_s)["primary"])


def heal(name: str, configuration: Configuration | None = None) -> dict[str, Any]:
    """Action: take a fault away and wait until the system is whole."""
    run = current(configuration)
    record = run.active[name].end()
    del run.active[name]
    return record.read_back


def heal_everything(configuration: Configuration | None = None) -> list[str]:
    """Rollback: take away whatever fault is still on; says which."""
    run = current(configuration)
    healed = list(run.active)
    for name in healed:
        heal(name, configuration)
    return healed
