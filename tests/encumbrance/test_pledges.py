"""Pledges through their service: held on proposal, pledged on approval, released or realised by documents."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from core.encumbrance import reading
from core.ledger.rules import SURRENDERED
from core.outbox import store as outbox
from core.quantities import SerialRange, Vintage
from core.refusals import Answer, Reason
from core.units import store as units


def test_a_pledge_is_held_on_proposal_and_in_force_on_approval(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        proposed = office.pledge(connection, firm, 40, reference="Loan 7", to_day="2030-01-01")
        assert (proposed.status, proposed.body["kind"]) == (202, "pledge")
        assert held(connection, firm) == [{"available": 60, "locked": 40}]

        registered = office.done(connection, proposed)["encumbrance"]
        assert held(connection, firm) == [{"available": 60, "pledged": 40}]
        assert registered == {
            "number": "ENC-00000001", "kind": "PLEDGE", "account": firm, "asset": "CEA-2019", "amount": 40,
            "everything": None, "creditor": "A bank", "creditor_account": None, "document": "P-1",
            "reference": "Loan 7", "from_day": "2021-07-15", "to_day": "2030-01-01", "state": "ACTIVE", "held": 40,
            "waiting": 0, "released": 0, "taken": 0,
        }  # fmt: skip
        assert units.totals(connection) == {(firm, 2019): 100}
        sound(connection)


def test_a_rejected_pledge_gives_back_what_it_held(engine: Engine, market: Any, office: Any, held: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        rejected = office.reject(connection, office.pledge(connection, firm, 40))
        assert rejected.body["outcome"]["encumbrance"]["state"] == "REJECTED"
        assert held(connection, firm) == [{"available": 100}]
        assert isinstance(office.pledge(connection, firm, 40), Answer), "its document may be brought again"


def test_several_pledges_lie_on_one_account_and_are_released_in_parts(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        first = office.registered(connection, office.pledge(connection, firm, 40))
        second = office.registered(connection, office.pledge(connection, firm, 50, document="P-2"))
        assert held(connection, firm) == [{"available": 10, "pledged": 90}]

        part = office.done(connection, office.release(connection, second, 20))
        assert part == {"encumbrance": second, "released": 20, "state": "PART", "left": 30}
        assert held(connection, firm) == [{"available": 30, "pledged": 70}]
        whole = office.done(connection, office.release(connection, first))
        assert (whole["released"], whole["state"], whole["left"]) == (40, "RELEASED", 0)
        assert held(connection, firm) == [{"available": 70, "pledged": 30}]

        listed = reading.of_account(connection, office.ann, firm, after="", limit=1)
        assert [one["number"] for one in listed.body["encumbrances"]] == [first]
        rest = reading.of_account(connection, office.ann, firm, after=listed.body["next"], limit=1)
        assert ([one["state"] for one in rest.body["encumbrances"]], rest.body["next"]) == (["PART"], None)
        told = reading.get(connection, office.ann, second).body["events"]
        assert [(event["action"], event["amount"]) for event in told] == [
            ("PROPOSED", 50), ("REGISTERED", 50), ("RELEASED", 20),
        ]  # fmt: skip
        sound(connection)


def test_a_pledge_is_realised_to_the_creditor_in_both_accountings(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, creditor = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        number = office.registered(connection, office.pledge(connection, firm, 40, creditor_account=creditor))
        outcome = office.done(connection, office.realise(connection, number, creditor, 30))
        assert outcome == {
            "encumbrance": number, "taken": 30, "to_account": creditor, "state": "PART", "left": 10,
            "serials": [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000000030", "tonnes": 30}],
        }  # fmt: skip
        assert held(connection, firm, creditor) == [{"available": 60, "pledged": 10}, {"available": 30}]
        assert units.holdings(connection, creditor) == [SerialRange(Vintage(2019), 1, 30)]
        assert office.done(connection, office.realise(connection, number, creditor, 10))["state"] == "REALISED"
        sound(connection)


def test_an_instruction_to_sell_lets_a_pledge_go_to_somebody_else(engine: Engine, market: Any, office: Any) -> None:
    with engine.begin() as connection:
        firm, creditor, buyer = market.open(connection, 3)
        market.allocate(connection, [(firm, 100)])
        number = office.registered(connection, office.pledge(connection, firm, 40, creditor_account=creditor))
        assert office.realise(connection, number, buyer, 40).reason == Reason.CREDITOR_OTHER
        sold = office.done(connection, office.realise(connection, number, buyer, 40, instruction="Sale 3 of the bank"))
        assert (sold["to_account"], sold["state"]) == (buyer, "REALISED")


def test_cash_is_pledged_and_realised_and_the_banks_are_told(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, creditor = market.open(connection, 2)
        market.deposit(connection, firm, 1_000)
        proposed = office.pledge(connection, firm, 700, asset="CNY", creditor_account=creditor)
        number = office.registered(connection, proposed)
        assert office.done(connection, office.realise(connection, number, creditor, 500))["serials"] == []
        assert held(connection, firm, creditor, asset="CNY") == [{"available": 300, "pledged": 200}, {"available": 500}]
        [message] = outbox.waiting(connection, "cash_move")
        movements = [[firm, -500], [creditor, 500]]
        said = {name: message.payload[name] for name in ("bank", "attempt", "movements")}
        assert said == {"bank": "B001", "attempt": 1, "movements": sorted(movements)}
        sound(connection)


def test_what_is_pledged_is_neither_moved_nor_surrendered_nor_pledged_again(
    engine: Engine, market: Any, office: Any
) -> None:
    with engine.begin() as connection:
        firm, other = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        office.registered(connection, office.pledge(connection, firm, 90))
        assert market.transfer(connection, firm, other, 11).reason == Reason.INSUFFICIENT_UNITS
        assert office.pledge(connection, firm, 11, document="P-2").reason == Reason.INSUFFICIENT_UNITS


def test_a_pledge_is_refused_for_the_first_reason_there_is(
    engine: Engine, market: Any, office: Any, held: Any, day: Any, put_into: Any
) -> None:
    """Each row breaks one more rule than the row below it; the topmost reason wins."""
    with engine.begin() as connection:
        firm, closed, trading = market.open(connection, 3)
        market.allocate(connection, [(firm, 100), (trading, 100)])
        put_into(connection, closed, "SUSPENDED")
        office.registered(connection, office.pledge(connection, firm, 1, document="used"))
        wrong = {"amount": 0, "asset": "CEA-2020"}
        for body, reason in [
            ({"creditor": "", "account": "E42-00000009-11"}, Reason.MALFORMED),
            ({"document": 5}, Reason.MALFORMED),
            ({"creditor_account": 5}, Reason.MALFORMED),
            ({"to_day": "tomorrow"}, Reason.MALFORMED),
            ({"to_day": "2021-07-14"}, Reason.MALFORMED),
            ({"from_day": "2021-08-01", "to_day": "2021-07-31"}, Reason.MALFORMED),
            ({"account": "E42-00000009-11", "creditor_account": closed} | wrong, Reason.SOURCE_UNKNOWN),
            ({"account": closed, "creditor_account": closed} | wrong, Reason.SOURCE_NOT_OPEN),
            ({"document": "used", "creditor_account": "E42-00000009-11", "amount": 0}, Reason.DOCUMENT_USED),
            ({"creditor_account": "E42-00000009-11"} | wrong, Reason.TARGET_UNKNOWN),
            ({"creditor_account": closed} | wrong, Reason.TARGET_NOT_OPEN),
            ({"creditor_account": firm} | wrong, Reason.TARGET_IS_SOURCE),
            ({"creditor_account": SURRENDERED} | wrong, Reason.ACCOUNT_KIND),
            ({"account": SURRENDERED} | wrong, Reason.ACCOUNT_KIND),
            (wrong, Reason.QUANTITY_INVALID),
            ({"asset": "CEA-2020", "amount": 500}, Reason.PRODUCT_UNKNOWN),
            ({"amount": 100}, Reason.INSUFFICIENT_UNITS),
            ({"asset": "CNY", "amount": 1}, Reason.INSUFFICIENT_CASH),
            *(({"amount": n}, Reason.QUANTITY_INVALID) for n in (0, -1, True, 1.5, "4", None, 2**63, 10**300)),
        ]:
            assert office.pledge(connection, **{"account": firm, **body}).reason == reason, body
        day(connection, trading, "TRADING")
        assert office.pledge(connection, trading, 0).reason == Reason.SOURCE_WITH_EXCHANGE
        assert held(connection, firm) == [{"available": 99, "pledged": 1}]


@pytest.mark.parametrize("ways", ["release", "realise", "deduct"])
def test_an_ending_is_refused_for_the_first_reason_there_is(
    engine: Engine, market: Any, office: Any, put_into: Any, ways: str
) -> None:
    with engine.begin() as connection:
        firm, creditor, closed = market.open(connection, 3)
        market.allocate(connection, [(firm, 100)])
        put_into(connection, closed, "CLOSED")
        pledge = office.registered(connection, office.pledge(connection, firm, 40, creditor_account=creditor))
        freeze = office.registered(connection, office.freeze(connection, firm, 40))
        waiting = office.freeze(connection, firm, 40, document="F-2").body["encumbrance"]["number"]
        for number in (None, 5, "", "ENC-", "ENC-00000099", "ENC-000000000000000000000001", "ENC-0000000１"):
            for call in (office.release(connection, number), office.deduct(connection, number, creditor, 1)):
                assert call.reason == Reason.ENCUMBRANCE_UNKNOWN
        if ways == "release":
            assert office.release(connection, "x", document="").reason == Reason.MALFORMED
            assert office.release(connection, waiting).reason == Reason.ENCUMBRANCE_NOT_IN_FORCE
            for amount in (0, -1, True, 1.5, "4", 2**63):
                assert office.release(connection, pledge, amount).reason == Reason.QUANTITY_INVALID
            assert office.release(connection, pledge, 41).reason == Reason.ENCUMBRANCE_EXCEEDED
            return
        call, number, other = (office.realise, pledge, freeze) if ways == "realise" else (office.deduct, freeze, pledge)
        for to, amount, more, reason in [
            ("", 0, {}, Reason.MALFORMED),
            (creditor, 0, {"instruction": 5}, Reason.MALFORMED),
            ("E42-00000009-11", 0, {"asset": "CEA-2019"}, Reason.TARGET_UNKNOWN),
            (closed, 0, {"asset": "CEA-2019"}, Reason.TARGET_NOT_OPEN),
            (firm, 0, {"asset": "CEA-2019"}, Reason.TARGET_IS_SOURCE),
            (SURRENDERED, 0, {"asset": "CEA-2019"}, Reason.ACCOUNT_KIND),
            *(
                (creditor, n, {"asset": "CEA-2019"}, Reason.QUANTITY_INVALID)
                for n in (0, -1, True, 1.5, "4", None, 2**63)
            ),
            (creditor, 41, {"asset": "CEA-2019"}, Reason.PRODUCT_UNKNOWN),
            (creditor, 41, {}, Reason.ENCUMBRANCE_EXCEEDED),
        ]:
            assert call(connection, number, to, amount, **more).reason == reason, (to, amount)
        assert call(connection, other, creditor, 1).reason == Reason.ENCUMBRANCE_KIND
        office.done(connection, office.release(connection, number))
        assert call(connection, number, creditor, 1).reason == Reason.ENCUMBRANCE_NOT_IN_FORCE
