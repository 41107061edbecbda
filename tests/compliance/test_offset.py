"""Offset through two registries: the limit, the states, timeouts on either side, and a kill between any two steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from chaos.simulators.ccer.book import Book, ContradictionError, Units
from core.callers import Caller
from core.db.transaction import write
from core.emissions.obligations.rules import Obligation, refuse_offset
from core.emissions.years.rules import YearRules
from core.offset import link
from core.offset import service as offset
from core.offset.rules import read_application, read_units
from core.offset.wire import OffsetRegistry, OffsetRegistryUnavailableError, Reply
from core.refusals import Answer, Reason, Refused

E = "E42-00001001-60"
SETTLE = Caller("settle", frozenset())
RULES = YearRules(2020)


@pytest.mark.parametrize(
    ("obligation", "tonnes", "reason"),
    [
        (Obligation(E, 2020), 1, Reason.OBLIGATION_UNKNOWN),
        (Obligation(E, 2020, due=999), 0, Reason.QUANTITY_INVALID),
        (Obligation(E, 2020, due=999, state="PENALISED"), 1, Reason.OBLIGATION_PENALISED),
        (Obligation(E, 2020, due=999, surrendered=980, pending_surrender=10), 10, Reason.MORE_THAN_DUE),
        (Obligation(E, 2020, due=999), 50, Reason.OFFSET_OVER_LIMIT),
        (Obligation(E, 2020, due=999), 49, None),
        (Obligation(E, 2020, due=999, offset_used=20, pending_offset=20), 10, Reason.OFFSET_OVER_LIMIT),
        (Obligation(E, 2020, due=999, offset_used=20, pending_offset=20), 9, None),
        (Obligation(E, 2020, due=19), 1, Reason.OFFSET_OVER_LIMIT),
        (Obligation(E, 2020, due=20), 1, None),
    ],
)
def test_an_offset_stays_within_five_percent_of_what_is_due(
    obligation: Obligation, tonnes: int, reason: Reason | None
) -> None:
    refused = refuse_offset(obligation, tonnes, RULES)
    assert (refused.reason if refused else None) == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"account": 5}, Reason.MALFORMED),
        ({"project": "ccer 1"}, Reason.MALFORMED),
        ({"project": "C" * 41}, Reason.MALFORMED),
        ({"first": 0}, Reason.QUANTITY_INVALID),
        ({"first": 6}, Reason.QUANTITY_INVALID),
        ({"first": True}, Reason.QUANTITY_INVALID),
        ({"last": 10**12}, Reason.QUANTITY_INVALID),
        ({"last": "5"}, Reason.QUANTITY_INVALID),
    ],
)
def test_units_that_are_none_are_refused(body: dict[str, Any], reason: Reason) -> None:
    refused = read_units({"account": E, "project": "CCER-1", "first": 1, "last": 5, **body})
    assert isinstance(refused, Refused)
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"year": 1999}, Reason.MALFORMED),
        ({"lots": []}, Reason.MALFORMED),
        ({"lots": ["x"]}, Reason.LOT_UNKNOWN),
        ({"lots": [None]}, Reason.LOT_UNKNOWN),
    ],
)
def test_an_application_that_is_none_is_refused(body: dict[str, Any], reason: Reason) -> None:
    refused = read_application({"account": E, "year": 2020, "lots": ["x"], **body})
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_a_lot_goes_from_frozen_there_to_registered_here(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 100)
    number = world.freeze(firm, 5)
    assert (world.lot(number), world.there(number)) == ("SYNCED", "FROZEN")
    proposed = world.offset(firm, number)
    assert (world.lot(number), world.state(firm)["pending_offset"]) == ("SELECTED", 5)
    assert world.approve(proposed, world.bob).reason == Reason.NOT_PERMITTED
    assert world.approve(proposed, world.hubei).body["outcome"]["confirmed"] == 5
    assert (world.lot(number), world.there(number), world.state(firm)["offset"]) == ("CONFIRMED", "FROZEN", 0)
    world.deliver()
    assert (world.lot(number), world.there(number)) == ("USED", "CANCELLED")
    shown = world.state(firm)
    assert (shown["offset"], shown["pending_offset"], shown["missing"], shown["state"]) == (5, 0, 95, "PART")
    world.hand_in(firm, 95)
    assert world.state(firm)["state"] == "MET"
    history = world.look(lambda c: offset.get(c, world.ann, number)).body["history"]
    assert [event["state"] for event in history] == ["FREEZING", "SYNCED", "SELECTED", "CONFIRMED", "USED"]


def test_an_application_is_refused_for_the_first_reason_there_is(world: Any) -> None:
    firm, other = world.firm(), world.firm()
    institution = world.firm(kind="I")
    lot = world.freeze(firm, 5)
    nobody = "00000000-0000-4000-8000-000000000000"
    assert world.offset(institution, lot).reason == Reason.ACCOUNT_KIND
    assert world.offset(firm, nobody).reason == Reason.LOT_UNKNOWN
    assert world.offset(other, lot).reason == Reason.LOT_UNKNOWN
    assert world.offset(firm, lot, lot).reason == Reason.LOT_TWICE
    assert world.offset(firm, lot).reason == Reason.OBLIGATION_UNKNOWN
    world.verify(firm, 99)
    assert world.offset(firm, lot).reason == Reason.OFFSET_OVER_LIMIT
    world.verify(firm, 100, "meter recalibrated")
    assert isinstance(world.offset(firm, lot), Answer)
    assert world.offset(firm, lot).reason == Reason.LOT_NOT_READY


def test_a_unit_is_used_once_ever(world: Any) -> None:
    firm, other = world.firm(), world.firm()
    for one in (firm, other):
        world.verify(one, 1000)
    used = world.freeze(firm, 10)
    world.approve(world.offset(firm, used))
    world.deliver()

    def freeze(account: str, first: int, last: int, project: str = "CCER-1") -> Any:
        body = {"account": account, "project": project, "first": first, "last": last}
        return world.do(lambda c: offset.freeze(c, world.ann, body))

    for account in (firm, other):
        for first, last in ((1, 10), (10, 12), (5, 5), (1, 100)):
            assert freeze(account, first, last).reason == Reason.LOT_TAKEN
    assert isinstance(freeze(firm, 11, 12), Answer)
    assert isinstance(freeze(firm, 1, 10, "CCER-2"), Answer)


def test_what_the_other_registry_refuses_to_freeze_is_free_to_be_asked_for_again(world: Any) -> None:
    firm = world.firm()
    body = {"account": firm, "project": "CCER-1", "first": 1, "last": 5}
    asked = world.do(lambda c: offset.freeze(c, world.ann, body)).body
    world.deliver()
    shown = world.look(lambda c: offset.get(c, world.ann, asked["id"])).body
    assert (shown["state"], shown["note"]) == ("RELEASED", "the account does not hold these units")
    again = world.freeze(firm, 5)
    assert world.lot(again) == "SYNCED"


def test_a_rejected_application_lets_go_on_both_sides(world: Any) -> None:
    firm = world.firm()
    world.verify(firm, 100)
    lot = world.freeze(firm, 5)
    world.reject(world.offset(firm, lot))
    assert (world.lot(lot), world.state(firm)["pending_offset"]) == ("RELEASING", 0)
    world.deliver()
    assert (world.lot(lot), world.there(lot)) == ("RELEASED", "RELEASED")


def test_a_lot_times_out_here_and_can_no_longer_be_confirmed(world: Any) -> None:
    firm = world.firm()
    world.verify(firm, 200)
    unused, selected = world.freeze(firm, 5), world.freeze(firm, 5, first=6)
    waiting = world.offset(firm, selected)
    world.clock("2021-08-14T09:00:00+08:00")
    assert world.offset(firm, unused).reason == Reason.LOT_EXPIRED
    for number in world.look(link.timed_out):
        world.do(lambda c, number=number: link.time_out(c, SETTLE, number))
    assert world.state(firm)["pending_offset"] == 0
    assert world.approve(waiting).reason in {Reason.LOT_NOT_READY, Reason.TASK_EXPIRED}
    world.deliver()
    for lot in (unused, selected):
        assert (world.lot(lot), world.there(lot)) == ("RELEASED", "RELEASED")
    world.reject(waiting)
    assert world.state(firm)["pending_offset"] == 0


def test_a_lot_that_timed_out_over_there_registers_nothing_here(world: Any, ccer: httpx.Client) -> None:
    firm = world.firm()
    world.verify(firm, 100)
    lot = world.freeze(firm, 5)
    world.approve(world.offset(firm, lot))
    ccer.post("/sim/expire", json={"now": "2030-01-01T00:00:00+00:00"})
    world.deliver()
    assert (world.lot(lot), world.there(lot)) == ("RELEASED", "RELEASED")
    shown = world.state(firm)
    assert (shown["offset"], shown["pending_offset"], shown["missing"]) == (0, 0, 100)


def test_a_holder_lets_go_of_a_lot_before_the_other_registry_has_even_answered(world: Any, ccer: httpx.Client) -> None:
    firm = world.firm()
    facts = {"account": firm, "project": "CCER-1", "first": 1, "last": 5}
    ccer.post("/sim/units", json=facts)
    lot = world.do(lambda c: offset.freeze(c, world.ann, facts)).body["id"]
    world.do(lambda c: offset.release(c, world.ann, {"lot": lot}))
    first, second = world.look(link.waiting)
    ask = link.deliver(OffsetRegistry(ccer))
    for reference in (second, first):  # in whatever order they arrive
        world.do(lambda c, reference=reference: ask(c, SETTLE, reference))
    assert (world.lot(lot), world.there(lot)) == ("RELEASED", "RELEASED")


def test_emissions_corrected_downwards_lower_what_counts(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 100)
    lot = world.freeze(firm, 5)
    waiting = world.offset(firm, lot)
    world.verify(firm, 80, "meter recalibrated")
    assert world.approve(waiting).reason == Reason.OFFSET_OVER_LIMIT
    world.verify(firm, 100, "meter was right")
    world.approve(waiting)
    world.deliver()
    world.verify(firm, 80, "meter recalibrated")
    shown = world.state(firm)
    assert (shown["offset"], shown["offset_counted"], shown["missing"]) == (5, 4, 76)


class KilledError(Exception):
    """The process is gone at this moment."""


class Mortal:
    """The other registry, asked by a process that dies at one moment: before the question, or after its answer."""

    def __init__(self, http: httpx.Client, dies_at: int) -> None:
        self._registry, self._left = OffsetRegistry(http), dies_at

    def ask(self, question: str, lot: Mapping[str, Any]) -> Reply:
        self._moment()
        reply = self._registry.ask(question, lot)
        self._moment()
        return reply

    def _moment(self) -> None:
        if self._left == 0:
            self._left = -1
            raise KilledError
        self._left -= 1


def work(world: Any, registry: Any) -> int:
    """Do what waits, as a settle process that is started again whenever it dies; return how often it died."""
    deaths = 0
    ask = link.deliver(registry)
    while waiting := world.look(link.waiting):
        for reference in waiting:
            try:
                write(world.engine, lambda c, reference=reference: ask(c, SETTLE, reference))
            except KilledError:
                deaths += 1
    return deaths


@pytest.mark.parametrize("end", ["USED", "RELEASED"])
@pytest.mark.parametrize("dies_at", range(5))
def test_killed_between_any_two_steps_it_ends_the_same(world: Any, ccer: httpx.Client, dies_at: int, end: str) -> None:
    firm = world.firm()
    world.verify(firm, 100)
    facts = {"account": firm, "project": "CCER-1", "first": 1, "last": 5}
    ccer.post("/sim/units", json=facts)
    registry = Mortal(ccer, dies_at)
    lot = world.do(lambda c: offset.freeze(c, world.ann, facts)).body["id"]
    deaths = work(world, registry)
    assert world.lot(lot) == "SYNCED"
    proposed = world.offset(firm, lot)
    if end == "USED":
        world.approve(proposed)
    else:
        world.reject(proposed)
    deaths += work(world, registry)

    assert deaths == (1 if dies_at < 4 else 0)
    assert (world.lot(lot), world.there(lot)) == (end, "CANCELLED" if end == "USED" else "RELEASED")
    shown = world.state(firm)
    assert (shown["offset"], shown["pending_offset"]) == (5 if end == "USED" else 0, 0)
    assert len([e for e in shown["history"] if e["cause"] == "offset"]) == (1 if end == "USED" else 0)


def test_two_workers_that_got_the_same_answer_book_it_once(world: Any, ccer: httpx.Client) -> None:
    firm = world.firm()
    world.verify(firm, 100)
    lot = world.freeze(firm, 5)
    world.approve(world.offset(firm, lot))
    [reference] = world.look(link.waiting)
    answers: list[Any] = []

    class Slow(Mortal):
        def ask(self, question: str, asked: Mapping[str, Any]) -> Reply:
            reply = super().ask(question, asked)
            if not answers:
                answers.append(None)
                answers.append(world.do(lambda c: link.deliver(OffsetRegistry(ccer))(c, SETTLE, reference)))
            return reply

    late = world.do(lambda c: link.deliver(Slow(ccer, -1))(c, SETTLE, reference))
    assert (answers[1], late, world.state(firm)["offset"]) == ("USED", None, 5)


def test_the_dry_run_is_the_real_run_undone(world: Any) -> None:
    firm = world.firm()
    world.verify(firm, 200)
    lots = [world.freeze(firm, 5), world.freeze(firm, 5, first=6), world.freeze(firm, 1, first=20)]
    for chosen in (lots, lots[:2]):
        body = {"account": firm, "year": 2020, "lots": chosen}
        before = (world.state(firm), [world.lot(lot) for lot in lots])
        dry = world.look(lambda c, body=body: link.dry_run(c, world.ann, body))
        assert (world.state(firm), [world.lot(lot) for lot in lots]) == before
        proposed = world.offset(firm, *chosen)
        if isinstance(proposed, Refused):
            assert (dry.reason, dry.detail) == (proposed.reason, proposed.detail)
            continue
        real = world.approve(proposed)
        world.deliver()
        shown = world.state(firm)
        assert dry.body["outcome"] == real.body["outcome"]
        assert dry.body["obligation"] == {name: shown[name] for name in dry.body["obligation"]}


def test_the_wire_knows_an_answer_from_a_fault() -> None:
    answers = {
        "good": httpx.Response(200, json={"lot": "good", "state": "FROZEN"}),
        "no": httpx.Response(409, json={"lot": "no", "state": "RELEASED", "detail": "over"}),
        "other": httpx.Response(200, json={"lot": "x", "state": "FROZEN"}),
        "broken": httpx.Response(200, content=b"<html>"),
        "fault": httpx.Response(503, json={"lot": "fault", "state": "FROZEN"}),
    }
    transport = httpx.MockTransport(lambda request: answers[json.loads(request.content)["lot"]])
    registry = OffsetRegistry(httpx.Client(transport=transport, base_url="http://ccer"))
    assert registry.ask("freeze", {"lot": "good"}) == Reply("good", "FROZEN")
    assert registry.ask("cancel", {"lot": "no"}) == Reply("no", "RELEASED", "over")
    for lot in ("other", "broken", "fault"):
        with pytest.raises(OffsetRegistryUnavailableError):
            registry.ask("freeze", {"lot": lot})


def test_the_other_registrys_books_hold_once_and_survive_a_restart(tmp_path: Path) -> None:
    journal = tmp_path / "ccer.journal"
    asked = {"lot": "1", "account": "A", "project": "P", "first": 1, "last": 5, "tonnes": 5, "until": "2021-08-01"}
    book = Book(journal)
    book.issue("A", Units("P", 1, 10))
    with pytest.raises(ValueError, match="exist already"):
        book.issue("B", Units("P", 10, 11))
    assert book.freeze("1", asked).state == "FROZEN"
    assert book.freeze("1", asked).state == "FROZEN"
    with pytest.raises(ContradictionError):
        book.freeze("1", {**asked, "last": 6, "tonnes": 6})
    assert book.freeze("2", {**asked, "lot": "2", "first": 5, "last": 6, "tonnes": 2}).state == "REFUSED"
    book.close()

    book = Book(journal)
    cancelled = book.cancel("1")
    assert cancelled is not None
    assert (cancelled.state, book.release("1").state, book.cancel("9")) == ("CANCELLED", "CANCELLED", None)
    assert (book.release("3").state, book.freeze("3", {**asked, "lot": "3"}).state) == ("RELEASED", "RELEASED")
    assert book.expire("2030-01-01") == []
    book.close()
