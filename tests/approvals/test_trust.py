"""The list, the limits, and free transfers by two people, on a real database."""

from __future__ import annotations

from typing import Any

import pytest

from core.callers import Caller
from core.refusals import Answer, Reason, Refused
from core.transfers import proposals
from core.trust import service as trust
from core.units import store as units

ANN = Caller("ann", frozenset({"maker", "checker"}))
BOB = Caller("bob", frozenset({"maker", "checker"}))


def reason_of(ended: Answer | Refused) -> Reason | None:
    return ended.reason if isinstance(ended, Refused) else None


def add(office: Any, account: object, trusted: object, by: Caller = ANN) -> Any:
    return office.write(lambda c: trust.propose_addition(c, by, {"account": account, "trusted": trusted}))


def added(office: Any, account: str, trusted: str) -> Any:
    return office.approve(add(office, account, trusted).body["id"])


def limit(office: Any, account: object, by: Caller = ANN, **limits: Any) -> Any:
    return office.write(lambda c: trust.propose_control(c, by, {"account": account, **limits}))


def remove(office: Any, account: str, trusted: str, by: Caller = ANN) -> Any:
    return office.write(lambda c: trust.remove(c, by, {"account": account, "trusted": trusted}))


def show(office: Any, account: str, by: Caller = ANN, after: str = "") -> Any:
    return office.read(lambda c: trust.show(c, by, account, after=after, limit=2))


def move(office: Any, giver: object, taker: object, amount: object = 10, by: Caller = ANN, **more: Any) -> Any:
    body = {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": amount} | more
    return office.write(lambda c: proposals.propose(c, by, body, free_transfers=True))


def held(office: Any, account: str) -> int:
    return sum(block.tonnes for block in office.read(lambda c: units.holdings(c, account)))


def test_a_trusted_account_counts_from_the_fourth_working_day(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()

    done = added(office, giver, taker)
    assert done.body["effective_at"] == "2021-07-21T12:00:00+08:00"
    assert show(office, giver).body["trusted"] == [{"account": taker, "effective_at": "2021-07-21T12:00:00+08:00"}]
    assert move(office, giver, taker).body["approval"]["not_before"] == "2021-07-16T12:00:00+08:00"
    office.clock("2021-07-21T12:00:00")
    assert move(office, giver, taker).body["approval"]["not_before"] is None


def test_an_account_is_taken_off_the_list_at_once(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()
    added(office, giver, taker)
    office.clock("2021-07-21T12:00:00")
    on_its_way = move(office, giver, taker).body["id"]

    assert remove(office, giver, taker).body["removed_at"] == "2021-07-21T12:00:00+08:00"
    assert reason_of(remove(office, giver, taker)) == Reason.NOT_TRUSTED
    assert show(office, giver).body["trusted"] == []
    assert reason_of(office.approve(on_its_way)) == Reason.TARGET_NOT_TRUSTED
    assert move(office, giver, taker).body["approval"]["not_before"] == "2021-07-23T12:00:00+08:00"
    assert isinstance(added(office, giver, taker), Answer)


@pytest.mark.parametrize("who", ["auditor", "authority_maker", "checker"])
def test_only_the_account_and_the_registry_change_the_list(office: Any, who: str) -> None:
    giver, taker = office.account(), office.account()
    caller = Caller("x", frozenset({who}))

    assert reason_of(add(office, giver, taker, caller)) == Reason.NOT_PERMITTED
    assert reason_of(limit(office, giver, caller)) == Reason.NOT_PERMITTED
    assert reason_of(remove(office, giver, taker, caller)) == Reason.NOT_PERMITTED


def test_people_of_the_account_change_its_list_between_them(office: Any) -> None:
    giver, taker = office.account(tonnes=5), office.account()
    maker, checker = office.holder("maker", giver), office.holder("checker", giver)

    assert reason_of(add(office, taker, giver, maker)) == Reason.NOT_PERMITTED
    task = add(office, giver, taker, maker).body["id"]
    assert office.approve(task, checker).body["state"] == "APPROVED"
    assert len(show(office, giver, checker).body["trusted"]) == 1
    assert reason_of(show(office, taker, checker)) == Reason.ACCOUNT_UNKNOWN
    moved = move(office, giver, taker, 5, maker).body["id"]
    assert office.approve(moved, checker).body["state"] == "DELAYED"


@pytest.mark.parametrize(
    ("account", "trusted", "expected"),
    [
        (None, None, Reason.MALFORMED),
        ("E42-99999999-99", None, Reason.MALFORMED),
        ("E42-99999999-99", "E42-99999998-99", Reason.ACCOUNT_UNKNOWN),
        ("S00-00000001-53", "E42-99999998-99", Reason.ACCOUNT_UNKNOWN),
        ("own", "E42-99999998-99", Reason.TARGET_UNKNOWN),
        ("own", "own", Reason.TARGET_IS_SOURCE),
        ("own", "S00-00000003-47", Reason.ACCOUNT_KIND),
        ("own", "listed", Reason.TRUSTED_ALREADY),
    ],
)
def test_the_first_reason_against_an_entry_is_the_one_reported(
    office: Any, account: str, trusted: str, expected: Reason
) -> None:
    names = {"own": office.account(), "listed": office.account()}
    added(office, names["own"], names["listed"])

    assert reason_of(add(office, names.get(account, account), names.get(trusted, trusted))) == expected


def test_of_two_proposals_for_one_entry_the_second_is_refused(office: Any) -> None:
    giver, taker = office.account(), office.account()
    one, two = (add(office, giver, taker).body["id"] for _ in range(2))

    assert isinstance(office.approve(one), Answer)
    assert reason_of(office.approve(two)) == Reason.TRUSTED_ALREADY


def test_limits_are_changed_by_two_people_and_bind_at_once(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()
    task = limit(office, giver, tonnes_max=20, trusted_only=True).body["id"]
    assert isinstance(move(office, giver, taker, 21), Answer)
    assert reason_of(office.approve(task, ANN)) == Reason.SAME_PERSON
    before = move(office, giver, taker, 20).body["id"]
    office.approve(before)
    assert isinstance(office.approve(task), Answer)

    assert show(office, giver).body["limits"] == {"tonnes_max": 20, "fen_max": None, "trusted_only": True}
    assert reason_of(move(office, giver, taker, 21)) == Reason.OVER_OWN_LIMIT
    assert reason_of(move(office, giver, taker, 20)) == Reason.TARGET_NOT_TRUSTED
    office.clock("2021-07-16T12:00:00")
    assert office.settle() == ["TERMINATED"]
    assert office.task(before)["outcome"]["code"] == Reason.TARGET_NOT_TRUSTED.code
    assert isinstance(office.approve(limit(office, giver).body["id"]), Answer)
    assert isinstance(move(office, giver, taker, 100), Answer)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"tonnes_max": 0}, Reason.QUANTITY_INVALID),
        ({"fen_max": -1}, Reason.QUANTITY_INVALID),
        ({"fen_max": 2**63}, Reason.QUANTITY_INVALID),
        ({"tonnes_max": 1.5}, Reason.QUANTITY_INVALID),
        ({"tonnes_max": True}, Reason.QUANTITY_INVALID),
        ({"trusted_only": "yes"}, Reason.MALFORMED),
    ],
)
def test_a_limit_is_a_whole_number(office: Any, limits: dict[str, Any], expected: Reason) -> None:
    assert reason_of(limit(office, office.account(), **limits)) == expected


def test_a_transfer_by_two_people_moves_both_accountings_when_it_is_due(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()
    task = move(office, giver, taker, 30).body["id"]

    assert office.approve(task).body["state"] == "DELAYED"
    assert held(office, taker) == 0
    office.clock("2021-07-16T12:00:00")
    assert office.settle() == ["APPROVED"]

    assert (held(office, giver), held(office, taker)) == (70, 30)
    assert office.task(task)["transfer"]["amount"] == 30


def test_a_transfer_to_a_trusted_account_is_carried_out_on_approval(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()
    added(office, giver, taker)
    office.clock("2021-07-21T12:00:00")

    assert office.approve(move(office, giver, taker, 30).body["id"]).body["state"] == "APPROVED"
    assert held(office, taker) == 30


def test_what_was_spent_meanwhile_ends_the_transfer_with_its_code(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()
    first, second = (move(office, giver, taker, 70).body["id"] for _ in range(2))
    office.approve(first)
    office.approve(second)
    office.clock("2021-07-16T12:00:00")

    assert sorted(office.settle()) == ["APPROVED", "TERMINATED"]
    assert held(office, taker) == 70


def test_a_transfer_that_could_not_be_booked_is_not_even_proposed(office: Any) -> None:
    giver, taker = office.account(tonnes=100), office.account()
    assert reason_of(move(office, giver, taker, 101)) == Reason.INSUFFICIENT_UNITS
    assert reason_of(move(office, giver, giver)) == Reason.TARGET_IS_SOURCE
    assert reason_of(move(office, None, taker)) == Reason.MALFORMED
    closed = {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": 1}
    refused = office.write(lambda c: proposals.propose(c, ANN, closed, free_transfers=False))
    assert reason_of(refused) == Reason.TRANSFER_CLOSED


def test_the_list_is_read_in_pages(office: Any) -> None:
    giver, others = office.account(), sorted(office.account() for _ in range(3))
    for other in others:
        added(office, giver, other)

    first = show(office, giver).body
    rest = show(office, giver, after=first["next"]).body
    assert [entry["account"] for entry in first["trusted"] + rest["trusted"]] == others
    assert reason_of(show(office, "E42-99999999-99")) == Reason.NUMBER_INVALID
