"""Proposals that older code left behind are decided as if nothing had changed since."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, text

from core.approvals import service as approvals
from core.emissions.obligations import store as obligations
from core.ledger import store as ledger
from core.ledger.rules import PENDING_SURRENDER, Transfer, place_of
from core.refusals import Answer
from core.units import store as units


def surrender_before_0008(connection: Connection, market: Any, account: str) -> Answer:
    """Hold and propose as the first release did: no surrender and no obligation is kept of it."""
    hold, way = str(uuid4()), (place_of(account, "CEA-2019"), place_of(account, "CEA-2019", PENDING_SURRENDER))
    day = connection.execute(text("SELECT max(market_day) FROM transfer")).scalar_one()
    ledger.post(connection, [Transfer(hold, *way, 40, "SURRENDER_HOLD", hold)], market_day=day)
    payload = {"account": account, "product": "CEA-2019", "tonnes": 40, "year": 2020, "hold": hold}
    return approvals.propose(connection, market.ann, kind="surrender", payload=payload, subject=account)


def allocation_before_0007(connection: Connection, market: Any, account: str) -> Answer:
    """Propose as the first release did: no plan is kept of it."""
    payload = {"product": "CEA-2019", "plan": "older", "lines": [{"account": account, "tonnes": 100}]}
    return approvals.propose(connection, market.ann, kind="allocate", payload=payload, subject="older")


def amounts(connection: Connection, account: str) -> dict[str, int]:
    return {b.bucket: b.amount for b in ledger.balances(connection, [account]) if b.amount}


def test_a_surrender_from_before_obligations_were_kept_is_handed_in(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        market.allocate(connection, [(account, 100)])
        done = market.approve(connection, surrender_before_0008(connection, market, account))
        assert isinstance(done, Answer), done
        assert done.body["outcome"]["surrendered"] == 40
        assert amounts(connection, account) == {"available": 60}
        counted = obligations.find(connection, account, 2020)
        assert counted is not None
        assert (counted.surrendered, counted.pending_surrender) == (40, 0), "it was never pending in the obligation"


def test_a_surrender_from_before_obligations_were_kept_is_released(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        market.allocate(connection, [(account, 100)])
        done = market.reject(connection, surrender_before_0008(connection, market, account))
        assert isinstance(done, Answer), done
        assert amounts(connection, account) == {"available": 100}


def test_an_allocation_from_before_plans_were_kept_is_carried_out_and_kept(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        done = market.approve(connection, allocation_before_0007(connection, market, account))
        assert isinstance(done, Answer), done
        assert units.totals(connection) == {(account, 2019): 100}
        kept = connection.execute(text("SELECT name, tonnes, state FROM allocation_plan")).one()
        assert tuple(kept) == ("older", 100, "EXECUTED")


def test_an_allocation_from_before_plans_were_kept_is_turned_down(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        done = market.reject(connection, allocation_before_0007(connection, market, account))
        assert isinstance(done, Answer), done
        assert done.body["state"] == "REJECTED"
        assert units.totals(connection) == {}
