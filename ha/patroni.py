"""Asks every Patroni, at the same time, what its node is, and makes one topology of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from ha.topology import Health, NodeView, Place, Role, Topology, assemble

TIMEOUT_S = 0.8
"""A stalled node must not make the picture of the others old."""


def ask(client: httpx.Client, pool: ThreadPoolExecutor, places: Sequence[Place]) -> Topology:
    """Return the topology now; a node that does not answer is down."""
    return assemble(pool.map(lambda place: _ask_one(client, place), places))


def _ask_one(client: httpx.Client, place: Place) -> NodeView:
    try:
        answer = client.get(f"http://{place.rest}/patroni", timeout=TIMEOUT_S).json()
    except (httpx.HTTPError, ValueError):
        return NodeView(place.name, place.site, None, Health.DOWN)
    return view_of(place, answer)


def view_of(place: Place, answer: Mapping[str, Any]) -> NodeView:
    """Read one Patroni's answer about its own node."""
    if answer.get("state") != "running":
        return NodeView(place.name, place.site, None, Health.STARTING)
    xlog: Mapping[str, Any] = answer.get("xlog") or {}
    if answer.get("role") == "primary":
        role = Role.PRIMARY
    elif answer.get("quorum_standby") or answer.get("sync_standby"):
        role = Role.SYNC_STANDBY
    else:
        role = Role.STANDBY
    position = xlog.get("location") or xlog.get("received_location") or xlog.get("replayed_location")
    return NodeView(place.name, place.site, role, Health.RUNNING, answer.get("timeline"), position)
