"""The judge notices each lie: one honest history, one thing changed in it, and exactly the promise that it breaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from chaos.judge import judge
from chaos.verdict import Verdict

A, B = "E42-00001001-11", "E42-00001002-22"
OPENED = "E42-00001003-33"
REFUSALS = "only writes that had to be refused were refused"

Story = Any
"""The history of ``conftest.py``: a fixture, because tests are no package."""


def failing(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def observation(story: Story, f: str, place: int = 0) -> Any:
    return [event for event in story.events if event.process == "observer" and event.f == f][place].value


def lose_a_transfer(story: Story) -> None:
    for place in (0, 1):
        observation(story, "transfers", place)["transfers"].pop(4)
    observation(story, "holdings", 0)["assets"]["CEA-2019"] += 1
    observation(story, "holdings", 1)["assets"]["CEA-2019"] -= 1


def lose_an_account(story: Story) -> None:
    observation(story, "accounts").pop()


def lose_an_approval(story: Story) -> None:
    observation(story, "accounts")[2]["state"] = "APPLIED"


def change_an_amount(story: Story) -> None:
    for place in (0, 1):
        observation(story, "transfers", place)["transfers"][4]["amount"] = 3


def do_one_twice(story: Story) -> None:
    for place in (0, 1):
        entries = observation(story, "transfers", place)["transfers"]
        entries.append({**entries[4], "id": "another"})


def list_one_twice(story: Story) -> None:
    entries = observation(story, "transfers", 0)["transfers"]
    entries.append(entries[4])


def open_one_twice(story: Story) -> None:
    observation(story, "accounts").append({"number": "E42-00001004-44", "name": "r.writer-2.1", "state": "APPLIED"})


def carry_out_a_refused_one(story: Story) -> None:
    for place in (0, 1):
        entries = observation(story, "transfers", place)["transfers"]
        entries.append({**entries[4], "id": "ghost", "amount": 5000})


def open_what_nobody_asked_for(story: Story) -> None:
    observation(story, "accounts").append({"number": "E42-00001004-44", "name": "r.writer-9.1", "state": "OPEN"})


def make_a_tonne(story: Story) -> None:
    observation(story, "holdings", 1)["assets"]["CEA-2019"] += 1


def move_a_tonne(story: Story) -> None:
    observation(story, "holdings", 0)["assets"]["CEA-2019"] += 1
    observation(story, "holdings", 1)["assets"]["CEA-2019"] -= 1


def answer_nothing_definite(story: Story) -> None:
    story.add("reader-1", "invoke", "read-holdings", {"account": A})
    story.add("reader-1", "info", "read-holdings", {"account": A}, status=500)


def read_stale(story: Story) -> None:
    story.add("reader-1", "invoke", "read-account", {"account": OPENED})
    story.add("reader-1", "fail", "read-account", {"account": OPENED}, status=404)


def refuse(story: Story, code: str, amount: int = 1) -> None:
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": amount}
    story.write("writer-2", "transfer", value, "r.writer-2.9", {"code": code}, 422)


def know_nobody_any_more(story: Story) -> None:
    refuse(story, "9007")


def find_no_units_where_there_are_enough(story: Story) -> None:
    refuse(story, "3003", amount=967)


def hide_behind_the_exchange(story: Story) -> None:
    refuse(story, "1003")


def refuse_an_account(story: Story) -> None:
    story.write("writer-2", "open", {"name": "r.writer-2.9"}, "r.writer-2.9", {"code": "8001"}, 422)


def refuse_an_unknown_one_in_the_end(story: Story) -> None:
    """No answer came, and asked by its key the registry says that it said no."""
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": 1}
    story.add("writer-3", "invoke", "transfer", value, key="r.writer-3.2")
    refusal = {"state": "done", "status": 401, "body": {"code": "9007"}}
    story.add("observer", "ok", "request", refusal, key="r.writer-3.2")


def refuse_the_world(story: Story) -> None:
    story.add("reader-1", "invoke", "read-holdings", {"account": A})
    story.add("reader-1", "fail", "read-holdings", {"account": A}, status=404)


def refuse_an_approval_and_open_the_account(story: Story) -> None:
    place = next(n for n, e in enumerate(story.events) if e.f == "approve" and e.type == "ok")
    refused = {"status": 409, "body": {"code": "9006"}}
    story.events[place] = dataclasses.replace(story.events[place], type="fail", extra=refused)


def open_an_account_without_approval(story: Story) -> None:
    story.events = [event for event in story.events if event.f != "approve"]


def overdraw(story: Story) -> None:
    """Everybody agrees on it, and it must not be."""
    story.transfer(31, amount=1200)
    for place in (0, 1):
        entries = observation(story, "transfers", place)["transfers"]
        entries.append({**entries[4], "id": "t31", "amount": 1200})
    observation(story, "holdings", 0)["assets"]["CEA-2019"] -= 1200
    observation(story, "holdings", 1)["assets"]["CEA-2019"] += 1200


def heal_too_late(story: Story) -> None:
    cleanup = next(e for e in story.events if e.f == "kill" and e.value["verb"] == "cleanup")
    cleanup.value.update(verb="wait_recover", error="node main-1 is a running standby: still not so after 120 s")


def fail_in_the_middle(story: Story) -> None:
    story.add("drill", "info", "activity-ended", {"activity": "line-b-carries-on", "status": "failed"})


def never_come_back(story: Story) -> None:
    for event in story.events:
        if event.process == "watcher":
            event.value.update(primary=None, roles={"main-1": None})


LIES: list[tuple[Callable[[Story], None], list[str]]] = [
    (lose_a_transfer, ["no acknowledged write is lost", "balances equal what was answered, added up again"]),
    (lose_an_account, ["no acknowledged write is lost"]),
    (lose_an_approval, ["no acknowledged write is lost"]),
    (change_an_amount, ["no acknowledged write is lost"]),
    (do_one_twice, ["no write happened twice"]),
    (list_one_twice, ["no write happened twice"]),
    (open_one_twice, ["no write happened twice"]),
    (carry_out_a_refused_one, ["no refused write appears"]),
    (open_what_nobody_asked_for, ["no refused write appears"]),
    (make_a_tonne, ["tonnes are conserved", "balances equal what was answered, added up again"]),
    (move_a_tonne, ["balances equal what was answered, added up again"]),
    (answer_nothing_definite, ["no request failed"]),
    (read_stale, ["every read sees what was acknowledged before it"]),
    (know_nobody_any_more, [REFUSALS]),
    (find_no_units_where_there_are_enough, [REFUSALS]),
    (hide_behind_the_exchange, [REFUSALS]),
    (refuse_an_account, [REFUSALS]),
    (refuse_an_unknown_one_in_the_end, [REFUSALS, "no request failed"]),
    (refuse_the_world, ["every read sees what was acknowledged before it"]),
    (refuse_an_approval_and_open_the_account, ["no refused write appears", REFUSALS]),
    (open_an_account_without_approval, ["no refused write appears"]),
    (overdraw, ["balances equal what was answered, added up again"]),
    (heal_too_late, ["every step of the fault succeeded"]),
    (fail_in_the_middle, ["every step of the fault succeeded"]),
    (never_come_back, ["another node became primary", "node main-1 came back as a standby"]),
]


@pytest.mark.parametrize(("lie", "expected"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_each_lie_breaks_exactly_the_promise_it_is_about(
    lie: Callable[[Story], None], expected: list[str], story: Story
) -> None:
    lie(story)

    verdict = judge(story.events)

    assert failing(verdict) == expected
    assert verdict.word == "fail"


def test_lost_and_duplicated_writes_are_counted(story: Story) -> None:
    lose_a_transfer(story)
    open_one_twice(story)

    figures = judge(story.events).figures

    assert (figures.lost, figures.duplicated) == (1, 1)
