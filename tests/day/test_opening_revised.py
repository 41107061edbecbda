"""The exchange never opens on holdings that are no longer true."""

from __future__ import annotations

from datetime import date
from typing import Any

from core.approvals.rules import Caller
from core.day import opening
from core.day.rules import State
from core.refusals import Reason, Refused
from core.surrender import service as surrender

DAY = date(2021, 7, 16)
MAKER = Caller("maker", frozenset({"maker"}))


def hand_in(market: Any, account: str, tonnes: int) -> Any:
    body = {"account": account, "product": "CEA-2019", "tonnes": tonnes, "year": 2020}
    return market.write(lambda c: surrender.propose(c, MAKER, body))


def ticks(market: Any, wanted: State) -> None:
    for _ in range(6):
        if market.state() is wanted:
            return
        market.worker.tick()
    raise AssertionError(f"{market.state()} instead of {wanted}")


def test_units_handed_in_before_trading_reach_the_exchange_as_a_new_version(market: Any) -> None:
    seller, other = market.account(tonnes=100), market.account(tonnes=50, fen=1_000)
    market.open()
    ticks(market, State.OPENING_ACKED)
    assert not isinstance(hand_in(market, seller, 30), Refused)

    market.clock("09:30")
    market.worker.tick()
    assert market.state() is State.OPENING_SENT
    ticks(market, State.TRADING)

    assert market.floor.opening.version == 2
    assert market.read(lambda c: opening.latest(c, DAY)).positions == sorted(
        [(seller, "CEA-2019", 70), (seller, "CNY", 0), (other, "CEA-2019", 50), (other, "CNY", 1_000)]
    )
    refused = hand_in(market, seller, 1)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.SOURCE_WITH_EXCHANGE


def test_an_opening_that_is_still_true_is_not_sent_again_and_newcomers_wait_for_the_next_day(market: Any) -> None:
    market.account(tonnes=100)
    market.open()
    ticks(market, State.OPENING_ACKED)
    market.account(tonnes=5)

    market.clock("09:30")
    ticks(market, State.TRADING)

    assert market.floor.opening.version == 1
