"""What an account holds is with the exchange no longer than a day needs it."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import text

from core.callers import Caller
from core.day.rules import State
from core.refusals import Answer, Reason, Refused
from core.surrender import service as surrender
from core.transfers import service as transfers

DAY, NEXT = date(2021, 7, 16), date(2021, 7, 19)
MAKER = Caller("maker", frozenset({"maker"}))


def transfer(market: Any, giver: str, taker: str) -> Answer | Refused:
    body = {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": 1}
    done: Answer | Refused = market.write(lambda c: transfers.transfer(c, MAKER, body, free_transfers=True))
    return done


def hand_in(market: Any, account: str) -> Answer | Refused:
    body = {"account": account, "product": "CEA-2019", "tonnes": 1, "year": 2020}
    done: Answer | Refused = market.write(lambda c: surrender.propose(c, MAKER, body))
    return done


def refused(ended: Answer | Refused) -> bool:
    return isinstance(ended, Refused) and ended.reason is Reason.SOURCE_WITH_EXCHANGE


def test_a_day_that_gave_way_refuses_no_surrender_once_the_later_day_is_over(market: Any) -> None:
    holder = market.account(tonnes=100)
    market.open()
    market.clock("09:30")
    market.run_until(State.TRADING)
    assert isinstance(market.open(NEXT), Answer)
    market.clock("09:30", NEXT)
    market.run_until(State.TRADING, day=NEXT)
    market.receive([], NEXT)
    market.clock("15:00", NEXT)
    assert market.run_until(State.REPORTED, day=NEXT) is State.REPORTED

    assert market.state() is State.HALTED
    assert isinstance(hand_in(market, holder), Answer)


def test_a_day_that_gave_way_refuses_no_transfer_but_the_day_it_gave_way_to_does(market: Any) -> None:
    holder, taker = market.account(tonnes=100), market.account(tonnes=1)
    market.open()
    market.open(NEXT)

    assert refused(transfer(market, holder, taker))
    over = text("UPDATE market_day SET state = 'REPORTED' WHERE day = :day")
    market.write(lambda c: c.execute(over, {"day": NEXT}))
    assert isinstance(transfer(market, holder, taker), Answer)


def test_a_day_halted_on_a_break_keeps_the_holdings_its_trades_rest_on(market: Any) -> None:
    seller, buyer = market.account(tonnes=100), market.account(fen=10_000_000)
    market.open()
    market.clock("09:30")
    market.run_until(State.TRADING)
    market.receive([market.trade(1, seller, buyer, 101, 4_800)])
    market.clock("15:00")
    assert market.run_until(State.HALTED) is State.HALTED

    assert refused(transfer(market, seller, buyer))
    assert refused(hand_in(market, seller))
