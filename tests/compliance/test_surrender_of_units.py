"""Surrender through its service: held on application, handed in on approval, released on rejection."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.ledger import store as ledger
from core.ledger.rules import SURRENDERED
from core.quantities import SerialRange, Vintage
from core.refusals import Answer, Reason, Refused
from core.surrender import service
from core.units import store as units


def propose(connection: Connection, market: Any, account: object, **more: object) -> Answer | Refused:
    body = {"account": account, "product": "CEA-2019", "tonnes": 40, "year": 2020, **more}
    return service.propose(connection, market.ann, body)


def held(connection: Connection, *owners: str) -> dict[tuple[str, str], int]:
    return {(b.owner, b.bucket): b.amount for b in ledger.balances(connection, owners) if b.amount}


def test_units_are_held_on_application_and_handed_in_on_approval(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        market.allocate(connection, [(account, 100)])
        proposed = propose(connection, market, account)
        assert (proposed.status, proposed.body["kind"]) == (202, "surrender")
        assert held(connection, account) == {(account, "available"): 60, (account, "pending_surrender"): 40}
        assert units.totals(connection) == {(account, 2019): 100}

        approved = market.approve(connection, proposed)
        assert approved.body["outcome"] == {
            "surrendered": 40,
            "serials": ["CEA-2019-000000000001..CEA-2019-000000000040"],
        }
        assert held(connection, account, SURRENDERED) == {(account, "available"): 60, (SURRENDERED, "system"): 40}
        assert units.holdings(connection, SURRENDERED) == [SerialRange(Vintage(2019), 1, 40)]
        assert ledger.verify_chain(connection) == []
        assert ledger.drifted(connection) == []


def test_a_rejection_releases_what_was_held(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        market.allocate(connection, [(account, 100)])
        rejected = market.reject(connection, propose(connection, market, account))
        assert (rejected.body["state"], rejected.body["outcome"]) == ("REJECTED", {"released": 40, "reason": "no"})
        assert held(connection, account) == {(account, "available"): 100}


def test_what_is_held_for_surrender_cannot_be_surrendered_or_moved_again(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        account, other = market.open(connection, 2)
        market.allocate(connection, [(account, 100)])
        assert isinstance(propose(connection, market, account, tonnes=100), Answer)
        assert propose(connection, market, account, tonnes=1).reason == Reason.INSUFFICIENT_UNITS
        assert market.transfer(connection, account, other, 1).reason == Reason.INSUFFICIENT_UNITS


def test_a_surrender_is_refused_with_its_reason(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        [institution] = market.open(connection, 1, kind="I")
        market.allocate(connection, [(account, 100)])
        for body, reason in [
            ({"account": 5}, Reason.MALFORMED),
            ({"product": None}, Reason.MALFORMED),
            ({"year": "2020"}, Reason.MALFORMED),
            ({"year": True}, Reason.MALFORMED),
            ({"year": 20200}, Reason.MALFORMED),
            ({"account": "E42-00000009-11"}, Reason.SOURCE_UNKNOWN),
            ({"account": institution}, Reason.ACCOUNT_KIND),
            ({"account": SURRENDERED}, Reason.ACCOUNT_KIND),
            ({"product": "CEA-2020"}, Reason.PRODUCT_UNKNOWN),
            ({"product": "CNY"}, Reason.PRODUCT_UNKNOWN),
            ({"tonnes": 101}, Reason.INSUFFICIENT_UNITS),
            *(({"tonnes": n}, Reason.QUANTITY_INVALID) for n in (0, -1, True, 1.5, "4", None, 2**63, 10**300)),
        ]:
            assert propose(connection, market, **{"account": account, **body}).reason == reason
        assert held(connection, account) == {(account, "available"): 100}


TRADED_ON = ["TRADING", "CLOSED", "SEALED", "CLEARED", "EXCHANGE_CONFIRMED", "BANK_CONFIRMED", "HALTED"]
FREE = ["OPENING_SENT", "OPENING_ACKED", "DELIVERED", "OPENING_BUILT", "REPORTED"]


@pytest.mark.parametrize("state", TRADED_ON + FREE)
def test_units_that_may_be_sold_at_any_moment_cannot_be_surrendered(engine: Engine, market: Any, state: str) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        market.allocate(connection, [(account, 100)])
        for statement in (
            "INSERT INTO market_day VALUES ('2021-07-16', :state, 0, 0, NULL, '[{}]')",
            "INSERT INTO opening VALUES ('2021-07-16', 1, 1, decode(repeat('00', 32), 'hex'))",
            "INSERT INTO opening_position VALUES ('2021-07-16', 1, :account, 'CEA-2019', 100)",
        ):
            connection.execute(text(statement), {"state": state, "account": account})
        ended = propose(connection, market, account)
        assert isinstance(ended, Answer) if state in FREE else ended.reason == Reason.SOURCE_WITH_EXCHANGE
