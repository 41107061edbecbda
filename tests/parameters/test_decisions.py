"""Two people change the market's rules: what is refused, and what holds from when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from core.approvals import service as approvals
from core.callers import Caller
from core.db.transaction import write
from core.ledger.rules import ISSUANCE
from core.parameters import service as parameters
from core.parameters import store
from core.quantities import Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units

pytestmark = pytest.mark.unsound  # one accounting alone

FRIDAY, MONDAY, TUESDAY = "2021-07-16", "2021-07-19", "2021-07-20"
STEEL = {"open": True, "title": "Steel", "published": "钢铁"}
LISTED = {"open": True, "least_t": 1, "most_t": 49_999}


VERSIONS = text("SELECT count(*) FROM parameter WHERE name = 'listed'")
AUDIT = text("SELECT caller, action FROM audit_event ORDER BY id")


def change(kind: str, name: str, value: dict[str, Any], effective_from: str | None = MONDAY) -> dict[str, Any]:
    """Word a change as a caller does."""
    return {"kind": kind, "name": name, "value": value, "effective_from": effective_from}


def reason(answer: Answer | Refused) -> Reason | None:
    return answer.reason if isinstance(answer, Refused) else None


def test_a_change_holds_from_its_day_on_and_not_before(rulers: Any) -> None:
    rulers.set(change("mode", "listed", LISTED, MONDAY), change("sector", "steel", STEEL, MONDAY))

    before, after = (
        rulers.read(lambda c, day=day: parameters.market_rules(c, date.fromisoformat(day))) for day in (FRIDAY, MONDAY)
    )
    assert (before.modes["listed"].most_t, after.modes["listed"].most_t) == (99_999, 49_999)
    assert (set(before.sectors), set(after.sectors)) == ({"power"}, {"power", "steel"})


def test_a_proposal_alone_changes_nothing(rulers: Any) -> None:
    assert isinstance(rulers.propose(change("mode", "listed", LISTED)), Answer)

    assert rulers.read(lambda c: store.value(c, "mode", "listed", date(2021, 7, 30)))["most_t"] == 99_999


def test_the_proposer_does_not_decide(rulers: Any) -> None:
    both = Caller("ann", frozenset({"maker", "checker"}))
    proposed = rulers.propose(change("tick", "price", {"fen": 5}))
    assert isinstance(proposed, Answer)

    task = str(proposed.body["id"])
    alone = rulers.write(lambda c: approvals.approve(c, both, task, parameters.EXECUTORS))

    assert reason(alone) is Reason.SAME_PERSON


@pytest.mark.parametrize("role", ["checker", "operator", "holder", "authority_maker", "auditor"])
def test_only_makers_of_the_registry_propose(rulers: Any, role: str) -> None:
    body = {"changes": [change("tick", "price", {"fen": 5})], "why": "a test"}
    stranger = Caller("eve", frozenset({role}))
    assert reason(rulers.read(lambda c: parameters.propose(c, stranger, body))) is Reason.NOT_PERMITTED


def closing(kind: str, name: str) -> dict[str, Any]:
    return change(kind, name, {"open": False, "least_t": 1, "most_t": None})


REFUSED = [
    # what is proposed when it is Friday at noon, Friday's opening data are sent and 100 t of CEA-2019 were issued
    (Reason.PARAMETER_TWICE, [change("tick", "price", {"fen": 5}), change("tick", "price", {"fen": 2})]),
    (Reason.PARAMETER_LATE, [change("tick", "price", {"fen": 5}, "2021-07-15")]),
    (Reason.PARAMETER_LATE, [change("tick", "price", {"fen": 5}, FRIDAY)]),
    (Reason.PARAMETER_LATE, [change("calendar", FRIDAY, {"open": False, "why": "fire"}, None)]),
    (Reason.PARAMETER_LATE, [change("calendar", "2021-07-10", {"open": True, "why": "late"}, None)]),
    (Reason.PARAMETER_SAME, [change("tick", "price", {"fen": 1})]),
    (Reason.PARAMETER_SAME, [change("limit", "listed", {"percent": 10}), change("limit", "block", {"percent": 30})]),
    (Reason.CAP_BELOW_ISSUED, [change("cap", "CEA-2019", {"tonnes": 99})]),
    (Reason.PARAMETER_CONFLICT, [closing("mode", "listed"), closing("mode", "block")]),
    (Reason.PARAMETER_CONFLICT, [change("product", "CEA-2030", {"open": True, "base_price_fen": None})]),
    (Reason.PARAMETER_CONFLICT, [change("product", "CEA-2020", {"open": True, "base_price_fen": 4803}),
                                 change("tick", "price", {"fen": 5})]),
    (Reason.PARAMETER_CONFLICT, [change("limit", "listed/CEA-2021", {"percent": 5})]),
    (Reason.PARAMETER_CONFLICT, [change("cap", "CEA-2030", {"tonnes": 10})]),
    (Reason.PARAMETER_CONFLICT, [change("calendar", f"2021-0{m}-{d:02d}", {"open": False, "why": "long"}, None)
                                 for m, last in ((8, 31), (9, 30)) for d in range(1, last + 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "changes"), REFUSED)
def test_what_does_not_fit_is_refused_with_its_reason(
    rulers: Any, expected: Reason, changes: list[dict[str, Any]]
) -> None:
    friday_at_noon(rulers)
    day = date(2021, 7, 15)
    rulers.write(
        lambda c: units.issue(c, issue_id="i", vintage=Vintage(2019), tonnes=100, holder=ISSUANCE, market_day=day)
    )

    assert reason(rulers.propose(*changes)) is expected


def friday_at_noon(rulers: Any) -> None:
    rulers.write(lambda c: parameters.freeze(c, date(2021, 7, 16)))
    rulers.clock("2021-07-16T12:00:00")


def test_the_most_important_reason_is_the_one_reported(rulers: Any) -> None:
    friday_at_noon(rulers)
    late, same = change("tick", "price", {"fen": 5}, FRIDAY), change("limit", "listed", {"percent": 10})
    twice = [change("limit", "block", {"percent": n}) for n in (20, 21)]

    refused = rulers.propose(same, late, *twice)

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PARAMETER_TWICE
    assert [(error.line, error.reason) for error in refused.errors] == [
        (1, Reason.PARAMETER_SAME), (2, Reason.PARAMETER_LATE), (4, Reason.PARAMETER_TWICE),
    ]  # fmt: skip


def test_the_running_day_may_be_changed_until_its_opening_data_are_sent(rulers: Any) -> None:
    rulers.clock("2021-07-16T07:00:00")
    early = change("tick", "price", {"fen": 5}, FRIDAY)

    assert isinstance(rulers.propose(early), Answer)
    rulers.write(lambda c: parameters.freeze(c, date(2021, 7, 16)))
    assert reason(rulers.propose(early)) is Reason.PARAMETER_LATE


def test_a_proposal_that_was_overtaken_by_the_opening_data_is_not_carried_out(rulers: Any) -> None:
    proposed = rulers.propose(change("tick", "price", {"fen": 5}, FRIDAY))
    rulers.write(lambda c: parameters.freeze(c, date(2021, 7, 16)))

    assert reason(rulers.approve(proposed)) is Reason.PARAMETER_LATE


def test_a_proposal_that_was_overtaken_by_another_is_not_carried_out(rulers: Any) -> None:
    first, second = (rulers.propose(change("limit", "listed", {"percent": n}, MONDAY)) for n in (7, 8))

    assert isinstance(rulers.approve(second), Answer)
    assert reason(rulers.approve(first)) is Reason.PARAMETER_MOVED


def test_a_closure_of_a_day_to_come_is_decided_even_after_its_opening_data_were_sent(rulers: Any) -> None:
    friday_at_noon(rulers)
    rulers.write(lambda c: parameters.freeze(c, date(2021, 7, 19)))

    assert reason(rulers.propose(change("tick", "price", {"fen": 5}, MONDAY))) is Reason.PARAMETER_LATE
    rulers.set(change("calendar", MONDAY, {"open": False, "why": "typhoon"}, None))

    assert not rulers.read(lambda c: parameters.market_rules(c, date(2021, 7, 19))).is_trading_day


def test_a_plan_for_later_stays_when_something_is_decided_for_before_it(rulers: Any) -> None:
    rulers.set(change("limit", "listed", {"percent": 5}, "2021-08-02"))
    rulers.set(change("limit", "listed", {"percent": 8}, TUESDAY))

    percents = [
        rulers.read(lambda c, d=day: parameters.market_rules(c, d)).modes["listed"].percent
        for day in (date(2021, 7, 19), date(2021, 7, 20), date(2021, 8, 1), date(2021, 8, 2))
    ]
    assert percents == [10, 8, 8, 5]


def test_a_later_version_that_no_longer_fits_is_a_conflict_too(rulers: Any) -> None:
    """In August CEA-2021 trades; July may not take a tick that its base price is no multiple of."""
    rulers.set(change("product", "CEA-2021", {"open": True, "base_price_fen": 5801}, "2021-08-02"))

    assert reason(rulers.propose(change("tick", "price", {"fen": 5}, TUESDAY))) is Reason.PARAMETER_CONFLICT


def test_a_cap_is_what_was_decided_for_the_day(rulers: Any) -> None:
    rulers.set(change("cap", "CEA-2019", {"tonnes": 500}, MONDAY))
    rulers.set(change("cap", "CEA-2019", {"tonnes": None}, TUESDAY))

    caps = [rulers.read(lambda c, n=n: parameters.cap_of(c, Vintage(2019), date(2021, 7, n))) for n in (16, 19, 20)]
    assert caps == [None, 500, None]


def test_of_two_people_who_decide_the_same_parameter_at_once_one_comes_too_late(rulers: Any) -> None:
    tasks = [rulers.propose(change("limit", "listed", {"percent": n}, MONDAY)) for n in range(2, 8)]
    with ThreadPoolExecutor(len(tasks)) as threads:
        ends = [reason(end) for end in threads.map(rulers.approve, tasks)]

    assert sorted(ends, key=str) == sorted([None, *[Reason.PARAMETER_MOVED] * 5], key=str)
    assert rulers.read(lambda c: c.execute(VERSIONS).scalar_one()) == 4


def test_a_day_that_is_being_opened_keeps_decisions_waiting(rulers: Any) -> None:
    """Who opens the day has read its rules; a change of them that comes now is too late when that is committed."""
    proposed = rulers.propose(change("tick", "price", {"fen": 5}, FRIDAY))
    with ThreadPoolExecutor(1) as threads:

        def open_slowly(connection: Any) -> Any:
            parameters.hold(connection)
            decided = threads.submit(rulers.approve, proposed)
            assert not decided.done()
            parameters.freeze(connection, date(2021, 7, 16))
            return decided

        end = write(rulers.engine, open_slowly).result(timeout=30)

    assert reason(end) is Reason.PARAMETER_LATE


def test_history_tells_who_decided_what_and_what_holds(rulers: Any) -> None:
    rulers.set(change("limit", "listed", {"percent": 7}, MONDAY))
    rulers.clock("2021-07-19T08:00:00")

    page = rulers.read(lambda c: parameters.list_versions(c, kind="limit", day=None, after=("", "", 0), limit=2))
    rest = rulers.read(
        lambda c: parameters.list_versions(c, kind="limit", day=None, after=("limit", "listed", 1), limit=2)
    )

    assert page["next"] == "limit:listed:1"
    assert [(p["name"], p["version"], p["in_force"]) for p in page["parameters"] + rest["parameters"]] == [
        ("block", 1, True), ("listed", 1, False), ("listed", 2, True),
    ]  # fmt: skip
    newest = rest["parameters"][0]
    assert (newest["proposed_by"], newest["decided_by"], newest["effective_from"]) == ("ann", "bob", MONDAY)
    assert rest["next"] is None


def test_every_decision_is_in_the_audit_trail(rulers: Any) -> None:
    rulers.set(change("sector", "steel", STEEL))

    actions = rulers.read(lambda c: c.execute(AUDIT).all())
    assert [tuple(row) for row in actions][:2] == [("ann", "propose set_parameter"), ("bob", "set_parameter")]
