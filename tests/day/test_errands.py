"""A court on a trading day: what it freezes comes off the next opening data, and cash it moves, the banks move too."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection

from core.approvals import service as approvals
from core.callers import Caller
from core.day import errands, opening
from core.day.errands import order_of
from core.day.rules import State
from core.encumbrance import endings, service
from core.outbox import cash
from core.outbox import store as outbox
from core.refusals import Answer

ANN, BOB = (Caller(name, frozenset({"maker", "checker"})) for name in ("ann", "bob"))
EXECUTORS = {**service.EXECUTORS, **endings.EXECUTORS}
NEXT = date(2021, 7, 19)


def decided(connection: Connection, proposed: Any) -> dict[str, Any]:
    assert isinstance(proposed, Answer), proposed
    done = approvals.approve(connection, BOB, str(proposed.body["id"]), EXECUTORS)
    assert isinstance(done, Answer), done
    return dict(done.body["outcome"])


def freeze(connection: Connection, account: str, asset: str, quantity: int) -> str:
    body = {"account": account, "asset": asset, "amount": quantity, "court": "A court", "document": "F-1"}
    return str(decided(connection, service.propose_freeze(connection, ANN, body))["encumbrance"]["number"])


def test_what_is_frozen_while_it_trades_comes_off_the_next_opening_data(market: Any) -> None:
    seller, buyer = market.traded_day()
    market.write(lambda c: freeze(c, seller, "CEA-2019", 300))
    market.write(lambda c: freeze(c, buyer, "CEA-2019", 250))
    assert market.bucket(seller, "CEA-2019", "frozen") == 0
    assert market.run_until(State.REPORTED) == State.REPORTED
    assert market.bucket(seller, "CEA-2019", "frozen") == 300
    market.run_until(State.OPENING_ACKED, day=NEXT)
    market.clock("09:30", day=NEXT)
    market.run_until(State.TRADING, day=NEXT)
    assert market.bucket(buyer, "CEA-2019", "frozen") == 250, "what it bought, before it may be sold"
    told = market.read(lambda c: opening.latest(c, NEXT)).positions
    assert {(a, n) for a, asset, n in told if asset == "CEA-2019"} == {(seller, 100), (buyer, 350)}


def test_the_bank_follows_cash_that_a_court_had_taken_and_the_day_goes_on(market: Any) -> None:
    seller, buyer = market.traded_day()
    market.clock("15:00")
    assert market.run_until(State.REPORTED) == State.REPORTED
    number = market.write(lambda c: freeze(c, seller, "CNY", 1_000))
    body = {"encumbrance": number, "document": "D-1", "to_account": buyer, "amount": 400}
    market.write(lambda c: decided(c, endings.propose_deduction(c, ANN, body)))
    before = market.bank_http.get("/sim/balances").json()
    market.worker.tick()
    after = market.bank_http.get("/sim/balances").json()
    assert moved(before, after) == {seller: -400, buyer: 400}
    assert market.read(lambda c: outbox.waiting(c, cash.CASH_MOVE)) == []


def moved(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """Compare two looks at a bank's sub-ledgers."""
    was, now = (look.get("accounts", look.get("balances", look)) for look in (before, after))
    return {name: now[name] - was.get(name, 0) for name in now if now[name] != was.get(name, 0)}


def test_a_bank_that_says_no_is_asked_again_under_a_new_id(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "PAUSE_S", 0.0)
    giver, taker = market.account(tonnes=1), market.account(tonnes=1)
    move = cash.CashMove(giver, "B001", taker, "B001", 400)
    market.write(lambda c: cash.ask_banks(c, "ref", [move]))
    [first] = market.read(lambda c: outbox.waiting(c, cash.CASH_MOVE))
    market.worker.tick()
    [second] = market.read(lambda c: outbox.waiting(c, cash.CASH_MOVE))
    assert second.payload["attempt"] == 2
    assert order_of(second).message_id != order_of(first).message_id
    market.bank_http.post("/sim/adjust", json={"account": giver, "amount_fen": 400})
    market.worker.tick()
    assert market.read(lambda c: outbox.waiting(c, cash.CASH_MOVE)) == []


def test_an_unknown_bank_waits_and_stops_nothing_else(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "PAUSE_S", 0.0)
    market.write(lambda c: cash.ask_banks(c, "ref", [cash.CashMove("E42-00002001-17", "B009", "x", "B009", 4)]))
    market.worker.tick()
    assert len(market.read(lambda c: outbox.waiting(c, cash.CASH_MOVE))) == 1
