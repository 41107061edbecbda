"""Operators open trading days one after the other; everything else is refused with a code."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from core.day import store
from core.day.rules import State
from core.refusals import Answer, Reason, Refused

DAY, NEXT = date(2021, 7, 16), date(2021, 7, 19)


def reason(answer: Answer | Refused) -> Reason | None:
    return answer.reason if isinstance(answer, Refused) else None


def test_a_day_that_is_open_is_not_opened_twice(market: Any) -> None:
    market.account(tonnes=1)

    assert reason(market.open()) is None
    assert reason(market.open()) is Reason.DAY_EXISTS


@pytest.mark.parametrize(
    ("day", "change", "expected"),
    [
        (date(2021, 7, 17), {}, Reason.MARKET_CLOSED),
        (date(2021, 10, 1), {}, Reason.MARKET_CLOSED),
        (DAY, {"products": {"CEA-2023": 5_000}}, Reason.PRODUCT_UNKNOWN),
        (DAY, {"cumulative_t": "many"}, Reason.MALFORMED),
    ],
)
def test_closed_dates_and_products_never_issued_are_refused(
    market: Any, day: date, change: dict[str, Any], expected: Reason
) -> None:
    market.account(tonnes=1)

    assert reason(market.open(day, **change)) is expected
    assert market.read(store.newest) is None


def test_days_are_not_opened_backwards(market: Any) -> None:
    market.account(tonnes=1)
    market.open(NEXT)

    assert reason(market.open(DAY)) is Reason.DAY_NOT_READY


def test_a_day_without_any_trade_makes_way_for_a_later_one(market: Any) -> None:
    market.account(tonnes=1)
    market.open()
    market.worker.tick()

    assert reason(market.open(NEXT)) is None

    assert market.state() is State.HALTED
    assert market.read(lambda c: store.events(c, DAY))[-1]["detail"] == f"gave way to {NEXT} before any trade"
    market.worker.tick()
    assert market.state(NEXT) is State.OPENING_ACKED
    assert reason(market.open(date(2021, 7, 20))) is None


def test_a_day_with_trades_has_to_end_first(market: Any) -> None:
    market.traded_day()

    assert reason(market.open(NEXT)) is Reason.DAY_NOT_READY

    market.run_until(State.REPORTED)
    assert reason(market.open(NEXT)) is Reason.DAY_EXISTS


@pytest.mark.parametrize("after", [State.TRADING, State.OPENING_SENT, State.REPORTED])
def test_an_impossible_arrow_is_an_error_and_leaves_the_day_as_it_is(market: Any, after: State) -> None:
    market.account(tonnes=1)
    market.open()

    with pytest.raises(ValueError, match=f"from OPENING_SENT to {after}"):
        market.write(lambda c: store.move(c, DAY, before=State.OPENING_SENT, after=after, worker="test"))

    assert market.state() is State.OPENING_SENT


def test_nothing_waits_for_ever_to_be_sent_when_a_day_gives_way(market: Any) -> None:
    market.account(tonnes=1)
    market.open()
    market.open(NEXT)
    market.worker.tick()

    waiting = text("SELECT topic, reference FROM outbox WHERE delivered_at IS NULL")
    assert market.read(lambda c: c.execute(waiting).all()) == []
