"""The rule book of trades, one row a refusal, and the control totals."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from chaos.simulators.exchange.market import totals_of
from core.exchange import store
from core.exchange.booking import Booked, FencedError, book, open_stream
from core.exchange.rules import Known, Market, Received, Totals, extend, judge
from core.exchange.wire import TradeCaptureReport
from core.parameters.rules import MarketRules, Mode, Product
from core.refusals import Reason

DAY = date(2021, 7, 16)
MODES = {
    "listed": Mode(1, 99_999, 10, ((time(9, 30), time(11, 30)), (time(13), time(15)))),
    "block": Mode(100_000, None, 30, ((time(13), time(15)),)),
}
RULES = MarketRules(DAY, None, 1, MODES, {"CEA-2019": Product(None, {})}, {}, frozenset(), {})


def _market(close: int = 4800, **changes: Any) -> Market:
    return Market.of(replace(RULES, **changes), "1", {"CEA-2019": close})


MARKET = _market()
KNOWN = Known(frozenset({"E1", "E2"}), frozenset({"T9"}), frozenset({"T8"}))
GOOD = {
    "day": "20210716", "appl_id": "1", "trade_id": "T1", "kind": "N", "mode": "listed", "product": "CEA-2019",
    "buyer": "E1", "seller": "E2", "quantity": "100", "price_fen": "4800", "amount_fen": "480000",
    "time": "20210716-01:30:00.000", "refers_to": "",
}  # fmt: skip


def _received(seq: int = 1, **changes: str) -> Received:
    trade = TradeCaptureReport(appl_seq=seq, **(GOOD | changes))  # type: ignore[arg-type]
    return Received.of_body(seq, trade.row() + (f"\x01{trade.refers_to}" if trade.refers_to else ""), "A")


def _reason(**changes: str) -> Reason | None:
    return judge([_received(**changes)], MARKET, KNOWN)[0]


BREAKS = [
    # Each row breaks one rule; the order is the precedence, which the test below walks down.
    (Reason.TRADE_INVALID, {"kind": "X"}),
    (Reason.TRADE_DAY, {"day": "20210719"}),
    (Reason.TRADE_HOURS, {"time": "20210716-07:00:00.001"}),
    (Reason.TRADE_BUYER, {"buyer": "E3"}),
    (Reason.TRADE_SELLER, {"seller": "E4"}),
    (Reason.TRADE_PRODUCT, {"product": "CEA-2020"}),
    (Reason.TRADE_AMOUNT, {"amount_fen": "480001"}),
    (Reason.TRADE_LIMIT, {"price_fen": "5281", "amount_fen": "528100"}),
    (Reason.TRADE_SIZE, {"quantity": "100000", "amount_fen": "480000000"}),
    (Reason.TRADE_ID_SEEN, {"trade_id": "T9"}),
    (Reason.TRADE_REFERENCE, {"refers_to": "T8"}),
]


def test_a_legal_trade_is_accepted() -> None:
    assert _reason() is None


@pytest.mark.parametrize(("reason", "changes"), BREAKS)
def test_every_rule_refuses_with_its_own_reason(reason: Reason, changes: dict[str, str]) -> None:
    assert _reason(**changes) is reason


def test_buyer_and_seller_are_two() -> None:
    assert _reason(seller="E1") is Reason.TRADE_SELF


@pytest.mark.parametrize("place", range(len(BREAKS)))
def test_the_most_important_refusal_is_the_one_reported(place: int) -> None:
    """A trade that breaks a rule and every later one is refused for the first."""
    changes: dict[str, str] = {}
    for _, later in reversed(BREAKS[place:]):
        changes |= later
    values = GOOD | changes
    if place > [reason for reason, _ in BREAKS].index(Reason.TRADE_AMOUNT):
        changes["amount_fen"] = str(int(values["quantity"]) * int(values["price_fen"]))
    assert _reason(**changes) is BREAKS[place][0]


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "1.5"}, {"quantity": "0"}, {"quantity": "-1"}, {"quantity": "007"}, {"quantity": ""},
        {"price_fen": "48.00"}, {"amount_fen": "٣"}, {"trade_id": ""}, {"trade_id": "a|b"}, {"mode": "auction"},
        {"kind": ""}, {"time": "20210716-01:30:00"}, {"time": "20210716-25:30:00.000"}, {"appl_id": "2"},
        {"time": "2021-07-16T01:30:00Z"}, {"quantity": "9" * 19},
    ],
)  # fmt: skip
def test_a_field_that_the_database_could_not_give_back_exactly_is_refused(changes: dict[str, str]) -> None:
    assert _reason(**changes) is Reason.TRADE_INVALID


@pytest.mark.parametrize(
    ("mode", "time", "expected"),
    [
        ("listed", "01:29:59.999", Reason.TRADE_HOURS), ("listed", "03:30:00.000", None),
        ("listed", "03:30:00.001", Reason.TRADE_HOURS), ("listed", "05:00:00.000", None),
        ("listed", "07:00:00.000", None), ("block", "02:00:00.000", Reason.TRADE_HOURS),
        ("block", "05:00:00.000", None),
    ],
)  # fmt: skip
def test_trading_hours_include_both_ends_and_blocks_trade_in_the_afternoon(
    mode: str, time: str, expected: Reason | None
) -> None:
    size = {"quantity": "100000", "amount_fen": "480000000"} if mode == "block" else {}
    assert _reason(mode=mode, time=f"20210716-{time}", **size) is expected


@pytest.mark.parametrize(
    ("previous", "mode", "price", "expected"),
    [
        (4800, "listed", 5280, None), (4800, "listed", 4320, None), (4800, "listed", 4319, Reason.TRADE_LIMIT),
        (5296, "listed", 5826, None),  # 58.256 rounds up: a day that truncation would have refused
        (4800, "block", 6240, None), (4800, "block", 6241, Reason.TRADE_LIMIT), (4800, "block", 3360, None),
        (4805, "block", 3364, None), (4805, "block", 3363, Reason.TRADE_LIMIT),  # 33.635 rounds up to 33.64
    ],
)  # fmt: skip
def test_limits_are_rounded_half_up_before_they_are_compared(
    previous: int, mode: str, price: int, expected: Reason | None
) -> None:
    quantity = 100_000 if mode == "block" else 10
    market = _market(previous)
    trade = _received(
        mode=mode, price_fen=str(price), quantity=str(quantity), amount_fen=str(price * quantity),
        time="20210716-05:00:00.000",
    )  # fmt: skip
    assert judge([trade], market, KNOWN) == [expected]


@pytest.mark.parametrize(
    ("mode", "quantity", "expected"),
    [("listed", 99_999, None), ("listed", 100_000, Reason.TRADE_SIZE),
     ("block", 99_999, Reason.TRADE_SIZE), ("block", 100_000, None)],
)  # fmt: skip
def test_listed_trades_stay_below_the_size_that_blocks_reach(mode: str, quantity: int, expected: Reason | None) -> None:
    values = {"mode": mode, "quantity": str(quantity), "amount_fen": str(quantity * 4800)}
    assert _reason(**values, time="20210716-05:00:00.000") is expected


@pytest.mark.parametrize(("price", "expected"), [(4801, Reason.TRADE_TICK), (4805, None), (5285, Reason.TRADE_LIMIT)])
def test_a_price_is_a_multiple_of_the_tick(price: int, expected: Reason | None) -> None:
    trade = _received(price_fen=str(price), amount_fen=str(price * 100))
    assert judge([trade], _market(tick_fen=5), KNOWN) == [expected]


def test_a_mode_that_does_not_trade_has_no_hours() -> None:
    block = _received(mode="block", quantity="100000", amount_fen="480000000", time="20210716-05:00:00.000")
    assert judge([block], _market(modes={"listed": MODES["listed"]}), KNOWN) == [Reason.TRADE_HOURS]


def test_limits_of_a_product_come_before_those_of_its_mode() -> None:
    market = _market(products={"CEA-2019": Product(None, {"listed": 5})})
    batch = [_received(n, trade_id=f"T{n}", price_fen=p, amount_fen=p + "00") for n, p in [(1, "5040"), (2, "5041")]]
    assert judge(batch, market, KNOWN) == [None, Reason.TRADE_LIMIT]


def test_trades_of_one_batch_count_for_each_other() -> None:
    cancel = {"kind": "C", "refers_to": "T1"}
    batch = [
        _received(1), _received(2), _received(3, trade_id="T2", **cancel), _received(4, trade_id="T3", **cancel),
        _received(5, trade_id="T4", kind="R", refers_to="T8"), _received(6, trade_id="T5", kind="C", refers_to="T4"),
    ]  # fmt: skip
    seen, unknown = Reason.TRADE_ID_SEEN, Reason.TRADE_REFERENCE
    assert judge(batch, MARKET, KNOWN) == [None, seen, None, unknown, None, None]


def test_totals_hold_every_number_received_whatever_became_of_it() -> None:
    batch = [_received(1), _received(2, quantity="x"), _received(3, kind="C", trade_id="a|b")]
    totals = extend(Totals(), batch)
    chain = bytes(32)
    for received in batch:
        chain = hashlib.sha256(chain + received.row.encode() + b"\n").digest()
    assert totals == Totals(2, 1, 3, {"CEA-2019": 100}, 960_000, chain.hex())
    assert extend(extend(Totals(), batch[:1]), batch[1:]) == totals
    assert Totals.of_json(totals.as_json()) == totals


def test_the_canonical_row_is_byte_exact() -> None:
    assert _received(7).row == ("20210716|1|7|T1|N|listed|CEA-2019|E1|E2|100|4800|480000|20210716-01:30:00.000")


# --- the same rules against the database ---

SET_UP = text("""
INSERT INTO account (number, name, state)
SELECT 'E42-0000100' || n || '-00', 'A', 'OPEN' FROM generate_series(1, 4) n
""")
DAY_OPEN = text("INSERT INTO market_day VALUES ('2021-07-16', 'TRADING', 0, 0)")
PRODUCTS = text("INSERT INTO market_day_product VALUES ('2021-07-16', 'CEA-2019', 4800)")


@pytest.fixture
def open_day(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for statement in (SET_UP, DAY_OPEN, PRODUCTS):
            connection.execute(statement)
    return engine


def _random_trades(count: int, seed: int) -> list[TradeCaptureReport]:
    """Mostly legal trades with every kind of damage among them, cancels and corrections too."""
    dice = random.Random(seed)
    trades = []
    for seq in range(1, count + 1):
        quantity, price = dice.randint(1, 500), dice.randint(4320, 5280)
        kind = dice.choices("NCR", (20, 1, 1))[0]
        changes = {
            "trade_id": f"T{seq}", "quantity": str(quantity), "price_fen": str(price), "kind": kind,
            "amount_fen": str(quantity * price), "buyer": f"E42-0000100{dice.randint(1, 2)}-00",
            "seller": f"E42-0000100{dice.randint(3, 4)}-00", "refers_to": "" if kind == "N" else f"T{seq // 2}",
            "time": f"20210716-0{dice.randint(5, 6)}:{dice.randint(0, 59):02d}:30.{dice.randint(0, 999):03d}",
        }  # fmt: skip
        if dice.random() < 0.1:
            damage = dice.choice(
                ["quantity", "price_fen", "trade_id", "product", "buyer", "time", "mode", "amount_fen"]
            )
            changes[damage] = dice.choice(["", "x|y", "-1", "T1", "back\\slash", "配额", "01"])
        trades.append(TradeCaptureReport(appl_seq=seq, **(GOOD | changes)))  # type: ignore[arg-type]
    return trades


def _batches(trades: Sequence[TradeCaptureReport], size: int) -> list[list[Received]]:
    all_received = [
        Received.of_body(t.appl_seq, t.row() + (f"\x01{t.refers_to}" if t.refers_to else ""), "A") for t in trades
    ]
    return [all_received[at : at + size] for at in range(0, len(trades), size)]


@pytest.mark.parametrize("seed", range(3))
def test_running_recomputed_and_the_exchanges_own_totals_agree_on_any_trades(open_day: Engine, seed: int) -> None:
    trades = _random_trades(2000, seed)
    stream = open_stream(open_day, DAY, "1")
    refused = 0
    for batch in _batches(trades, 333):
        booked = book(open_day, stream, batch)  # type: ignore[arg-type]
        assert isinstance(booked, Booked)
        stream, refused = booked.stream, refused + len(booked.refused)
    theirs = totals_of(trades)
    with open_day.connect() as connection:
        running, recomputed = store.running(connection, DAY), store.recomputed(connection, DAY)
        bodies = store.bodies(connection, MARKET, [trade.appl_seq for trade in trades])
    assert running is not None
    assert running == recomputed
    assert (running.new_count, running.changed_count, running.turnover_fen, running.sha256_hex) == (
        theirs.new_count, theirs.changed_count, theirs.turnover_fen, theirs.sha256_hex,
    )  # fmt: skip
    assert running.quantity == theirs.quantity
    assert 50 < refused < 500
    assert bodies == {
        r.seq: r.row + (f"\x01{r.refers_to}" if r.refers_to else "") for b in _batches(trades, 50) for r in b
    }


def test_batches_of_any_size_decide_alike(open_day: Engine) -> None:
    """A trade id taken or a trade changed in an earlier batch counts like one of the same batch."""
    trades = _random_trades(600, 7)
    known = Known({f"E42-0000100{n}-00" for n in range(1, 5)})
    at_once = judge(_batches(trades, 600)[0], MARKET, known)
    stream = open_stream(open_day, DAY, "1")
    one_by_one: dict[int, Reason] = {}
    for batch in _batches(trades, 7):
        booked = book(open_day, stream, batch)  # type: ignore[arg-type]
        assert isinstance(booked, Booked)
        stream = booked.stream
        one_by_one |= {received.seq: reason for received, reason in booked.refused}
    assert one_by_one == {seq: reason for seq, reason in enumerate(at_once, start=1) if reason is not None}


def test_an_old_leader_is_fenced_and_books_nothing(open_day: Engine) -> None:
    old = open_stream(open_day, DAY, "1")
    open_stream(open_day, DAY, "1")
    with pytest.raises(FencedError):
        book(open_day, old, _batches(_random_trades(10, 1), 10)[0])  # type: ignore[arg-type]
    with open_day.connect() as connection:
        assert _count(connection) == 0


def test_a_batch_that_is_booked_already_is_not_booked_again(open_day: Engine) -> None:
    stream = open_stream(open_day, DAY, "1")
    batch = _batches(_random_trades(10, 1), 10)[0]
    book(open_day, stream, batch)  # type: ignore[arg-type]
    with pytest.raises(FencedError):
        book(open_day, stream, batch)  # type: ignore[arg-type]
    with open_day.connect() as connection:
        assert _count(connection) == 10


def test_a_trade_after_the_end_marker_is_kept_refused_and_outside_the_totals(open_day: Engine) -> None:
    trades = _random_trades(30, 2)
    batches = _batches(trades, 20)
    stream = open_stream(open_day, DAY, "1")
    booked = book(open_day, stream, batches[0])  # type: ignore[arg-type]
    assert isinstance(booked, Booked)
    with open_day.begin() as connection:
        assert store.put_marker(connection, MARKET, epoch=1, marker=booked.stream.totals)
    late = book(open_day, booked.stream, batches[1])
    assert isinstance(late, Booked)
    assert {reason for _, reason in late.refused} == {Reason.TRADE_AFTER_END}
    book(open_day, booked.stream, batches[1])  # again, as the other line would
    with open_day.connect() as connection:
        assert _count(connection) == 30
        assert store.recomputed(connection, DAY) == store.running(connection, DAY) == booked.stream.totals


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM trade")).scalar_one())
