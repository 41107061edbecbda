"""Topology and routing: what single answers mean together, and where writes go."""

from __future__ import annotations

from typing import Any

import pytest

from ha.etcd import Member, Move, move_wanted
from ha.patroni import view_of
from ha.routing import Nowhere, Protection, Route, where_writes_go
from ha.topology import Health, NodeView, Place, Role, Topology, assemble

SITES = {"main-1": "main", "main-2": "main", "second-1": "second", "second-2": "second"}


def view(name: str, role: Role | None, *, timeline: int = 1, position: int = 1000) -> NodeView:
    health = Health.DOWN if role is None else Health.RUNNING
    return NodeView(name, SITES[name], role, health, timeline, position)


def topology(**roles: Role | None) -> Topology:
    return assemble(view(name.replace("_", "-"), role) for name, role in roles.items())


P, S, A = Role.PRIMARY, Role.SYNC_STANDBY, Role.STANDBY


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (topology(main_1=P, main_2=S, second_1=S, second_2=S), Route("main-1", Protection.BOTH_SITES)),
        (topology(main_1=P, main_2=S, second_1=None, second_2=None), Route("main-1", Protection.ONE_SITE)),
        (topology(main_1=None, main_2=None, second_1=S, second_2=P), Route("second-2", Protection.ONE_SITE)),
        (topology(main_1=P, main_2=A, second_1=A, second_2=None), Nowhere.NO_STANDBY),
        (topology(main_1=None, main_2=S, second_1=S, second_2=S), Nowhere.NO_PRIMARY),
        (topology(main_1=None, main_2=None, second_1=None, second_2=None), Nowhere.NO_NODE),
    ],
)
def test_writes_go_to_the_primary_while_somebody_confirms_them(seen: Topology, expected: Route | Nowhere) -> None:
    assert where_writes_go(seen) == expected


def test_of_two_nodes_that_call_themselves_primary_the_later_timeline_is_right() -> None:
    """A stalled primary wakes up and still believes in itself until it has asked etcd."""
    seen = assemble([view("main-1", P, timeline=1), view("second-1", P, timeline=2)])

    assert seen.primary is not None
    assert seen.primary.name == "second-1"
    assert seen.nodes[0].role is Role.STANDBY


def test_lag_is_what_the_primary_has_written_and_the_standby_has_not_received() -> None:
    seen = assemble([view("main-1", P, position=5000), view("main-2", S, position=4200)])

    assert [node.lag_bytes for node in seen.nodes] == [0, 800]


def test_without_a_primary_nobody_knows_the_lag() -> None:
    assert [node.lag_bytes for node in assemble([view("main-2", S)]).nodes] == [None]


@pytest.mark.parametrize(
    ("answer", "role", "health"),
    [
        ({"state": "running", "role": "primary", "timeline": 3, "xlog": {"location": 9}}, P, Health.RUNNING),
        ({"state": "running", "role": "replica", "quorum_standby": True, "xlog": {}}, S, Health.RUNNING),
        ({"state": "running", "role": "replica", "xlog": {"received_location": 9}}, A, Health.RUNNING),
        ({"state": "starting", "role": "replica"}, None, Health.STARTING),
        ({"state": "creating replica", "role": "replica"}, None, Health.STARTING),
    ],
)
def test_patronis_answer_is_read_as_the_published_role(
    answer: dict[str, Any], role: Role | None, health: Health
) -> None:
    seen = view_of(Place("main-1", "main", "127.20.1.1:8008"), answer)

    assert (seen.role, seen.health) == (role, health)


MAIN, SECOND, WITNESS = (Member(f"http://{n}", n, i, 1) for i, n in enumerate(("main-1", "second-1", "witness-1"), 1))


def test_leadership_moves_to_the_witness() -> None:
    assert move_wanted([MAIN, SECOND, WITNESS], "witness-1") == Move("http://main-1", 3)


def test_leadership_that_is_at_home_stays() -> None:
    at_home = [Member(member.url, member.name, member.id, 3) for member in (MAIN, SECOND, WITNESS)]

    assert move_wanted(at_home, "witness-1") is None


def test_leadership_does_not_move_to_a_silent_member_nor_without_a_leader() -> None:
    leaderless = [Member(member.url, member.name, member.id, 0) for member in (MAIN, SECOND, WITNESS)]

    assert move_wanted([MAIN, SECOND], "witness-1") is None
    assert move_wanted(leaderless, "witness-1") is None


def test_leadership_does_not_move_to_a_member_that_does_not_follow_the_leader() -> None:
    stray = Member("http://witness-1", "witness-1", 3, 2)

    assert move_wanted([MAIN, SECOND, stray], "witness-1") is None
