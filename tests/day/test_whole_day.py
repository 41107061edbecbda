"""A small day through every arrow, with an exchange and a bank that keep figures of their own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from core.day import opening, service, store, transitions
from core.day.rules import COURSE, State
from core.day.worker import Worker
from core.db.engine import write_engine
from core.ledger import store as ledger
from core.quantities import Vintage
from core.reconciliation import store as reconciliation
from core.reconciliation.breaks import store as breaks
from core.refusals import Answer
from core.reports import service as reports
from core.settlement import store as settlement_store
from core.units import store as units

DAY, NEXT = date(2021, 7, 16), date(2021, 7, 19)


def test_a_day_goes_from_opening_data_to_the_report_and_opens_the_next(market: Any) -> None:
    seller, buyer = market.traded_day()

    assert market.run_until(State.REPORTED) is State.REPORTED
    market.run_until(State.OPENING_ACKED, day=NEXT)

    turnover = 100 * 4_800 + 300 * 5_001 + 200 * 5_280
    assert market.cash(seller) == turnover
    assert market.cash(buyer) == 10_000_000 - turnover
    assert market.bucket(seller, "CEA-2019", "available") == 400
    assert market.read(units.totals) == {(seller, 2019): 400, (buyer, 2019): 600}
    assert market.bank_http.get("/sim/balances").json()["balances"] == {
        buyer: 10_000_000 - turnover,
        seller: turnover,
    }
    report = market.read(lambda c: reports.show(c, DAY))
    close = 5_061  # 3,036,300 fen / 600 t = 5060.5, half up
    assert report["figures"]["close_fen"] == close
    assert (report["figures"]["open_fen"], report["figures"]["high_fen"]) == (4_800, 5_280)
    assert report["figures"]["cleared_fen"] == 2 * turnover
    following = market.read(lambda c: service.show(c, NEXT))
    assert following["state"] == State.OPENING_ACKED
    assert following["products"] == [{"product": "CEA-2019", "previous_close_fen": close, "close_fen": None}]
    assert (following["cumulative_before_t"], following["cumulative_before_fen"]) == (600, turnover)


def test_every_arrow_leaves_one_event_and_the_proofs_hold_at_the_end(market: Any) -> None:
    market.traded_day()

    market.run_until(State.REPORTED)

    events = market.read(lambda c: store.events(c, DAY))
    assert [event["state"] for event in events] == list(COURSE)
    assert [event["state_before"] for event in events] == [None, *COURSE[:-1]]
    assert market.read(reconciliation.differences) == []
    assert [(run.cause, run.breaks) for run in market.read(lambda c: breaks.runs(c, after=0, limit=9))] == [
        ("seal", 0),
        ("report", 0),
    ]
    assert market.read(settlement_store.in_transit) == []
    assert set(market.read(ledger.imbalance).values()) == {0}
    assert market.read(ledger.verify_chain) == []


def test_what_was_bought_may_be_used_only_when_the_day_is_over(market: Any) -> None:
    _, buyer = market.traded_day()

    market.run_until(State.DELIVERED)
    assert (market.bucket(buyer, "CEA-2019", "bought_today"), market.bucket(buyer, "CEA-2019", "available")) == (600, 0)

    market.run_until(State.REPORTED)
    market.run_until(State.OPENING_ACKED, day=NEXT)
    assert (market.bucket(buyer, "CEA-2019", "bought_today"), market.bucket(buyer, "CEA-2019", "available")) == (600, 0)
    offered = market.read(lambda c: opening.latest(c, NEXT)).positions
    assert (buyer, "CEA-2019", 600) in [tuple(position) for position in offered], "it may be sold on the next day"

    market.clock("00:01", day=date(2021, 7, 17))
    market.worker.tick()
    assert (market.bucket(buyer, "CEA-2019", "bought_today"), market.bucket(buyer, "CEA-2019", "available")) == (0, 600)
    assert market.worker.tick() is False, "a morning comes once"


def test_what_was_bought_may_be_sold_when_the_next_day_trades_whoever_slept(market: Any) -> None:
    _, buyer = market.traded_day()
    market.run_until(State.REPORTED)
    market.run_until(State.OPENING_ACKED, day=NEXT)

    market.clock("09:30", day=NEXT)
    market.write(lambda c: transitions.tick_clock(c, NEXT, State.OPENING_ACKED, worker="test"))

    assert market.state(NEXT) is State.TRADING
    assert (market.bucket(buyer, "CEA-2019", "bought_today"), market.bucket(buyer, "CEA-2019", "available")) == (0, 600)
    version, _ = market.read(lambda c: store.latest_opening(c, NEXT))
    assert (buyer, "CEA-2019", 600) in market.read(lambda c: store.positions(c, NEXT, version))


def test_two_workers_at_once_end_the_day_as_one_would(market: Any, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both stand before the day's row at the same moment, each in its own thread on its own connections."""
    seller, buyer = market.traded_day()
    before = market.read(transfers)
    meet_at_the_lock(monkeypatch)
    engines = [write_engine(dsn, pool_size=4) for _ in range(2)]
    workers = [Worker(replace(market.worker.parties, engine=e, worker=f"settle@{n}")) for n, e in enumerate(engines)]
    start = threading.Barrier(len(workers), timeout=60)

    def work(worker: Worker) -> None:
        for _ in range(len(COURSE)):
            start.wait()
            worker.tick()

    with capture_logs() as logs, ThreadPoolExecutor(len(workers)) as threads:
        list(threads.map(work, workers))
    for engine in engines:
        engine.dispose()

    assert [entry for entry in logs if entry["log_level"] not in {"info", "debug"}] == []
    assert [event["state"] for event in market.read(lambda c: store.events(c, DAY))] == list(COURSE)
    assert [event["state"] for event in market.read(lambda c: store.events(c, NEXT))] == list(COURSE[:2])
    booked = market.read(transfers) - before
    assert booked == Counter({"TRADE_UNITS": 3, "TRADE_CASH": 3})
    assert market.read(lambda c: c.execute(RELEASES).scalars().all()) == [f"{DAY}:B001"]
    turnover = market.cash(seller)
    assert market.bank_http.get("/sim/balances").json()["balances"] == {buyer: 10_000_000 - turnover, seller: turnover}
    assert market.read(lambda c: c.execute(CONFIRMATIONS).scalars().all()) == ["clearing", "hold", "statement"]


RELEASES = text("SELECT reference FROM outbox WHERE topic = 'bank_release'")
CONFIRMATIONS = text("SELECT step FROM confirmation ORDER BY step")
TRANSFERS = text("SELECT type, count(*) FROM transfer GROUP BY type")


def transfers(connection: Connection) -> Counter[str]:
    return Counter(dict(connection.execute(TRANSFERS).all()))


def meet_at_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody take the row of a day before the other one is there too, or has shown that it will not come."""
    for name in ("lock", "lock_patiently"):
        monkeypatch.setattr(store, name, after_meeting(getattr(store, name), threading.Barrier(2)))


def after_meeting(take: Callable[[Any, date], State | None], both: threading.Barrier) -> Callable[..., State | None]:
    def taken(connection: Any, day: date) -> State | None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        if both.broken:
            both.reset()
        return take(connection, day)

    return taken


@pytest.mark.parametrize("state", COURSE[2:-1])
def test_a_worker_killed_before_its_commit_costs_a_repeat_and_nothing_else(
    market: Any, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    """Everything outside has been asked, the transaction has done all its work, then the power goes."""
    seller, buyer = market.traded_day()
    original: Callable[..., None] = store.move
    killed: list[State] = []

    def die_once(connection: Any, day: date, *, before: State | None, after: State, **rest: Any) -> None:
        original(connection, day, before=before, after=after, **rest)
        if before is state and day == DAY and not killed:
            killed.append(state)
            raise PowerOffError

    monkeypatch.setattr(store, "move", die_once)
    with pytest.raises(PowerOffError):
        market.run_until(State.REPORTED)
    reborn = type(market.worker)(market.worker.parties)
    for _ in range(20):
        reborn.tick()

    assert killed == [state]
    assert market.state() is State.REPORTED
    assert market.cash(seller) + market.cash(buyer) == 10_000_000
    assert market.bank_http.get("/sim/balances").json()["balances"][seller] == market.cash(seller)
    assert len(market.read(lambda c: store.events(c, DAY))) == len(COURSE)


class PowerOffError(BaseException):
    """The worker's end, just before COMMIT; nothing in it can catch that."""


def test_cancelled_and_corrected_trades_settle_as_what_they_became(market: Any) -> None:
    seller, buyer = market.account(tonnes=1_000), market.account(fen=10_000_000)
    market.open()
    market.clock("09:30")
    market.run_until(State.TRADING)
    market.receive(
        [
            market.trade(1, seller, buyer, 100, 4_800),
            market.trade(2, seller, buyer, 50, 5_000),
            market.trade(3, seller, buyer, 100, 4_800, kind="C", refers_to="T1"),
            market.trade(4, seller, buyer, 50, 5_100, kind="R", refers_to="T2"),
        ]
    )
    market.clock("15:00")

    assert market.run_until(State.REPORTED) is State.REPORTED

    assert market.cash(seller) == 50 * 5_100
    assert market.read(units.totals)[buyer, 2019] == 50
    settled = market.read(lambda c: settlement_store.settled_trades(c, DAY, after=0, limit=10))
    assert [trade.trade_id for trade in settled] == ["T4"]


def test_a_day_without_a_trade_ends_too(market: Any) -> None:
    market.account(tonnes=10, fen=500)
    market.open(products={"CEA-2019": 5_000}, cumulative_t=7, cumulative_fen=9)
    market.clock("09:30")
    market.run_until(State.TRADING)
    market.receive([])
    market.clock("15:00")

    assert market.run_until(State.REPORTED) is State.REPORTED
    report = market.read(lambda c: reports.show(c, DAY))
    assert (report["figures"]["close_fen"], report["figures"]["cumulative_t"]) == (5_000, 7)


def test_opening_data_hold_every_open_account_with_what_it_may_use(market: Any) -> None:
    rich, poor = market.account(tonnes=7, fen=11), market.account()

    answer = market.open()

    assert isinstance(answer, Answer)
    assert answer.body["totals"] == {"CEA-2019": 7, "CNY": 11}
    assert market.read(lambda c: store.positions(c, DAY, 1)) == sorted(
        [(rich, "CEA-2019", 7), (rich, "CNY", 11), (poor, "CEA-2019", 0), (poor, "CNY", 0)]
    )
    market.worker.tick()
    assert market.state() is State.OPENING_ACKED
    assert market.floor.opening.totals == {"CEA-2019": 7, "CNY": 11}


def test_the_issue_of_a_vintage_is_known_to_both_accountings(market: Any) -> None:
    market.account(tonnes=7)

    assert market.read(lambda c: units.issued(c, Vintage(2019))) == 7
    assert market.read(reconciliation.differences) == []
