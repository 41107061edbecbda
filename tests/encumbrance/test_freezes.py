"""Judicial freezes: order of rank, units that are with the exchange or still to come, deduction with public notice."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.encumbrance import notices, reading
from core.ledger.rules import SURRENDERED
from core.refusals import Answer, Reason
from core.units import store as units


def listed(connection: Connection, office: Any, account: str) -> list[tuple[str, int, int]]:
    found = reading.of_account(connection, office.ann, account, after="", limit=100)
    return [(one["state"], one["held"], one["waiting"]) for one in found.body["encumbrances"]]


def test_a_freeze_is_held_at_once_and_frozen_on_approval(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        proposed = office.freeze(connection, firm, 40)
        assert held(connection, firm) == [{"available": 60, "locked": 40}]
        assert office.done(connection, proposed)["encumbrance"]["state"] == "ACTIVE"
        assert held(connection, firm) == [{"available": 60, "frozen": 40}]
        sound(connection)


@pytest.mark.parametrize("state", ["OPEN", "RESTRICTED", "SUSPENDED"])
def test_a_court_reaches_an_account_whatever_its_state(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any, put_into: Any, state: str
) -> None:
    with engine.begin() as connection:
        firm, creditor = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        put_into(connection, firm, state)
        number = office.registered(connection, office.freeze(connection, firm, 40))
        taken = office.done(connection, office.deduct(connection, number, creditor, 25))
        assert (taken["taken"], taken["state"], taken["left"], taken["notice"]) == (25, "PART", 15, 1)
        assert held(connection, firm, creditor) == [{"available": 60, "frozen": 15}, {"available": 25}]
        assert units.totals(connection) == {(firm, 2019): 75, (creditor, 2019): 25}
        sound(connection)


def test_a_deduction_leaves_a_public_notice_that_nobody_can_change(engine: Engine, market: Any, office: Any) -> None:
    with engine.begin() as connection:
        firm, creditor = market.open(connection, 2)
        market.allocate(connection, [(firm, 2_000)])
        number = office.registered(connection, office.freeze(connection, firm, 1_500, court="武汉市中级人民法院"))
        for _ in range(2):
            office.done(
                connection, office.deduct(connection, number, creditor, 1_200 if not _ else 300, document="执1号")
            )
        page = notices.page(connection, after=0, limit=1)
        assert ([notice["number"] for notice in page.body["notices"]], page.body["next"]) == ([2], "2")
        first = notices.get(connection, 1).body
        assert first["text"] == (
            "司法扣划公告（第1号）\n"
            f"2021年7月15日，根据武汉市中级人民法院执1号，已将登记账户{firm}的CEA-2019碳排放配额1,200吨"
            f"扣划至登记账户{creditor}。特此公告。\n"
        )
        assert first["facts"]["serials"] == [
            {"first": "CEA-2019-000000000001", "last": "CEA-2019-000000001200", "tonnes": 1_200}
        ]
        assert notices.get(connection, 3).reason == Reason.NOTICE_UNKNOWN
    with engine.connect() as connection, pytest.raises(Exception, match=r"permission denied|append-only"):
        connection.execute(text("UPDATE public_notice SET text = 'other'"))


def test_a_freeze_for_more_than_there_is_waits_for_the_rest_and_nobody_else_gets_it(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, giver = market.open(connection, 2)
        market.allocate(connection, [(firm, 100), (giver, 100)])
        office.registered(connection, office.freeze(connection, firm, 130))
        assert listed(connection, office, firm) == [("ACTIVE", 100, 30)]
        assert isinstance(market.transfer(connection, giver, firm, 50), Answer)
        assert office.pledge(connection, firm, 21).reason == Reason.INSUFFICIENT_UNITS
        assert isinstance(office.pledge(connection, firm, 20), Answer)
        assert (office.keep(connection), office.keep(connection)) == (1, 0)
        assert listed(connection, office, firm)[0] == ("ACTIVE", 130, 0)
        assert held(connection, firm) == [{"frozen": 130, "locked": 20}]
        sound(connection)


def test_later_freezes_wait_behind_earlier_ones_and_get_what_these_let_go_by_rank(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    """轮候冻结: the order of the freezes is kept."""
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        first = office.registered(connection, office.freeze(connection, firm, 80, document="F-1"))
        second = office.registered(connection, office.freeze(connection, firm, 50, document="F-2"))
        third = office.registered(connection, office.freeze(connection, firm, 30, document="F-3"))
        assert listed(connection, office, firm) == [("ACTIVE", 80, 0), ("ACTIVE", 20, 30), ("WAITING", 0, 30)]

        office.done(connection, office.release(connection, first, 45))
        assert listed(connection, office, firm) == [("PART", 35, 0), ("ACTIVE", 50, 0), ("ACTIVE", 15, 15)]
        office.done(connection, office.release(connection, second))
        assert listed(connection, office, firm) == [("PART", 35, 0), ("RELEASED", 0, 0), ("ACTIVE", 30, 0)]
        assert held(connection, firm) == [{"available": 35, "frozen": 65}]
        office.done(connection, office.release(connection, third))
        sound(connection)


def test_a_part_that_is_unfrozen_is_first_what_was_only_waited_for(engine: Engine, market: Any, office: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 60)])
        number = office.registered(connection, office.freeze(connection, firm, 100))
        office.done(connection, office.release(connection, number, 30))
        assert listed(connection, office, firm) == [("PART", 60, 10)]
        office.done(connection, office.release(connection, number, 30))
        assert listed(connection, office, firm) == [("PART", 40, 0)]


def test_a_freeze_ranks_behind_a_pledge_and_has_what_the_creditor_releases(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        pledge = office.registered(connection, office.pledge(connection, firm, 100))
        office.registered(connection, office.freeze(connection, firm, 70))
        office.done(connection, office.release(connection, pledge, 50))
        assert held(connection, firm) == [{"pledged": 50, "frozen": 50}]
        sound(connection)


@pytest.mark.parametrize("state", ["TRADING", "CLOSED", "SEALED", "CLEARED", "EXCHANGE_CONFIRMED", "BANK_CONFIRMED"])
def test_what_is_with_the_exchange_is_frozen_once_it_is_back(
    engine: Engine, market: Any, office: Any, held: Any, day: Any, sound: Any, state: str
) -> None:
    """Sold or not, nobody knows before delivery: the freeze takes then what is left, and the exchange is told now."""
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        day(connection, firm, state)
        number = office.registered(connection, office.freeze(connection, firm, 70))
        assert listed(connection, office, firm) == [("WAITING", 0, 70)]
        assert office.keep(connection) == 0, "the exchange still has it"
        day(connection, firm, "DELIVERED")
        assert office.keep(connection) == 1
        assert held(connection, firm) == [{"available": 30, "frozen": 70}]
        assert number == "ENC-00000001"
        sound(connection)


def test_what_is_released_while_the_exchange_trades_goes_to_the_freeze_that_waits(
    engine: Engine, market: Any, office: Any, held: Any, day: Any
) -> None:
    """It was pledged when the opening data was built, so the exchange never had it."""
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        pledge = office.registered(connection, office.pledge(connection, firm, 40))
        day(connection, firm, "TRADING", amount=60)
        office.registered(connection, office.freeze(connection, firm, 70))
        office.done(connection, office.release(connection, pledge))
        assert held(connection, firm) == [{"available": 60, "frozen": 40}]


def test_a_freeze_ends_with_its_term_and_gives_way_to_the_next(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        office.registered(connection, office.freeze(connection, firm, 100, to_day="2021-07-20"))
        office.registered(connection, office.freeze(connection, firm, 60, document="F-2"))
        connection.execute(text("UPDATE business_clock SET now = '2021-07-20 23:00+08'"))
        assert office.keep(connection) == 0
        connection.execute(text("UPDATE business_clock SET now = '2021-07-21 00:00+08'"))
        assert office.keep(connection) == 1
        assert listed(connection, office, firm) == [("RELEASED", 0, 0), ("ACTIVE", 60, 0)]
        assert held(connection, firm) == [{"available": 40, "frozen": 60}]
        sound(connection)


def test_a_freeze_is_refused_for_the_first_reason_there_is(
    engine: Engine, market: Any, office: Any, held: Any, put_into: Any
) -> None:
    with engine.begin() as connection:
        firm, closed = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        put_into(connection, closed, "CLOSED")
        office.registered(connection, office.freeze(connection, firm, 1, document="used"))
        for body, reason in [
            ({"court": "", "account": "E42-00000009-11"}, Reason.MALFORMED),
            ({"asset": None}, Reason.MALFORMED),
            ({"document": None}, Reason.MALFORMED),
            ({"to_day": "2021-07-14"}, Reason.MALFORMED),
            ({"everything": "some"}, Reason.MALFORMED),
            ({"account": "E42-00000009-11", "amount": 0}, Reason.SOURCE_UNKNOWN),
            ({"account": closed, "amount": 0}, Reason.SOURCE_NOT_OPEN),
            ({"document": "used", "amount": 0}, Reason.DOCUMENT_USED),
            ({"account": SURRENDERED, "amount": 0}, Reason.ACCOUNT_KIND),
            ({"amount": 0, "asset": "CEA-2020"}, Reason.QUANTITY_INVALID),
            ({"asset": "CEA-2020"}, Reason.PRODUCT_UNKNOWN),
        ]:
            assert office.freeze(connection, **{"account": firm, **body}).reason == reason, body
        assert held(connection, firm) == [{"available": 99, "frozen": 1}]
