"""What the cluster looks like at one moment: nodes, roles and lag, frozen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a node is to the cluster."""

    PRIMARY = "primary"
    SYNC_STANDBY = "sync_standby"
    STANDBY = "standby"
    WITNESS = "witness"


class Health(StrEnum):
    """Whether a node does its work."""

    RUNNING = "running"
    STARTING = "starting"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Place:
    """A data node and where its Patroni answers."""

    name: str
    site: str
    rest: str
    """host:port"""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node at one moment."""

    name: str
    site: str
    role: Role | None
    health: Health
    timeline: int | None = None
    wal_position: int | None = None
    lag_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """All data nodes at one moment."""

    nodes: tuple[NodeView, ...]

    @property
    def primary(self) -> NodeView | None:
        """Return the primary, if there is one."""
        return next((node for node in self.nodes if node.role is Role.PRIMARY), None)

    def named(self, name: str) -> NodeView | None:
        """Find a node."""
        return next((node for node in self.nodes if node.name == name), None)


def assemble(views: Iterable[NodeView]) -> Topology:
    """Put single answers together: one primary at most, and how far each standby is behind it.

    Two nodes may both say they are primary for a moment (an old one that was stalled): the later timeline is right.
    """
    seen = tuple(views)
    claims = [view for view in seen if view.role is Role.PRIMARY]
    primary = max(claims, key=lambda view: view.timeline or 0, default=None)
    return Topology(tuple(_beside(view, primary) for view in seen))


def _beside(view: NodeView, primary: NodeView | None) -> NodeView:
    if view is primary:
        return NodeView(view.name, view.site, view.role, view.health, view.timeline, view.wal_position, 0)
    role = Role.STANDBY if view.role is Role.PRIMARY else view.role
    lag = None
    if primary is not None and primary.wal_position is not None and view.wal_position is not None:
        lag = max(0, primary.wal_position - view.wal_position)
    return NodeView(view.name, view.site, role, view.health, view.timeline, view.wal_position, lag)
