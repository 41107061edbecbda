"""Surrender against an obligation: who decides, which units count, and taking it back within its time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from core.accounts.rules import Account, Side
from core.emissions.obligations.rules import Obligation
from core.emissions.years.rules import YearRules
from core.encumbrance import service as encumbrance
from core.ledger.rules import FROZEN, PENDING_SURRENDER, PLEDGED, SURRENDERED
from core.refusals import Answer, Reason
from core.surrender import reversal
from core.surrender import service as surrender
from core.surrender.rules import Application, decide

E = "E42-00001001-60"
NOW = datetime.fromisoformat("2021-07-15T09:00:00+08:00")


def account(number: str = E, state: str = "OPEN") -> Account:
    return Account(
        number=number, name="Firm", credit_code=None, state=state, bank="B001", applied_at=NOW, opened_at=NOW
    )


RULES = YearRules(2020, 1, date(2021, 12, 31), (2019, 2020))
DUE = Obligation(E, 2020, due=50, surrendered=10, pending_surrender=10, pending_offset=2, state="PART")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": Side(None, 100)}, Reason.SOURCE_UNKNOWN),
        ({"source": Side(account(state="APPLIED"), 100)}, Reason.SOURCE_NOT_OPEN),
        ({"trading": True}, Reason.SOURCE_WITH_EXCHANGE),
        ({"application": Application("I42-00001002-57", "CEA-2019", 5, 2020)}, Reason.ACCOUNT_KIND),
        ({"application": Application(E, "CEA-2019", 0, 2020)}, Reason.QUANTITY_INVALID),
        ({"pending": 2**63 - 1}, Reason.QUANTITY_INVALID),
        ({"application": Application(E, "CEA-x", 5, 2020)}, Reason.PRODUCT_UNKNOWN),
        ({"known_product": False}, Reason.PRODUCT_UNKNOWN),
        ({"source": Side(account(), 4)}, Reason.INSUFFICIENT_UNITS),
        (
            {"obligation": Obligation(E, 2020, due=50, state="PENALISED"), "rules": YearRules(2020, vintages=(2020,))},
            Reason.OBLIGATION_PENALISED,
        ),
        ({"rules": YearRules(2020, vintages=(2020,))}, Reason.VINTAGE_NOT_USABLE),
        ({"application": Application(E, "CEA-2019", 29, 2020)}, Reason.MORE_THAN_DUE),
        ({"application": Application(E, "CEA-2019", 28, 2020)}, None),
        ({"obligation": Obligation(E, 2020)}, None),
    ],
)
def test_a_surrender_is_refused_for_the_first_reason_there_is(change: dict[str, Any], reason: Reason | None) -> None:
    facts: dict[str, Any] = {
        "application": Application(E, "CEA-2019", 5, 2020),
        "source": Side(account(), 100),
        "pending": 0,
        "trading": False,
        "known_product": True,
        "rules": RULES,
        "obligation": DUE,
        **change,
    }
    decided = decide(facts.pop("application"), **facts)
    assert (decided.reason if not isinstance(decided, int) else None) == reason


def test_without_an_obligation_the_registrys_checker_decides_as_before(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    proposed = world.surrender(firm, 40)
    assert isinstance(world.approve(proposed, world.bob), Answer)
    assert (world.state(firm)["state"], world.state(firm)["surrendered"]) == ("NONE", 40)
    world.verify(firm, 60)
    assert (world.state(firm)["state"], world.state(firm)["missing"]) == ("PART", 20)


def test_without_an_obligation_the_firms_authority_may_decide_too(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    proposed = world.surrender(firm, 40)
    assert world.approve(proposed, world.shanghai).reason == Reason.NOT_PERMITTED
    assert isinstance(world.approve(proposed, world.hubei), Answer)
    back = reverse(world, str(proposed.body["hold"]))
    assert isinstance(world.approve(back, world.bob), Answer)


def test_with_an_obligation_or_where_the_year_says_so_the_authority_decides(world: Any) -> None:
    firm, other = world.firm({"CEA-2019": 100}), world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    proposed = world.surrender(firm, 60)
    assert world.approve(proposed, world.bob).reason == Reason.NOT_PERMITTED
    assert world.approve(proposed, world.shanghai).reason == Reason.NOT_PERMITTED
    assert isinstance(world.approve(proposed, world.hubei), Answer)
    assert world.state(firm)["state"] == "MET"
    world.year()
    assert world.approve(world.surrender(other, 1), world.bob).reason == Reason.NOT_PERMITTED


def test_pledged_and_frozen_units_are_never_surrendered(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 90)
    order = {"account": firm, "asset": "CEA-2019", "amount": 30, "document": "D-1"}
    pledged = world.do(lambda c: encumbrance.propose_pledge(c, world.ann, order | {"creditor": "A bank"}))
    frozen = world.do(lambda c: encumbrance.propose_freeze(c, world.ann, order | {"court": "A court"}))
    for proposed in (pledged, frozen):
        assert isinstance(world.approve(proposed, world.bob), Answer)
    assert world.surrender(firm, 41).reason == Reason.INSUFFICIENT_UNITS
    world.hand_in(firm, 40)
    assert world.held(firm) == {("CEA-2019", PLEDGED): 30, ("CEA-2019", FROZEN): 30}
    assert world.state(firm)["shortage"] == 50


def test_what_waits_is_not_applied_for_twice_and_is_free_again_when_turned_down(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    waiting = world.surrender(firm, 50)
    assert world.surrender(firm, 11).reason == Reason.MORE_THAN_DUE
    assert world.held(firm) == {("CEA-2019", "available"): 50, ("CEA-2019", PENDING_SURRENDER): 50}
    world.reject(waiting)
    assert (world.state(firm)["pending_surrender"], world.held(firm)) == (0, {("CEA-2019", "available"): 100})
    world.hand_in(firm, 60)


def test_what_is_no_longer_due_or_no_longer_counts_is_not_approved(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    waiting = world.surrender(firm, 60)
    world.verify(firm, 50, "meter recalibrated")
    assert world.approve(waiting).reason == Reason.MORE_THAN_DUE
    world.verify(firm, 60, "meter was right")
    world.year(vintages=[2020])
    assert world.approve(waiting).reason == Reason.VINTAGE_NOT_USABLE
    world.year(vintages=[2019])
    assert isinstance(world.approve(waiting), Answer)


def reverse(world: Any, number: str, by: Any = None) -> Any:
    body = {"surrender": number, "reason": "wrong year"}
    return world.do(lambda c: reversal.propose(c, by or world.ann, body))


def test_a_surrender_is_taken_back_with_the_very_units_by_linked_entries_once(world: Any) -> None:
    firm, other = world.firm({"CEA-2019": 100}), world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    world.verify(other, 50)
    number = world.hand_in(firm, 60)
    world.hand_in(other, 50)
    proposed = reverse(world, number)
    assert world.approve(proposed, world.bob).reason == Reason.NOT_PERMITTED
    outcome = world.approve(proposed, world.hubei).body["outcome"]
    assert outcome == {
        "reversed": 60,
        "serials": [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000000060", "tonnes": 60}],
    }
    assert (world.held(firm), world.serials(firm)) == (
        {("CEA-2019", "available"): 100},
        ["CEA-2019-000000000001..CEA-2019-000000000100"],
    )
    assert world.serials(SURRENDERED) == ["CEA-2019-000000000101..CEA-2019-000000000150"]
    assert [e["cause"] for e in world.state(firm)["history"]] == [
        "emissions verified",
        "surrender",
        "surrender reversed",
    ]
    shown = world.look(lambda c: surrender.get(c, world.ann, number)).body
    assert (shown["state"], shown["tonnes"]) == ("REVERSED", 60)
    assert reverse(world, number).reason == Reason.SURRENDER_NOT_DONE


def test_two_reversals_of_one_surrender_do_not_both_happen(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    number = world.hand_in(firm, 60)
    first, second = reverse(world, number), reverse(world, number)
    assert isinstance(world.approve(first), Answer)
    assert world.approve(second).reason == Reason.SURRENDER_NOT_DONE


def test_a_reversal_is_refused_for_the_first_reason_there_is(world: Any) -> None:
    firm = world.firm({"CEA-2019": 200})
    world.verify(firm, 90)
    nobody = "00000000-0000-4000-8000-000000000000"
    assert reverse(world, nobody).reason == Reason.SURRENDER_UNKNOWN
    assert reverse(world, "nonsense").reason == Reason.SURRENDER_UNKNOWN
    number = world.hand_in(firm, 60)
    assert reverse(world, number, world.shanghai).reason == Reason.NOT_PERMITTED
    waiting = reverse(world, number)
    world.clock("2021-08-14T09:00:00+08:00")  # the last moment of its thirty days
    assert isinstance(reverse(world, number), Answer)
    world.clock("2021-08-14T09:00:01+08:00")
    assert reverse(world, number).reason == Reason.REVERSAL_TOO_LATE
    assert world.approve(waiting).reason in {Reason.REVERSAL_TOO_LATE, Reason.TASK_EXPIRED}


def test_a_reversal_after_the_deadline_leaves_the_year_short(world: Any) -> None:
    world.year(deadline="2021-07-20")
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    number = world.hand_in(firm, 60)
    world.clock("2021-07-21T09:00:00+08:00")
    assert world.state(firm)["state"] == "MET"
    world.approve(reverse(world, number))
    assert (world.state(firm)["state"], world.state(firm)["missing"]) == ("SHORT", 60)


@pytest.mark.parametrize("tonnes", [60, 10, 61, 0])
def test_the_dry_run_is_the_real_run_undone(world: Any, tonnes: int) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    body = {"account": firm, "product": "CEA-2019", "tonnes": tonnes, "year": 2020}
    before = (world.held(firm), world.serials(firm), world.state(firm))
    dry = world.look(lambda c: surrender.dry_run(c, world.ann, body))
    assert (world.held(firm), world.serials(firm), world.state(firm)) == before

    proposed = world.surrender(firm, tonnes)
    if not isinstance(proposed, Answer):
        assert (dry.reason, dry.detail) == (proposed.reason, proposed.detail)
        return
    real = world.approve(proposed)
    assert dry.body["outcome"] == real.body["outcome"]
    after = world.look(lambda c: surrender.after(c, firm, 2020))
    assert {name: dry.body[name] for name in after} == after


def test_surrenders_are_listed_by_pages(world: Any) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 60)
    made = [world.hand_in(firm, 10) for _ in range(3)]
    seen: list[str] = []
    after: str | None = None
    while True:
        page = world.look(lambda c, after=after: surrender.list_surrenders(c, world.ann, firm, after=after, limit=2))
        seen += [one["id"] for one in page.body["surrenders"]]
        after = page.body["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(made)
