"""Every party that does not agree stops the day, and the list of breaks says where."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core.bank.client import BankClient
from core.day import service, store, transitions
from core.day.counterparty import ExchangeFiles
from core.day.rules import State
from core.refusals import Answer
from core.settlement import store as settlement_store

DAY = date(2021, 7, 16)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences are breaks at once here; that they get time is tested where they do."""
    monkeypatch.setattr(transitions, "DEPOSITS_ON_THEIR_WAY_S", 0.0)
    monkeypatch.setattr("core.day.arrows.REFUSALS_ON_THEIR_WAY_S", 0.0)


def breaks(market: Any) -> list[tuple[Any, ...]]:
    found = market.read(lambda c: service.show(c, DAY))["breaks"]
    return [(b["level"], b["party"], b["account"], b["asset"], b["expected"], b["actual"]) for b in found]


def start(market: Any) -> None:
    assert isinstance(market.open(), Answer)
    market.clock("09:30")
    market.run_until(State.TRADING)


def test_selling_more_than_the_opening_data_gave_halts_and_names_the_seller(market: Any) -> None:
    seller, buyer = market.account(tonnes=100), market.account(fen=10_000_000)
    start(market)
    market.receive([market.trade(1, seller, buyer, 60, 4_800), market.trade(2, seller, buyer, 41, 4_800)])
    market.clock("15:00")

    assert market.run_until(State.CLEARED, State.HALTED) is State.HALTED

    assert breaks(market) == [("account", "opening", seller, "CEA-2019", 100, 101)]
    assert market.read(lambda c: settlement_store.clearing_result(c, DAY))["accounts"] == []
    last = market.read(lambda c: store.events(c, DAY))[-1]
    assert (last["state_before"], last["state"]) == (State.SEALED, State.HALTED)
    assert seller in last["detail"]


def test_selling_on_what_was_bought_today_halts(market: Any) -> None:
    seller, middle, buyer = (
        market.account(tonnes=100),
        market.account(fen=10_000_000),
        market.account(fen=10_000_000),
    )
    start(market)
    market.receive([market.trade(1, seller, middle, 50, 4_800), market.trade(2, middle, buyer, 50, 4_900)])
    market.clock("15:00")

    assert market.run_until(State.CLEARED, State.HALTED) is State.HALTED
    assert breaks(market) == [("account", "opening", middle, "CEA-2019", 0, 50)]


def test_cash_counts_in_the_order_of_the_trades(market: Any) -> None:
    """Proceeds of a sale may be spent the same day, but not before the sale."""
    first, second, seller = market.account(tonnes=100), market.account(tonnes=100), market.account(tonnes=101)
    buyer = market.account(fen=10_000_000)
    start(market)
    market.receive(
        [
            market.trade(1, first, buyer, 100, 5_000),  # earns 500,000
            market.trade(2, seller, first, 100, 5_000),  # and spends them: fine
            market.trade(3, first, buyer, 1, 5_000) | {"seller": seller, "buyer": second},  # who earns only later
            market.trade(4, second, buyer, 1, 5_000),
        ]
    )
    market.clock("15:00")

    assert market.run_until(State.CLEARED, State.HALTED) is State.HALTED

    assert breaks(market) == [("account", "opening", second, "CNY", 0, -5_000)]


def test_totals_that_differ_keep_the_day_closed_until_they_agree(market: Any) -> None:
    seller, buyer = market.account(tonnes=100), market.account(fen=10_000_000)
    start(market)
    market.receive([market.trade(1, seller, buyer, 60, 4_800)])
    market.clock("15:00")
    market.write(lambda c: c.execute(text("UPDATE intake SET turnover_fen = turnover_fen + 1")))

    assert market.run_until(State.SEALED) is State.CLOSED

    assert breaks(market) == [
        ("total", "exchange", "", "turnover_fen", 288_001, 288_000),
        ("total", "recomputed", "", "turnover_fen", 288_001, 288_000),
    ]
    assert market.worker.tick() is False
    market.write(lambda c: c.execute(text("UPDATE intake SET turnover_fen = turnover_fen - 1")))
    assert market.run_until(State.REPORTED) is State.REPORTED
    assert breaks(market) == []


def test_a_number_with_two_bodies_keeps_the_day_closed(market: Any) -> None:
    seller, buyer = market.account(tonnes=100), market.account(fen=10_000_000)
    start(market)
    market.receive([market.trade(1, seller, buyer, 60, 4_800)])
    quarantine = text("""
        INSERT INTO trade_quarantine (market_day, appl_id, appl_seq, line, row_known, row_other)
        VALUES (:day, '1', 1, 'B', 'a', 'b')""")
    market.write(lambda c: c.execute(quarantine, {"day": DAY}))
    market.clock("15:00")

    assert market.run_until(State.SEALED) is State.CLOSED
    assert breaks(market) == [("trade", "lines", "", "numbers with two bodies", 0, 1)]


def test_without_the_end_marker_the_day_stays_closed(market: Any) -> None:
    seller, buyer = market.account(tonnes=100), market.account(fen=10_000_000)
    start(market)
    market.receive([market.trade(1, seller, buyer, 60, 4_800)], marker=False)
    market.clock("15:00")

    assert market.run_until(State.SEALED) is State.CLOSED
    assert breaks(market) == []


def test_an_exchange_with_another_result_halts_the_day_and_names_the_account(market: Any) -> None:
    seller, buyer = market.traded_day()
    market.run_until(State.CLEARED)
    market.floor.refuse(DAY.isoformat().replace("-", ""), 3, "a mistake of the exchange")

    assert market.run_until(State.EXCHANGE_CONFIRMED, State.HALTED) is State.HALTED

    found = breaks(market)
    assert ("total", "exchange", "", "trades", 3, 2) in found
    assert {account for level, _, account, *_ in found if level == "account"} == {seller, buyer}
    assert market.read(lambda c: store.refusals(c, DAY, "exchange")) == 1
    assert market.cash(buyer) == 10_000_000


def test_a_bank_that_is_one_fen_off_stops_delivery_and_the_account_is_named(market: Any) -> None:
    _, buyer = market.traded_day()
    market.run_until(State.EXCHANGE_CONFIRMED)
    market.bank_http.post("/sim/adjust", json={"account": buyer, "amount_fen": -1})

    assert market.run_until(State.DELIVERED, State.HALTED) is State.HALTED

    assert breaks(market) == [
        ("total", "B001", "", "CNY", 10_000_000, 9_999_999),
        ("account", "B001", buyer, "CNY", 10_000_000, 9_999_999),
    ]
    assert market.cash(buyer) == 10_000_000


def test_a_deposit_whose_notice_is_on_its_way_is_no_break_yet(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "DEPOSITS_ON_THEIR_WAY_S", 60.0)
    _, buyer = market.traded_day()
    market.run_until(State.EXCHANGE_CONFIRMED)
    market.bank_http.post("/sim/adjust", json={"account": buyer, "amount_fen": 7})

    assert market.run_until(State.DELIVERED, State.HALTED) is State.EXCHANGE_CONFIRMED

    market.bank_http.post("/sim/adjust", json={"account": buyer, "amount_fen": -7})
    reborn = type(market.worker)(market.worker.parties)
    for _ in range(10):
        reborn.tick()
    assert market.state() is State.REPORTED


def test_a_bank_that_cannot_cover_a_movement_halts_and_is_asked_anew_under_another_id(market: Any) -> None:
    """The statement agrees, but other payments are held: the bank says no for this account."""
    _, buyer = market.traded_day()
    market.run_until(State.EXCHANGE_CONFIRMED)
    other = transitions.bank_rules.order_of("B001", date(2021, 7, 15), [(buyer, -9_999_999)], attempt=1)
    market.worker.parties.banks["B001"].hold(other)

    assert market.run_until(State.DELIVERED, State.HALTED) is State.HALTED

    assert breaks(market) == [("account", "B001", buyer, "CNY", -3_036_300, "RJCT AM04")]
    orders = market.read(lambda c: transitions.bank_orders(c, DAY))
    assert [order.message_id for order in orders] == [f"NET-{DAY}-2"]


@pytest.mark.unsound
def test_somebody_short_at_delivery_halts_with_nothing_delivered(market: Any) -> None:
    seller, _ = market.traded_day()
    market.run_until(State.BANK_CONFIRMED)
    take = text("UPDATE ledger_account SET balance = 599 WHERE owner = :seller AND asset <> 'CNY'")
    market.write(lambda c: c.execute(take, {"seller": seller}))

    assert market.run_until(State.DELIVERED, State.HALTED) is State.HALTED
    assert breaks(market) == [("account", "ledger", seller, "CEA-2019", 600, 599)]


@pytest.mark.unsound
def test_two_accountings_that_differ_after_delivery_roll_everything_back(market: Any) -> None:
    seller, buyer = market.traded_day()
    market.run_until(State.BANK_CONFIRMED)
    slip = text("UPDATE ledger_account SET balance = balance + 1 WHERE owner = :seller AND asset <> 'CNY'")
    market.write(lambda c: c.execute(slip, {"seller": seller}))

    assert market.run_until(State.DELIVERED, State.HALTED) is State.HALTED

    assert breaks(market) == [("account", "units", seller, "CEA-2019", 401, 400)]
    assert market.cash(buyer) == 10_000_000
    assert (
        market.read(lambda c: c.execute(text("SELECT count(*) FROM outbox WHERE topic = 'bank_release'")).scalar()) == 0
    )


@pytest.mark.unsound
def test_a_halted_day_moves_no_further_and_blocks_the_next(market: Any) -> None:
    market.traded_day()
    market.run_until(State.BANK_CONFIRMED)
    market.write(lambda c: c.execute(text("UPDATE ledger_account SET balance = 0 WHERE asset = 'CEA-2019'")))
    market.run_until(State.HALTED)

    assert market.worker.tick() is False
    refused = market.open(date(2021, 7, 19))
    assert refused.reason.code == "8004"


def test_parties_that_do_not_answer_are_asked_again_later_and_the_day_waits(market: Any) -> None:
    market.traded_day()
    market.run_until(State.CLEARED)
    parties = market.worker.parties
    exchange_files, banks = parties.exchange, parties.banks

    with httpx.Client(base_url="http://127.0.0.1:1") as nobody:
        parties.exchange = ExchangeFiles([nobody])
        assert market.run_until(State.REPORTED) is State.CLEARED
        market.worker = type(market.worker)(parties)
        parties.exchange, parties.banks = exchange_files, {"B001": BankClient("B001", nobody)}
        assert market.run_until(State.REPORTED) is State.EXCHANGE_CONFIRMED

    parties.banks = banks
    market.worker = type(market.worker)(parties)
    assert market.run_until(State.REPORTED) is State.REPORTED


def test_the_second_line_carries_what_the_first_cannot(market: Any) -> None:
    market.account(tonnes=1)
    line = market.worker.parties.exchange._lines[0]
    with httpx.Client(base_url="http://127.0.0.1:1") as cut:
        market.worker.parties.exchange = ExchangeFiles([cut, line])
        market.open()
        market.worker.tick()

    assert market.state() is State.OPENING_ACKED


def test_deposits_that_come_one_after_the_other_are_never_a_break(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look finds another account ahead at the bank: traffic, not a difference that stays."""
    monkeypatch.setattr(transitions, "DEPOSITS_ON_THEIR_WAY_S", 0.05)
    monkeypatch.setattr("core.day.worker.POLL_S", 0.0)
    seller, buyer = market.traded_day()
    market.run_until(State.EXCHANGE_CONFIRMED)

    for account in (seller, buyer, seller, buyer):
        market.bank_http.post("/sim/adjust", json={"account": account, "amount_fen": 7})
        market.worker.tick()
        time.sleep(0.06)
        market.bank_http.post("/sim/adjust", json={"account": account, "amount_fen": -7})

    assert market.state() is State.EXCHANGE_CONFIRMED
    assert market.run_until(State.REPORTED) is State.REPORTED
