"""The judge: one honest history, and one lie at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from chaos.history import Event
from chaos.judge import judge
from chaos.verdict import Verdict

S = 1_000_000_000
A, B = "E42-00001001-11", "E42-00001002-22"
OPENED = "E42-00001003-33"


class Story:
    """Builds a history line by line; time runs in tenths of a second."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 0

    def add(self, process: str, kind: Any, f: str, value: Any = None, *, key: str | None = None, **extra: Any) -> None:
        self.now += S // 20
        self.events.append(Event(process, kind, f, value, self.now, self.now / S, key, extra))

    def write(self, process: str, f: str, value: Any, key: str, body: Any, status: int = 201) -> None:
        self.add(process, "invoke", f, value, key=key)
        kind = "ok" if status < 300 else "fail"
        self.add(process, kind, f, value, key=key, status=status, body=body, retries=0)

    def transfer(self, n: int, amount: int = 1) -> None:
        value = {"from": A, "to": B, "asset": "CEA-2019", "amount": amount}
        self.write("writer-1", "transfer", value, f"r.writer-1.{n}", {"id": f"t{n}"})


def fault(story: Story, *, bit: bool = True) -> None:
    facts = {"kind": "node-power-off", "target": "main-1"}
    story.add("nemesis", "info", "kill", {"verb": "inject", "was_primary": True, **facts})
    story.add("nemesis", "info", "kill", {"verb": "wait_propagate", "bit": bit, **facts})


def told() -> Story:
    """A drill as it should be: 31 transfers, one account, one refusal, one unknown that was done after all."""
    story = Story()
    story.add("drill", "info", "run", {"name": "d", "seed": 7, "faults": ["kill"], "repeat": "registry drill run d"})
    story.add("drill", "info", "world", {"run": "r", "product": "CEA-2019", "tonnes": 1000, "accounts": [A, B]})
    story.add("drill", "info", "workload-start")
    for n in range(15):
        story.transfer(n)
    opened = {"id": "task", "account": {"number": OPENED}}
    story.write("writer-2", "open", {"name": "r.writer-2.1"}, "r.writer-2.1", opened, 202)
    story.write("writer-2", "approve", {"task": "task", "account": OPENED}, "r.writer-2.2", {"state": "APPROVED"}, 200)
    big = {"from": A, "to": B, "asset": "CEA-2019", "amount": 5000}
    story.write("writer-2", "transfer", big, "r.writer-2.3", {"code": "3003"}, 422)
    fault(story)
    story.add("watcher", "info", "cluster", {"primary": "main-2", "roles": {"main-1": None}, "links": {}})
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": 2}
    story.add("writer-3", "invoke", "transfer", value, key="r.writer-3.1")
    story.now += 3 * S
    for n in range(15, 30):
        story.transfer(n)
    story.add("nemesis", "info", "kill", {"verb": "cleanup", "kind": "node-power-off", "target": "main-1"})
    story.add("watcher", "info", "cluster", {"primary": "main-2", "roles": {"main-1": "standby"}, "links": {}})
    story.transfer(30)
    story.add("drill", "info", "workload-stop")
    observed(story)
    return story


def observed(story: Story) -> None:
    moves = [(f"t{n}", 1) for n in range(31)] + [("t-late", 2)]
    listed = [
        {"id": i, "from_account": A, "to_account": B, "asset": "CEA-2019", "amount": amount, "type": "TRANSFER"}
        for i, amount in moves
    ]
    outcome = {"state": "done", "status": 201, "body": {"id": "t-late"}}
    story.add("observer", "ok", "request", outcome, key="r.writer-3.1")
    names = [(A, "r.world.0"), (B, "r.world.1"), (OPENED, "r.writer-2.1")]
    story.add("observer", "ok", "accounts", [{"number": n, "name": name, "state": "OPEN"} for n, name in names])
    for number, tonnes in ((A, 967), (B, 1033)):
        story.add("observer", "ok", "holdings", {"account": number, "assets": {"CEA-2019": tonnes}})
        story.add("observer", "ok", "transfers", {"account": number, "transfers": copy.deepcopy(listed)})
    on = {"fsync": "on", "full_page_writes": "on"}
    story.add("observer", "ok", "durability", {"node": "main-1", "needed": on, "found": dict(on)})
    story.add("observer", "ok", "complete")


def failing(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def observation(story: Story, f: str, place: int = 0) -> Any:
    return [event for event in story.events if event.process == "observer" and event.f == f][place].value


def answered_in_the_end() -> Story:
    """The same, with the open request answered by the client's retries: the clean drill."""
    story = told()
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": 2}
    at = next(n for n, e in enumerate(story.events) if e.f == "workload-stop")
    late = Event("writer-3", "ok", "transfer", value, story.events[at].time, 0.0, "r.writer-3.1",
                 {"status": 201, "body": {"id": "t-late"}, "retries": 2})  # fmt: skip
    story.events.insert(at, late)
    return story


def test_a_drill_in_which_every_promise_was_kept_passes_with_its_figures() -> None:
    verdict = judge(answered_in_the_end().events)

    assert failing(verdict) == []
    assert verdict.word == "pass"
    figures = verdict.figures
    assert (figures.acknowledged, figures.lost, figures.duplicated, figures.failed_requests) == (34, 0, 0, 0)
    assert figures.client_retries == 2
    assert 3.0 < figures.longest_write_gap_s < 3.6
    assert figures.budget_used_s == 3.0
    assert verdict.as_json()["repeat"] == "registry drill run d"


def test_an_unknown_write_is_resolved_by_its_key_and_still_a_failed_request() -> None:
    """The client's 60 s were over: the write is accounted for, the promise of no failure is broken."""
    verdict = judge(told().events)

    assert failing(verdict) == ["no request failed"]
    assert verdict.figures.unknown_resolved == 1
    assert verdict.word == "fail"


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


def never_come_back(story: Story) -> None:
    story.events[[e.f for e in story.events].index("cluster") :] = [
        e for e in story.events[[e.f for e in story.events].index("cluster") :] if e.process != "watcher"
    ]


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
    (never_come_back, ["another node became primary", "node main-1 came back as a standby"]),
]


@pytest.mark.parametrize(("lie", "expected"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_each_lie_breaks_exactly_the_promise_it_is_about(lie: Callable[[Story], None], expected: list[str]) -> None:
    story = answered_in_the_end()
    lie(story)

    verdict = judge(story.events)

    assert failing(verdict) == expected
    assert verdict.word == "fail"


def test_lost_and_duplicated_writes_are_counted() -> None:
    story = answered_in_the_end()
    lose_a_transfer(story)
    open_one_twice(story)

    figures = judge(story.events).figures

    assert (figures.lost, figures.duplicated) == (1, 1)


def test_an_unknown_that_was_declared_not_done_must_not_appear() -> None:
    story = told()
    for event in story.events:
        if event.process == "observer" and event.f == "request":
            event.value.update(state="not_done", status=None, body=None)

    assert "no refused write appears" in failing(judge(story.events))


def test_an_unknown_that_nobody_could_resolve_fails_the_drill() -> None:
    story = told()
    story.events = [e for e in story.events if not (e.process == "observer" and e.f == "request")]

    verdict = judge(story.events)

    assert "every unknown write is resolved" in failing(verdict)
    assert "no refused write appears" not in failing(verdict)


def test_a_drill_without_traffic_is_invalid() -> None:
    story = answered_in_the_end()
    story.events = [e for e in story.events if not e.process.startswith("writer")]

    assert judge(story.events).word == "invalid"


def test_a_fault_that_did_not_bite_makes_the_drill_invalid_whatever_else_was_seen() -> None:
    story = answered_in_the_end()
    for event in story.events:
        if event.process == "nemesis" and event.value["verb"] == "wait_propagate":
            event.value["bit"] = False

    verdict = judge(story.events)

    assert verdict.word == "invalid"
    assert failing(verdict) == ["assumption: fault kill bit"]


def test_a_fault_that_was_never_injected_makes_the_drill_invalid() -> None:
    story = answered_in_the_end()
    story.events = [e for e in story.events if e.process != "nemesis"]

    assert judge(story.events).word == "invalid"


def test_a_fault_outside_the_traffic_makes_the_drill_invalid() -> None:
    story = answered_in_the_end()
    fault_events = [e for e in story.events if e.process == "nemesis"]
    story.events = [e for e in story.events if e.process != "nemesis"]
    last = max(e.time for e in story.events)
    story.events += [Event(e.process, e.type, e.f, e.value, last + S, e.wall, e.key, e.extra) for e in fault_events]

    verdict = judge(story.events)

    assert verdict.word == "invalid"


def test_a_drill_whose_final_state_was_not_read_back_is_invalid() -> None:
    story = answered_in_the_end()
    story.events = [e for e in story.events if e.f != "complete"]

    assert judge(story.events).word == "invalid"


def test_an_empty_history_is_invalid() -> None:
    assert judge([]).word == "invalid"


def test_a_system_that_stays_still_after_healing_fails() -> None:
    story = answered_in_the_end()
    cleanup = next(e for e in story.events if e.f == "kill" and e.value["verb"] == "cleanup")
    late = Event(*(cleanup.process, cleanup.type, cleanup.f, cleanup.value, story.now, 0.0))
    story.events.append(late)

    assert failing(judge(story.events)) == ["writes are taken after the last fault"]


def cut_story(*, line_b: str = "up", line_a_back: str = "up") -> Story:
    story = answered_in_the_end()
    for event in story.events:
        if event.process == "nemesis":
            event.value.update(kind="line-cut", target="A")
        if event.process == "watcher":
            event.value["links"] = {"A": "down", "B": line_b}
    watched = [e for e in story.events if e.process == "watcher"]
    watched[-1].value["links"] = {"A": line_a_back, "B": "up"}
    return story


def test_a_cut_line_must_go_down_and_come_back() -> None:
    assert judge(cut_story().events).word == "pass"
    assert failing(judge(cut_story(line_a_back="down").events)) == ["line A went down and came back"]


def test_the_other_line_must_stay_up_during_the_cut() -> None:
    assert failing(judge(cut_story(line_b="down").events)) == ["the other line stayed up"]


@pytest.mark.parametrize(
    ("status", "deviated", "word"),
    [("completed", False, "pass"), ("failed", True, "fail"), ("interrupted", False, "invalid"),
     ("failed", False, "invalid")],
)  # fmt: skip
def test_chaos_toolkits_own_outcome_counts(status: str, deviated: bool, word: str) -> None:  # noqa: FBT001
    """Interrupted proves nothing; a steady state that did not come back is a broken promise."""
    story = answered_in_the_end()
    story.add("drill", "info", "experiment", {"title": "Writes are taken", "status": status, "deviated": deviated})

    assert judge(story.events).word == word


def test_a_drill_that_was_given_up_is_invalid_and_says_why() -> None:
    story = answered_in_the_end()
    story.add("drill", "info", "given-up", {"error": "no playground answers"})

    verdict = judge(story.events)

    assert verdict.word == "invalid"
    assert [check.detail for check in verdict.checks if not check.passed] == ["no playground answers"]


def test_a_line_that_falls_with_a_later_fault_did_not_fall_with_the_cut() -> None:
    """A drill may kill the node of the intake after it mended the line; both lines log on anew then."""
    story = cut_story()
    story.add("watcher", "info", "cluster", {**watched_last(story), "links": {"A": "down", "B": "down"}})
    story.add("watcher", "info", "cluster", {**watched_last(story), "links": {"A": "up", "B": "up"}})

    assert judge(story.events).word == "pass"


def watched_last(story: Story) -> dict[str, Any]:
    return dict([e for e in story.events if e.process == "watcher"][-1].value)


def test_a_node_that_does_not_sync_fails_although_nothing_was_lost() -> None:
    """SIGKILL is not power loss: with fsync off every drill would pass."""
    story = answered_in_the_end()
    observation(story, "durability")["found"]["fsync"] = "off"
    assert failing(judge(story.events)) == ["every node would survive a power cut"]

    story.events = [event for event in story.events if event.f != "durability"]
    assert failing(judge(story.events)) == ["every node would survive a power cut"]


def test_a_data_node_that_nobody_asked_fails_and_the_witness_need_not_be_asked() -> None:
    """One safe node says nothing of the three others; the witness keeps no data."""
    story = answered_in_the_end()
    roles = {"main-1": "standby", "witness-1": "witness"}
    story.add("watcher", "info", "cluster", {**watched_last(story), "roles": roles})
    assert failing(judge(story.events)) == []

    story.add("watcher", "info", "cluster", {**watched_last(story), "roles": {**roles, "second-2": "sync_standby"}})
    verdict = judge(story.events)

    assert failing(verdict) == ["every node would survive a power cut"]
    assert [check.detail for check in verdict.checks if not check.passed] == ["second-2: not asked"]
