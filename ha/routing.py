"""Where writes go in a given topology, or why nowhere; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ha.topology import Health, Role, Topology


class Protection(StrEnum):
    """How far an acknowledged write has travelled."""

    BOTH_SITES = "both-sites"
    ONE_SITE = "one-site"


class Nowhere(StrEnum):
    """Why no write can be acknowledged now."""

    NO_NODE = "no data node answers"
    NO_PRIMARY = "no node is primary; a standby takes over when the lease has ended"
    NO_STANDBY = "the primary has no synchronous standby: writes wait until one is back"


@dataclass(frozen=True, slots=True)
class Route:
    """Writes go to this node."""

    node: str
    protection: Protection


def where_writes_go(topology: Topology) -> Route | Nowhere:
    """Decide from one snapshot; the most basic lack is the one named."""
    if all(node.health is Health.DOWN for node in topology.nodes):
        return Nowhere.NO_NODE
    primary = topology.primary
    if primary is None:
        return Nowhere.NO_PRIMARY
    sites = {node.site for node in topology.nodes if node.role is Role.SYNC_STANDBY}
    if not sites:
        return Nowhere.NO_STANDBY
    return Route(primary.name, Protection.BOTH_SITES if sites - {primary.site} else Protection.ONE_SITE)
