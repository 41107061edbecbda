"""Clearing in SQL says what a plain walk through the trades says, on random days."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from typing import Any

import pytest

from core.day.rules import State
from core.settlement import store as settlement_store
from core.settlement.rules import DisagreementError
from core.settlement.service import clear

DAY = date(2021, 7, 16)


def walk(trades: list[dict[str, Any]], cash: dict[str, int], tonnes: dict[str, int]) -> set[tuple[str, str, int]]:
    """Find who oversells or overspends, one trade after the other."""
    sold: defaultdict[str, int] = defaultdict(int)
    balance, lowest = dict(cash), dict(cash)
    for trade in sorted(trades, key=lambda each: each["executed_at"]):
        amount = trade["quantity"] * trade["price_fen"]
        sold[trade["seller"]] += trade["quantity"]
        balance[trade["buyer"]] -= amount
        lowest[trade["buyer"]] = min(lowest[trade["buyer"]], balance[trade["buyer"]])
        balance[trade["seller"]] += amount
    short = {(account, "CEA-2019", total) for account, total in sold.items() if total > tonnes[account]}
    return short | {(account, "CNY", fen) for account, fen in lowest.items() if fen < 0}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_oversells_or_overspends_is_found_as_by_walking_through_the_trades(market: Any, seed: int) -> None:
    chance = random.Random(seed)
    tonnes = [chance.choice([0, 500, 900]) for _ in range(6)]
    cash = [chance.choice([1_000_000, 2_500_000]) for _ in range(6)]
    accounts = [market.account(tonnes=t, fen=f) for t, f in zip(tonnes, cash, strict=True)]
    market.open()
    market.clock("09:30")
    market.run_until(State.TRADING)
    trades = []
    for n in range(60):
        seller, buyer = chance.sample(accounts, 2)
        trades.append(market.trade(n, seller, buyer, chance.randint(1, 120), chance.randint(4_320, 5_280)))
    market.receive(trades)

    expected = walk(trades, dict(zip(accounts, cash, strict=True)), dict(zip(accounts, tonnes, strict=True)))
    with pytest.raises(DisagreementError) as raised:
        market.write(lambda c: clear(c, DAY, opening_version=1, previous_close_fen={"CEA-2019": 4_800}))

    assert {(b.account, b.asset, b.actual) for b in raised.value.breaks} == expected
    listed = market.read(lambda c: settlement_store.listed_sums(c, DAY))["CEA-2019"]
    assert listed == (sum(t["quantity"] for t in trades), sum(t["quantity"] * t["price_fen"] for t in trades))


def test_the_units_nets_are_worded_apart_and_say_the_same_as_the_obligations(market: Any) -> None:
    market.traded_day()
    market.run_until(State.CLEARED)

    result = market.read(lambda c: settlement_store.clearing_result(c, DAY))
    from_obligations = {
        (account, asset): receives - delivers
        for account, asset, receives, delivers in result["accounts"]
        if asset != "CNY"
    }
    nets = market.read(lambda c: settlement_store.unit_nets(c, DAY))

    assert {(account, vintage.product): tonnes for account, vintage, tonnes in nets} == from_obligations
    assert result["totals"] == {"trades": 3, "turnover_fen": 3_036_300, "quantity": {"CEA-2019": 600}}
