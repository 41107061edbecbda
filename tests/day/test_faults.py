"""A fault of the registry's own books halts the day with its figures, and leaves the other days alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from core.callers import Caller
from core.day import service, store
from core.day.gauges import Gauges
from core.day.rules import State
from core.refusals import Answer
from core.reports import service as reports
from core.surrender import service as surrender
from core.telemetry import DAY_STATE

DAY, NEXT = date(2021, 7, 16), date(2021, 7, 19)
MAKER = Caller("maker", frozenset({"maker"}))

LOSE_UNITS = text("""
UPDATE unit_block SET serials = int8range(lower(serials), lower(serials) + 599) WHERE holder = :seller
""")
UNDELIVERED_TRADE = text("""
INSERT INTO trade (market_day, appl_id, appl_seq, trade_id, kind, mode, product, buyer, seller, quantity, price_fen,
                   amount_fen, executed_at, line)
SELECT market_day, appl_id, 4, 'T4', kind, mode, product, buyer, seller, 7, 4800, 33600, executed_at, line
FROM trade WHERE market_day = :day AND appl_seq = 1
""")


def breaks(market: Any) -> list[tuple[Any, ...]]:
    found = market.read(lambda c: service.show(c, DAY))["breaks"]
    return [(b["level"], b["party"], b["account"], b["asset"], b["expected"], b["actual"]) for b in found]


@pytest.mark.unsound
def test_a_seller_with_fewer_serial_numbers_than_the_ledger_says_halts_the_day_and_is_named(market: Any) -> None:
    seller, buyer = market.traded_day()
    market.run_until(State.BANK_CONFIRMED)
    market.write(lambda c: c.execute(LOSE_UNITS, {"seller": seller}))

    assert market.run_until(State.DELIVERED, State.HALTED) is State.HALTED

    assert breaks(market) == [("account", "units", seller, "CEA-2019", 600, 599)]
    assert market.cash(buyer) == 10_000_000


@pytest.fixture
def halted_before_its_report(market: Any) -> str:
    """A day that was delivered, the next one opened; then its trades no longer say what the ledger says."""
    seller, _ = market.traded_day()
    market.run_until(State.OPENING_BUILT)
    market.write(lambda c: c.execute(UNDELIVERED_TRADE, {"day": DAY}))
    assert market.run_until(State.REPORTED, State.HALTED) is State.HALTED
    return str(seller)


def test_trades_that_the_ledger_never_moved_halt_the_day_instead_of_being_reported(
    market: Any, halted_before_its_report: str
) -> None:
    assert breaks(market) == [
        ("total", "ledger", "", "CEA-2019", 607, 600),
        ("total", "ledger", "", "CNY", 3_036_300 + 33_600, 3_036_300),
    ]
    assert market.read(lambda c: reports.show(c, DAY)) is None


def test_a_day_halted_after_the_next_was_opened_is_seen_beside_the_next_one(
    market: Any, halted_before_its_report: str
) -> None:
    market.run_until(State.OPENING_ACKED, day=NEXT)

    Gauges(market.engine).refresh()

    assert DAY_STATE.labels(State.HALTED)._value.get() == 1
    assert DAY_STATE.labels(State.OPENING_ACKED)._value.get() == 1


def test_what_a_halted_day_has_delivered_may_be_handed_in_before_the_next_one_trades(
    market: Any, halted_before_its_report: str
) -> None:
    body = {"account": halted_before_its_report, "product": "CEA-2019", "tonnes": 1, "year": 2020}

    assert isinstance(market.write(lambda c: surrender.propose(c, MAKER, body)), Answer)


def test_a_fault_in_one_days_arrow_takes_no_arrow_from_another_day(
    market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.traded_day()
    market.run_until(State.OPENING_BUILT)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault that nobody thought of")

    with monkeypatch.context() as broken:
        broken.setattr(reports, "publish", fail)
        assert market.worker.tick() is True

        assert market.state() is State.OPENING_BUILT
        assert market.state(NEXT) is State.OPENING_ACKED

    market.worker = type(market.worker)(market.worker.parties)
    assert market.run_until(State.REPORTED) is State.REPORTED
    assert [event["state"] for event in market.read(lambda c: store.events(c, NEXT))][-1] == State.OPENING_ACKED
