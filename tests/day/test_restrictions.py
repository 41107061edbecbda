"""Restrictions on a trading day: the exchange is told first, and from then refuses orders."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import httpx
import pytest

from chaos.simulators.exchange.floor import Floor
from chaos.simulators.exchange.market import trades_of
from core.accounts import service as accounts
from core.accounts.states import service as states
from core.approvals import service as approvals
from core.callers import Caller
from core.day import store
from core.day.counterparty import ExchangeFiles
from core.day.rules import State
from core.exchange import store as exchange
from core.exchange.rules import Received, judge
from core.executors import EXECUTORS
from core.refusals import Answer, Reason

DAY = date(2021, 7, 16)
ANN, BOB = (Caller(name, frozenset({"maker", "checker"})) for name in ("ann", "bob"))


def decide(market: Any, account: str, action: str, restriction: str | None = None) -> dict[str, Any]:
    """Let two people change an account's state; return the account as it is then."""
    body = {"account": account, "action": action, "reason": "because"}
    body |= {"restriction": restriction} if restriction else {}
    asked = market.write(lambda c: states.propose_change(c, ANN, body))
    assert isinstance(asked, Answer), asked
    done = market.write(lambda c: approvals.approve(c, BOB, str(asked.body["id"]), EXECUTORS))
    assert isinstance(done, Answer), done
    return show(market, account)


def show(market: Any, account: str) -> dict[str, Any]:
    return dict(market.read(lambda c: accounts.get(c, ANN, account)).body)


def trading_day(market: Any) -> tuple[str, str]:
    seller, buyer = market.account(tonnes=1_000), market.account(fen=10_000_000)
    assert isinstance(market.open(), Answer)
    market.clock("09:30")
    assert market.run_until(State.TRADING) is State.TRADING
    return seller, buyer


def judged(market: Any, trades: list[dict[str, Any]]) -> list[Reason | None]:
    """Judge trades as the intake would, numbered from 1."""
    batch = [Received.of_body(t.appl_seq, t.row(), "A") for t in trades_of(DAY.isoformat(), trades)]

    def work(connection: Any) -> list[Reason | None]:
        known = exchange.known(connection, DAY, batch, with_ids=False)
        return judge(batch, exchange.market(connection, DAY, "1"), known)

    return list(market.read(work))


def test_a_restriction_takes_effect_when_the_exchange_has_acknowledged(market: Any) -> None:
    """What was traded before is settled; what comes later is refused at the exchange and here."""
    seller, buyer = trading_day(market)
    rows = [market.trade(n, seller, buyer, 100, 4_800) for n in range(1, 6)]
    day = market.floor.load("2021-07-16", 1e-9, rows)
    market.floor.start()
    day.note_sent(2, 0.0)

    assert decide(market, seller, "restrict", "out")["state"] == "RESTRICTION_PENDING"
    assert judged(market, rows) == [None] * 5
    market.worker.tick()

    shown = show(market, seller)
    assert (shown["state"], shown["restriction"]) == ("RESTRICTED", "out")
    assert shown["exchange_notified_at"] is not None
    assert judged(market, rows) == [None, None, *[Reason.TRADE_SELLER] * 3]
    assert [trade.trade_id for trade in day.trades] == ["T1", "T2"], "the exchange takes no orders of the seller"
    assert market.floor.status()["orders_refused"] == 3


def test_a_day_with_a_restriction_in_it_is_settled_to_its_end(market: Any) -> None:
    seller, buyer = trading_day(market)
    other = market.account()
    decide(market, seller, "restrict", "out")
    market.worker.tick()
    market.receive([market.trade(1, seller, buyer, 100, 4_800)])
    assert market.floor.loaded().trades == []
    market.clock("15:00")
    assert market.run_until(State.REPORTED) is State.REPORTED
    assert market.bucket(seller, "CEA-2019", "available") == 1_000
    assert show(market, other)["state"] == "OPEN"


def test_opening_data_gives_nothing_of_what_may_not_be_sold_or_spent(market: Any) -> None:
    free, no_sale, no_buy, nothing = (market.account(tonnes=50, fen=7_000) for _ in range(4))
    for number, restriction in ((no_sale, "out"), (no_buy, "in"), (nothing, "all")):
        assert decide(market, number, "restrict", restriction)["state"] == "RESTRICTED"
    assert isinstance(market.open(), Answer)
    positions = market.read(lambda c: store.positions(c, DAY, 1))
    assert positions == sorted(
        [
            (free, "CEA-2019", 50),
            (free, "CNY", 7_000),
            (no_sale, "CEA-2019", 0),
            (no_sale, "CNY", 7_000),
            (no_buy, "CEA-2019", 50),
            (no_buy, "CNY", 0),
        ]
    )


def test_a_restriction_before_trading_starts_revises_the_opening_data(market: Any) -> None:
    seller = market.account(tonnes=50)
    assert isinstance(market.open(), Answer)
    market.run_until(State.OPENING_ACKED)
    decide(market, seller, "restrict", "out")
    market.worker.tick()
    assert show(market, seller)["state"] == "RESTRICTED"
    market.clock("09:30")
    assert market.run_until(State.TRADING) is State.TRADING
    assert market.floor.opening_data()["version"] == 2
    assert [seller, "CEA-2019", 0] in market.floor.opening_data()["positions"]


def test_an_exchange_that_does_not_answer_leaves_the_change_pending(market: Any) -> None:
    seller, _ = trading_day(market)
    decide(market, seller, "suspend")
    notices = market.worker._notices
    line = notices.parties.exchange

    def silent(_: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    with httpx.Client(transport=httpx.MockTransport(silent), base_url="http://line") as dead:
        notices.parties.exchange = ExchangeFiles([dead])
        assert not notices.tick()
    assert show(market, seller)["state"] == "RESTRICTION_PENDING"
    notices.parties.exchange = line
    assert not notices.tick(), "it pauses before it asks again"
    notices._not_before = 0.0
    assert notices.tick()
    assert show(market, seller)["state"] == "SUSPENDED"


STRANGE = [
    {},
    {"account": "E42-00001001-60"},
    {"acknowledged": False},
    {"number": -1},
    {"last_seq": "1"},
    {"last_seq": True},
    {"last_seq": -1},
    {"last_seq": 2**63},
    {"day": "tomorrow"},
    {"day": 20210716},
]


@pytest.mark.parametrize("wrong", STRANGE)
def test_a_strange_answer_acknowledges_nothing(market: Any, wrong: dict[str, Any]) -> None:
    seller, _ = trading_day(market)
    decide(market, seller, "suspend")

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        good = {"account": asked["account"], "number": asked["number"], "acknowledged": True}
        good |= {"day": None, "last_seq": 0}
        return httpx.Response(200, json=good | wrong if wrong else {})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://line") as odd:
        market.worker._notices.parties.exchange = ExchangeFiles([odd])
        assert not market.worker._notices.tick()
    assert show(market, seller)["state"] == "RESTRICTION_PENDING"


def test_the_exchange_takes_orders_again_when_the_restriction_is_lifted(market: Any) -> None:
    seller, buyer = trading_day(market)
    decide(market, seller, "restrict", "out")
    market.worker.tick()
    decide(market, seller, "unrestrict")
    market.worker.tick()
    day = market.floor.load("2021-07-16", None, [market.trade(1, seller, buyer, 100, 4_800)])
    assert len(day.trades) == 1
    assert judged(market, [market.trade(1, seller, buyer, 100, 4_800)]) == [None]


def test_an_older_notice_that_comes_late_changes_nothing_at_the_exchange(tmp_path: Any) -> None:
    floor = Floor(tmp_path / "journal")
    floor.restrict("E1", "out", 2)
    floor.restrict("E1", "none", 3)
    floor.restrict("E1", "out", 2)
    assert floor.restricted == {"E1": (3, "none")}
    assert Floor(tmp_path / "journal").restricted == {"E1": (3, "none")}


def test_the_exchange_remembers_restrictions_over_a_restart(tmp_path: Any) -> None:
    opening = {"day": "2021-07-16", "version": 1, "positions": [], "totals": {}}
    row = {"mode": "listed", "product": "CEA-2019", "quantity": 1, "price_fen": 4800}
    row |= {"executed_at": "2021-07-16T09:31:00+08:00"}
    rows = [row | {"trade_id": f"T{n}", "seller": f"E{n % 2}", "buyer": "E9"} for n in range(4)]
    floor = Floor(tmp_path / "journal")
    floor.open(opening)
    floor.load("2021-07-16", 1e-9, rows)
    floor.loaded().note_sent(1, 0.0)
    floor.restrict("E0", "out", 1)
    again = Floor(tmp_path / "journal")
    for one in (floor, again):
        assert [(t.appl_seq, t.trade_id) for t in one.loaded().trades] == [(1, "T0"), (2, "T1"), (3, "T3")]
    again.load("2021-07-16", None, rows)
    assert [t.trade_id for t in again.loaded().trades] == ["T1", "T3"]
