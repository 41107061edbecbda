"""The judge: what a verdict rests on, and what makes it invalid."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.history import Event
from chaos.judge import judge
from chaos.verdict import Verdict

S = 1_000_000_000
A, B = "E42-00001001-11", "E42-00001002-22"

Story = Any
"""The history of ``conftest.py``: a fixture, because tests are no package."""


def failing(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def observation(story: Story, f: str, place: int = 0) -> Any:
    return [event for event in story.events if event.process == "observer" and event.f == f][place].value


def test_a_drill_in_which_every_promise_was_kept_passes_with_its_figures(story: Story) -> None:
    verdict = judge(story.events)

    assert failing(verdict) == []
    assert verdict.word == "pass"
    figures = verdict.figures
    assert (figures.acknowledged, figures.lost, figures.duplicated, figures.failed_requests) == (34, 0, 0, 0)
    assert figures.client_retries == 2
    assert 3.0 < figures.longest_write_gap_s < 3.6
    assert figures.budget_used_s == 3.0
    assert verdict.as_json()["repeat"] == "registry drill run d"


def test_an_unknown_write_is_resolved_by_its_key_and_still_a_failed_request(told: Story) -> None:
    """The client's 60 s were over: the write is accounted for, the promise of no failure is broken."""
    verdict = judge(told.events)

    assert failing(verdict) == ["no request failed"]
    assert verdict.figures.unknown_resolved == 1
    assert verdict.word == "fail"


def test_an_unknown_that_was_declared_not_done_must_not_appear(told: Story) -> None:
    story = told
    for event in story.events:
        if event.process == "observer" and event.f == "request":
            event.value.update(state="not_done", status=None, body=None)

    assert "no refused write appears" in failing(judge(story.events))


def test_an_unknown_that_nobody_could_resolve_fails_the_drill(told: Story) -> None:
    story = told
    story.events = [e for e in story.events if not (e.process == "observer" and e.f == "request")]

    verdict = judge(story.events)

    assert "every unknown write is resolved" in failing(verdict)
    assert "no refused write appears" not in failing(verdict)


def test_a_drill_without_traffic_is_invalid(story: Story) -> None:
    story.events = [e for e in story.events if not e.process.startswith("writer")]

    assert judge(story.events).word == "invalid"


def test_a_fault_that_did_not_bite_makes_the_drill_invalid_whatever_else_was_seen(story: Story) -> None:
    for event in story.events:
        if event.process == "nemesis" and event.value["verb"] == "wait_propagate":
            event.value["bit"] = False

    verdict = judge(story.events)

    assert verdict.word == "invalid"
    assert failing(verdict) == ["assumption: fault kill bit"]


def test_a_fault_that_was_never_injected_makes_the_drill_invalid(story: Story) -> None:
    story.events = [e for e in story.events if e.process != "nemesis"]

    assert judge(story.events).word == "invalid"


def test_a_fault_outside_the_traffic_makes_the_drill_invalid(story: Story) -> None:
    fault_events = [e for e in story.events if e.process == "nemesis"]
    story.events = [e for e in story.events if e.process != "nemesis"]
    last = max(e.time for e in story.events)
    story.events += [Event(e.process, e.type, e.f, e.value, last + S, e.wall, e.key, e.extra) for e in fault_events]

    verdict = judge(story.events)

    assert verdict.word == "invalid"


def test_a_drill_whose_final_state_was_not_read_back_is_invalid(story: Story) -> None:
    story.events = [e for e in story.events if e.f != "complete"]

    assert judge(story.events).word == "invalid"


def test_an_empty_history_is_invalid() -> None:
    assert judge([]).word == "invalid"


def test_a_system_that_stays_still_after_healing_fails(story: Story) -> None:
    cleanup = next(e for e in story.events if e.f == "kill" and e.value["verb"] == "cleanup")
    late = Event(*(cleanup.process, cleanup.type, cleanup.f, cleanup.value, story.now, 0.0))
    story.events.append(late)

    assert failing(judge(story.events)) == ["writes are taken after the last fault"]


def cut(story: Story, *, line_b: str = "up", line_a_back: str = "up") -> Story:
    for event in story.events:
        if event.process == "nemesis":
            event.value.update(kind="line-cut", target="A")
        if event.process == "watcher":
            event.value["links"] = {"A": "down", "B": line_b}
    watched = [e for e in story.events if e.process == "watcher"]
    watched[-1].value["links"] = {"A": line_a_back, "B": "up"}
    return story


def test_a_cut_line_must_go_down_and_come_back(story: Story) -> None:
    assert judge(cut(story).events).word == "pass"
    assert failing(judge(cut(story, line_a_back="down").events)) == ["line A went down and came back"]


def test_the_other_line_must_stay_up_during_the_cut(story: Story) -> None:
    assert failing(judge(cut(story, line_b="down").events)) == ["the other line stayed up"]


@pytest.mark.parametrize(
    ("status", "deviated", "word"),
    [("completed", False, "pass"), ("failed", True, "fail"), ("interrupted", False, "invalid"),
     ("failed", False, "invalid")],
)  # fmt: skip
def test_chaos_toolkits_own_outcome_counts(status: str, deviated: bool, word: str, story: Story) -> None:  # noqa: FBT001
    """Interrupted proves nothing; a steady state that did not come back is a broken promise."""
    story.add("drill", "info", "experiment", {"title": "Writes are taken", "status": status, "deviated": deviated})

    assert judge(story.events).word == word


def test_a_drill_that_was_given_up_is_invalid_and_says_why(story: Story) -> None:
    story.add("drill", "info", "given-up", {"error": "no playground answers"})

    verdict = judge(story.events)

    assert verdict.word == "invalid"
    assert [check.detail for check in verdict.checks if not check.passed] == ["no playground answers"]


def test_a_line_that_falls_with_a_later_fault_did_not_fall_with_the_cut(story: Story) -> None:
    """A drill may kill the node of the intake after it mended the line; both lines log on anew then."""
    story = cut(story)
    story.add("watcher", "info", "cluster", {**watched_last(story), "links": {"A": "down", "B": "down"}})
    story.add("watcher", "info", "cluster", {**watched_last(story), "links": {"A": "up", "B": "up"}})

    assert judge(story.events).word == "pass"


def watched_last(story: Story) -> dict[str, Any]:
    return dict([e for e in story.events if e.process == "watcher"][-1].value)


def test_a_node_that_does_not_sync_fails_although_nothing_was_lost(story: Story) -> None:
    """SIGKILL is not power loss: with fsync off every drill would pass."""
    observation(story, "durability")["found"]["fsync"] = "off"
    assert failing(judge(story.events)) == ["every node would survive a power cut"]

    story.events = [event for event in story.events if event.f != "durability"]
    assert failing(judge(story.events)) == ["every node would survive a power cut"]


def test_a_data_node_that_nobody_asked_fails_and_the_witness_need_not_be_asked(story: Story) -> None:
    """One safe node says nothing of the three others; the witness keeps no data."""
    roles = {"main-1": "standby", "witness-1": "witness"}
    story.add("watcher", "info", "cluster", {**watched_last(story), "roles": roles})
    assert failing(judge(story.events)) == []

    story.add("watcher", "info", "cluster", {**watched_last(story), "roles": {**roles, "second-2": "sync_standby"}})
    verdict = judge(story.events)

    assert failing(verdict) == ["every node would survive a power cut"]
    assert [check.detail for check in verdict.checks if not check.passed] == ["second-2: not asked"]


def refuse(story: Story, code: str, amount: int) -> None:
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": amount}
    story.write("writer-2", "transfer", value, "r.writer-2.9", {"code": code}, 422)


def test_a_refusal_that_the_history_itself_makes_plausible_is_no_lie(story: Story) -> None:
    """The giver was allocated 1000 t and has given 33 of them away: 967 t it must have, 968 t it cannot have."""
    refuse(story, "3003", amount=968)

    assert failing(judge(story.events)) == []


def test_units_that_may_have_left_by_then_are_no_proof_of_a_wrong_refusal(story: Story) -> None:
    """The transfer of 100 t was under way while the registry said no to 900 t."""
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": 100}
    story.add("writer-4", "invoke", "transfer", value, key="r.writer-4.1")
    refuse(story, "3003", amount=900)
    story.add("writer-4", "info", "transfer", value, key="r.writer-4.1")

    assert "only writes that had to be refused were refused" not in failing(judge(story.events))


def test_holdings_are_with_the_exchange_only_after_the_next_opening(story: Story) -> None:
    story.add("drill", "info", "next-opening")
    refuse(story, "1003", amount=1)

    assert failing(judge(story.events)) == []


def blind_after(story: Story, f: str, verb: str, **facts: Any) -> None:
    """The watcher gets no answer right after that verb of the fault."""
    place = next(n for n, e in enumerate(story.events) if e.f == f and e.value["verb"] == verb)
    at = story.events[place].time + 1
    story.events.insert(place + 1, Event("watcher", "info", "blind", {"error": "no answer", **facts}, at, at / S))


@pytest.mark.parametrize("verb", ["inject", "wait_propagate"])
def test_a_fault_that_the_watcher_did_not_see_proves_nothing(verb: str, story: Story) -> None:
    blind_after(story, "kill", verb)

    verdict = judge(story.events)

    assert failing(verdict) == ["assumption: the watcher saw every fault from beginning to end"]
    assert verdict.word == "invalid"


def test_a_look_that_began_during_the_fault_and_got_no_answer_until_later_counts(story: Story) -> None:
    blind_after(story, "kill", "cleanup", for_s=2.0)
    assert judge(story.events).word == "invalid"


def test_a_watcher_that_was_blind_outside_the_fault_missed_nothing(story: Story) -> None:
    blind_after(story, "kill", "cleanup", for_s=0.0)
    assert judge(story.events).word == "pass"


def test_a_fault_that_nobody_watched_proves_nothing(story: Story) -> None:
    story.events = [event for event in story.events if event.process != "watcher"]
    assert judge(story.events).word == "invalid"


@pytest.mark.parametrize("kind", ["ok", "fail"])
def test_a_server_error_is_no_answer_whatever_the_history_calls_it(story: Story, kind: Any) -> None:
    at = next(n for n, e in enumerate(story.events) if e.f == "workload-stop")
    asked = Event("reader-1", "invoke", "read-account", {"account": A}, story.events[at].time, 0.0)
    told = Event("reader-1", kind, "read-account", asked.value, asked.time, 0.0, None, {"status": 500})
    story.events[at:at] = [asked, told]

    assert failing(judge(story.events)) == ["no request failed"]
