"""Inheritance, merger and split: everything that is stated moves in both accountings, or nothing does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts import store as accounts
from core.callers import Caller
from core.encumbrance import reading
from core.ledger.rules import CANCELLED
from core.outbox import store as outbox
from core.ownership import successions
from core.refusals import Answer, Reason
from core.units import store as units


def parts(*said: tuple[str, int], asset: str = "CEA-2019") -> list[dict[str, Any]]:
    return [{"account": account, "holdings": [{"asset": asset, "amount": amount}]} for account, amount in said]


def state(connection: Connection, number: str) -> str:
    return accounts.find(connection, [number])[number].state


def test_a_merger_moves_everything_as_it_is_held_and_closes_the_account(
    engine: Engine, market: Any, notary: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        market.allocate(connection, [(firm, 100), (into, 10)])
        market.allocate(connection, [(firm, 7)], plan="second", product="CEA-2020")
        market.deposit(connection, firm, 500)
        first = notary.encumber(connection, "pledge", firm, 30)
        other = notary.encumber(connection, "freeze", into, 10)
        second = notary.encumber(connection, "freeze", firm, 90)
        outcome = notary.done(connection, notary.succeed(connection, "merger", firm, into_account=into))["succession"]
        assert outcome["number"] == "SUC-00000001"
        assert held(connection, firm, into) == [{}, {"pledged": 30, "frozen": 80}]
        assert held(connection, into, asset="CEA-2020") == [{"available": 7}]
        assert held(connection, into, asset="CNY") == [{"available": 500}]
        assert units.totals(connection) == {(into, 2019): 110, (into, 2020): 7}
        ranks = reading.of_account(connection, notary.ann, into, after="", limit=9).body["encumbrances"]
        assert [(one["number"], one["held"], one["waiting"]) for one in ranks] == [
            (first, 30, 0), (other, 10, 0), (second, 70, 20),
        ], "ranks go along"  # fmt: skip
        assert state(connection, firm) == "CLOSED"
        [message] = outbox.waiting(connection, "cash_move")
        assert sorted(message.payload["movements"]) == sorted([[firm, -500], [into, 500]])
        assert successions.get(connection, notary.ann, "SUC-00000001").body["closed"] is True
        for number in ("SUC-00000002", "x", "SUC-1", "SUC-" + 30 * "9"):
            assert successions.get(connection, notary.ann, number).reason == Reason.SUCCESSION_UNKNOWN
        sound(connection)


def test_what_stands_in_opening_data_is_stopped_first_and_closed_once_the_exchange_has_nothing(
    engine: Engine, market: Any, notary: Any
) -> None:
    worker = Caller("settle@test", frozenset())
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        for statement in (
            "INSERT INTO market_day VALUES ('2021-07-16', 'OPENING_ACKED', 0, 0, NULL, '[]')",
            "INSERT INTO opening VALUES ('2021-07-16', 1, 1, decode(repeat('00', 32), 'hex'))",
            "INSERT INTO opening_position VALUES ('2021-07-16', 1, :account, 'CEA-2019', 100)",
        ):
            connection.execute(text(statement), {"account": firm})
        notary.done(connection, notary.succeed(connection, "merger", firm, into_account=into))
        assert state(connection, firm) != "CLOSED"
        assert successions.closings(connection) == []
        connection.execute(text("UPDATE market_day SET state = 'REPORTED'"))
        connection.execute(
            text("UPDATE account SET pending_state = NULL, state = 'SUSPENDED' WHERE number = :n"), {"n": firm}
        )
        assert successions.closings(connection) == [firm]
        assert successions.close(connection, worker, firm) is True
        assert (state(connection, firm), successions.closings(connection)) == ("CLOSED", [])
        assert successions.close(connection, worker, firm) is False


def test_a_split_gives_what_is_stated_and_leaves_the_rest(
    engine: Engine, market: Any, notary: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, left, right = market.open(connection, 3)
        market.allocate(connection, [(firm, 100)])
        pledge = notary.encumber(connection, "pledge", firm, 20)
        asked = parts((left, 30), (right, 15))
        asked[1]["encumbrances"] = [pledge]
        outcome = notary.done(connection, notary.succeed(connection, "split", firm, parts=asked))["succession"]
        assert held(connection, firm, left, right) == [
            {"available": 35},
            {"available": 30},
            {"available": 15, "pledged": 20},
        ]
        assert state(connection, firm) == "OPEN"
        assert outcome["serials"] == [
            {
                "to_account": left,
                "asset": "CEA-2019",
                "serials": [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000000030", "tonnes": 30}],
            },
            {
                "to_account": right,
                "asset": "CEA-2019",
                "serials": [{"first": "CEA-2019-000000000031", "last": "CEA-2019-000000000065", "tonnes": 35}],
            },
        ]
        sound(connection)


def test_heirs_get_what_is_stated_and_nothing_is_left(
    engine: Engine, market: Any, notary: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        dead, son, daughter = market.open(connection, 3, kind="P")
        market.allocate(connection, [(firm, 100)])
        market.transfer(connection, firm, dead, 9)
        assert notary.succeed(connection, "inheritance", dead, parts=parts((son, 4))).reason == Reason.NOT_DIVIDED
        notary.done(connection, notary.succeed(connection, "inheritance", dead, parts=parts((son, 4), (daughter, 5))))
        assert held(connection, dead, son, daughter) == [{}, {"available": 4}, {"available": 5}]
        assert state(connection, dead) == "CLOSED"
        sound(connection)


def test_two_of_the_provinces_authority_decide_and_nobody_else(engine: Engine, market: Any, notary: Any) -> None:
    stranger = Caller("eve", frozenset({"authority_checker"}), "31")
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        proposed = notary.succeed(connection, "merger", firm, into_account=into)
        assert notary.approve(connection, proposed, notary.bob).reason == Reason.NOT_PERMITTED
        assert notary.approve(connection, proposed, stranger).reason in {Reason.NOT_PERMITTED, Reason.TASK_UNKNOWN}
        assert notary.approve(connection, proposed, notary.cai).body["state"] == "AWAITING_APPROVAL"
        assert notary.approve(connection, proposed, notary.cai).reason == Reason.SAME_REVIEWER
        assert notary.approve(connection, proposed, notary.dan).body["state"] == "APPROVED"


def test_what_is_on_a_desk_keeps_an_account_from_ending(engine: Engine, market: Any, notary: Any) -> None:
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        cancelling = notary.cancel(connection, firm, 1)
        assert notary.succeed(connection, "merger", firm, into_account=into).reason == Reason.ACCOUNT_BUSY
        assert isinstance(notary.succeed(connection, "split", firm, parts=parts((into, 9))), Answer)
        notary.reject(connection, cancelling)
        assert notary.succeed(connection, "merger", firm, into_account=into).reason == Reason.ACCOUNT_BUSY, "the split"


def test_a_decision_that_came_too_late_changes_nothing(
    engine: Engine, market: Any, notary: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        proposed = notary.succeed(connection, "split", firm, parts=parts((into, 90)))
        notary.approve(connection, proposed, notary.cai)
        notary.encumber(connection, "freeze", firm, 20)
        assert notary.approve(connection, proposed, notary.dan).reason == Reason.INSUFFICIENT_UNITS
        assert held(connection, firm, into) == [{"available": 80, "frozen": 20}, {}]
        sound(connection)


@pytest.mark.parametrize("kind", ["merger", "split", "inheritance"])
def test_a_succession_is_refused_for_the_first_reason_there_is(
    engine: Engine, market: Any, notary: Any, kind: str
) -> None:
    """Each row breaks one more rule than the rows below it."""
    with engine.begin() as connection:
        persons = market.open(connection, 3, kind="P")
        firms = market.open(connection, 3)
        [donor] = market.open(connection, 1)
        mine, strange = (persons, firms) if kind == "inheritance" else (firms, persons)
        giver, taker, closed = mine
        market.allocate(connection, [(donor, 100)])
        market.transfer(connection, donor, giver, 10)
        connection.execute(text("UPDATE account SET state = 'SUSPENDED' WHERE number = :n"), {"n": closed})

        def ask(account: Any, to: Any, amount: Any = 10, asset: Any = "CEA-2019", **more: Any) -> Any:
            if kind == "merger":
                return notary.succeed(connection, kind, account, into_account=to, **more)
            holdings = [{"asset": asset, "amount": amount}]
            part = {"account": to, "holdings": holdings} | more.pop("part", {})
            return notary.succeed(connection, kind, account, parts=[part], **more)

        for answer, reason in [
            (ask(5, "E42-00000009-11"), Reason.MALFORMED),
            (ask("E42-00000009-11", 5), Reason.MALFORMED),
            (ask("E42-00000009-11", taker, document=" "), Reason.MALFORMED),
            (ask("E42-00000009-11", closed, 0), Reason.SOURCE_UNKNOWN),
            (ask(closed, closed, 0), Reason.SOURCE_NOT_OPEN),
            (ask(giver, "E42-00000009-11", 0), Reason.TARGET_UNKNOWN),
            (ask(giver, closed, 0), Reason.TARGET_NOT_OPEN),
            (ask(giver, giver, 0), Reason.TARGET_IS_SOURCE),
            (ask(giver, CANCELLED, 0), Reason.ACCOUNT_KIND),
            (ask(giver, strange[0], 0), Reason.SUCCESSOR_KIND),
        ]:
            assert answer.reason == reason
        if kind == "merger":
            assert ask(giver, taker, parts=parts((taker, 1))).reason == Reason.MALFORMED
            return
        for wrong in (
            {"parts": []}, {"parts": "all"}, {"parts": [5]}, {"parts": [{"account": taker}]},
            {"parts": parts((taker, 1), (taker, 2))}, {"parts": parts((taker, 1), asset="CO2")},
            {"parts": [{"account": taker, "holdings": [5]}]},
            {"parts": [{"account": taker, "encumbrances": ["ENC-1"]}]},
            {"parts": [{"account": taker, "encumbrances": ["ENC-00000001", "ENC-00000001"]}]},
            {"parts": [{"account": taker, "encumbrances": [5]}]},
            {"parts": [{"account": taker, "holdings": 2 * [{"asset": "CNY", "amount": 1}]}]},
            {"parts": parts((taker, 1)), "closes": "yes"}, {"parts": parts((taker, 1)), "into_account": taker},
        ):  # fmt: skip
            assert notary.succeed(connection, kind, giver, **wrong).reason == Reason.MALFORMED, wrong
        for quantity in (0, -1, True, 1.5, "4", None, 2**63, 10**300):
            assert ask(giver, taker, quantity).reason == Reason.QUANTITY_INVALID
        assert ask(giver, taker, 11).reason == Reason.INSUFFICIENT_UNITS
        assert ask(giver, taker, 1, "CNY").reason == Reason.INSUFFICIENT_CASH
        assert ask(giver, taker, part={"encumbrances": ["ENC-00000009"]}).reason == Reason.NOT_DIVIDED
        assert ask(giver, taker, 9, closes=True).reason == Reason.NOT_DIVIDED
