"""The exchange never opens on holdings that are no longer true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from core.callers import Caller
from core.day import opening, store
from core.day.rules import State
from core.day.worker import Worker
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


class Overtaken:
    """The lines of a worker whose question about opening data is answered only after others have gone on."""

    def __init__(self, market: Any, *, ask_first: bool, meanwhile: Callable[[], None]) -> None:
        self._lines = market.worker.parties.exchange
        self._ask_first = ask_first
        self._meanwhile = meanwhile

    def send_opening(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the exchange before or after everything else happens; the worker hears of it afterwards."""
        early = self._lines.send_opening(message) if self._ask_first else None
        self._meanwhile()
        answer: dict[str, Any] = early or self._lines.send_opening(message)
        return answer


def overtaken_worker(market: Any, seller: str, *, ask_first: bool, resent: bool) -> Any:
    """A second worker; while it asks about version 1, the first brings the day to version 2."""

    def meanwhile() -> None:
        market.worker.tick()
        assert market.state() is State.OPENING_ACKED
        hand_in(market, seller, 30)
        market.clock("09:30")
        market.worker.tick()
        if resent:
            data = market.read(lambda c: opening.latest(c, DAY))
            market.worker.parties.exchange.send_opening(data.message({"CEA-2019": 4800}))
        assert market.state() is State.OPENING_SENT

    lines = Overtaken(market, ask_first=ask_first, meanwhile=meanwhile)
    return Worker(replace(market.worker.parties, exchange=lines, worker="settle@late"))


def test_a_late_answer_to_an_old_version_does_not_acknowledge_the_new_one(market: Any) -> None:
    seller = market.account(tonnes=100)
    market.open()

    overtaken_worker(market, seller, ask_first=True, resent=False).tick()

    assert market.state() is State.OPENING_SENT
    assert market.floor.opening.version == 1
    ticks(market, State.TRADING)
    assert market.floor.opening.version == 2


def test_an_old_version_that_reaches_the_exchange_late_and_is_turned_down_does_not_halt_the_day(market: Any) -> None:
    seller = market.account(tonnes=100)
    market.open()

    overtaken_worker(market, seller, ask_first=False, resent=True).tick()

    assert market.state() is State.OPENING_SENT
    assert market.floor.opening.version == 2
    ticks(market, State.TRADING)
    assert market.read(lambda c: store.get(c, DAY)).breaks == []
