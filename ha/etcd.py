"""Asks etcd, over its JSON gateway, who leads, and moves the leadership."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Member:
    """One member as it sees itself."""

    url: str
    name: str
    id: int
    leader: int


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer of leadership: asked of the leader, to another member."""

    leader_url: str
    target: int


def members(client: httpx.Client, urls: Sequence[str]) -> list[Member]:
    """Ask every member who it is and whom it follows; those that do not answer are left out."""
    return [found for url in urls if (found := _member(client, url)) is not None]


def _member(client: httpx.Client, url: str) -> Member | None:
    try:
        status = client.post(f"{url}/v3/maintenance/status", json={}).raise_for_status().json()
        listed = client.post(f"{url}/v3/cluster/member/list", json={}).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    own = int(status["header"]["member_id"])
    names: Mapping[int, str] = {int(each["ID"]): str(each.get("name", "")) for each in listed["members"]}
    return Member(url, names.get(own, ""), own, int(status.get("leader", 0)))


def move_wanted(seen: Sequence[Member], home: str) -> Move | None:
    """Decide whether leadership should move to ``home``; never while there is none, nor to a member that is silent."""
    target = next((member for member in seen if member.name == home), None)
    leader = next((member for member in seen if member.id == member.leader), None)
    if target is None or leader is None or leader.id == target.id or target.leader != leader.id:
        return None
    return Move(leader.url, target.id)


def transfer(client: httpx.Client, move: Move) -> None:
    """Hand the leadership over; httpx.HTTPError when the leader refuses or is gone."""
    body = {"targetID": str(move.target)}
    client.post(f"{move.leader_url}/v3/maintenance/transfer-leadership", json=body).raise_for_status()
