"""The market's rules change while it trades: today goes on untouched, and the next day has them."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from core.approvals import service as approvals
from core.callers import Caller
from core.day import foresight, rulebook, service, store
from core.day.rules import State
from core.exchange import store as exchange
from core.exchange.foresight import store as foreseen
from core.exchange.rules import Bounds, Known, Market, Received, judge
from core.parameters import service as parameters
from core.quantities import Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units

DAY, NEXT, TUESDAY = date(2021, 7, 16), date(2021, 7, 19), date(2021, 7, 20)
ANN, BOB = Caller("ann", frozenset({"maker"})), Caller("bob", frozenset({"checker"}))
NEW = {"open": True, "base_price_fen": 5_800}


def change(kind: str, name: str, value: dict[str, Any], day: date | None = NEXT) -> dict[str, Any]:
    return {"kind": kind, "name": name, "value": value, "effective_from": None if day is None else day.isoformat()}


def body(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"changes": list(changes), "why": "a test"}


def decide(market: Any, *changes: dict[str, Any]) -> None:
    """Let one person propose and another approve."""
    proposed = market.write(lambda c: parameters.propose(c, ANN, body(*changes)))
    assert isinstance(proposed, Answer), proposed
    task = str(proposed.body["id"])
    done = market.write(lambda c: approvals.approve(c, BOB, task, parameters.EXECUTORS))
    assert isinstance(done, Answer), done


def foresee(market: Any, *changes: dict[str, Any]) -> dict[str, Any]:
    answer = market.read(lambda c: foresight.dry_run(c, ANN, body(*changes)))
    assert isinstance(answer, Answer), answer
    return dict(answer.body["outcome"])


def trading(market: Any) -> tuple[str, str]:
    """Open the first day and let it trade; nothing was traded yet."""
    seller, buyer = market.account(tonnes=1_000), market.account(fen=10_000_000)
    market.account(tonnes=500, product="CEA-2021")
    assert isinstance(market.open(), Answer)
    market.clock("09:30")
    assert market.run_until(State.TRADING) is State.TRADING
    return seller, buyer


def judged(market: Any, day: date, *trades: dict[str, Any]) -> list[Reason | None]:
    """Decide trades as the intake of the day does."""

    def work(connection: Any) -> list[Reason | None]:
        rules = exchange.market(connection, day, exchange.APPL_ID)
        batch = [received(n, day, trade) for n, trade in enumerate(trades, start=1)]
        return judge(batch, rules, exchange.known(connection, day, batch, with_ids=True))

    return market.read(work)


def received(n: int, day: date, trade: dict[str, Any]) -> Received:
    at = datetime.fromisoformat(trade["executed_at"]).strftime("%H:%M:%S.000")
    fields = (trade["mode"], trade["product"], trade["buyer"], trade["seller"], trade["quantity"], trade["price_fen"])
    amount = trade["quantity"] * trade["price_fen"]
    facts = "|".join(map(str, fields))
    return Received.of_body(n, f"{day:%Y%m%d}|1|{n}|{trade['trade_id']}|N|{facts}|{amount}|{day:%Y%m%d}-{at}", "A")


def utc(trade: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(trade["executed_at"]) - timedelta(hours=8)
    return trade | {"executed_at": at.replace(tzinfo=None).isoformat()}


def test_a_product_comes_in_while_the_market_trades(market: Any) -> None:
    seller, buyer = trading(market)
    owner = market.accounts[2]
    new = utc(market.trade(1, owner, buyer, 100, 6_380, product="CEA-2021"))
    old = utc(market.trade(2, seller, buyer, 100, 5_280))
    before = market.read(lambda c: (service.show(c, DAY), rulebook.show(c, DAY)))

    decide(market, change("product", "CEA-2021", NEW))

    assert market.read(lambda c: (service.show(c, DAY), rulebook.show(c, DAY))) == before
    assert market.state() is State.TRADING
    assert judged(market, DAY, new, old) == [Reason.TRADE_PRODUCT, None]
    market.receive([market.trade(1, seller, buyer, 100, 5_000)])
    market.clock("15:00")
    assert market.run_until(State.REPORTED) is State.REPORTED
    assert market.read(lambda c: store.products(c, NEXT)) == [
        store.Product("CEA-2019", 5_000, None),
        store.Product("CEA-2021", 5_800, None),
    ]
    market.run_until(State.OPENING_ACKED, day=NEXT)
    assert market.floor.opening.totals == {"CEA-2019": 1_000 - 100 + 100, "CEA-2021": 500, "CNY": 10_000_000}
    too_dear = new | {"trade_id": "T3", "price_fen": 6_381}
    assert judged(market, NEXT, new, old, too_dear) == [None, None, Reason.TRADE_LIMIT]


def test_the_new_product_is_traded_settled_and_closes(market: Any) -> None:
    _, buyer = trading(market)
    owner = market.accounts[2]
    decide(market, change("product", "CEA-2021", NEW))
    market.receive([])
    market.clock("15:00")
    market.run_until(State.REPORTED)
    market.run_until(State.OPENING_ACKED, day=NEXT)
    market.clock("09:30", NEXT)
    market.run_until(State.TRADING, day=NEXT)

    at = {"executed_at": f"{NEXT}T10:00:00+08:00"}
    market.receive([market.trade(1, owner, buyer, 100, 6_000, product="CEA-2021", **at)], NEXT)
    market.clock("15:00", NEXT)

    assert market.run_until(State.REPORTED, day=NEXT) is State.REPORTED
    assert [p.close_fen for p in market.read(lambda c: store.products(c, NEXT))] == [4_800, 6_000]
    assert market.read(units.totals)[buyer, 2021] == 100
    assert [p.previous_close_fen for p in market.read(lambda c: store.products(c, TUESDAY))] == [4_800, 6_000]


def test_a_product_of_which_nothing_was_issued_waits(market: Any) -> None:
    market.account(tonnes=10)
    decide(market, change("product", "CEA-2021", NEW, DAY))

    assert isinstance(market.open(day=DAY), Answer)

    assert market.read(lambda c: units.issued(c, Vintage(2021))) == 0
    assert [p.product for p in market.read(lambda c: store.products(c, DAY))] == ["CEA-2019"]


def test_a_day_opens_with_the_products_in_force_when_none_is_named(market: Any) -> None:
    market.account(tonnes=10)
    market.account(tonnes=10, product="CEA-2020")  # in force, and without a price yet
    asked = {"day": DAY.isoformat(), "cumulative_t": 0, "cumulative_fen": 0}
    operator = Caller("operator", frozenset({"operator"}))

    assert isinstance(market.write(lambda c: service.open_day(c, operator, asked)), Answer)

    assert market.read(lambda c: store.products(c, DAY)) == [store.Product("CEA-2019", 4_800, None)]


def test_without_any_product_that_has_a_price_no_day_opens(market: Any) -> None:
    market.account(tonnes=10, product="CEA-2020")
    asked = {"day": DAY.isoformat(), "cumulative_t": 0, "cumulative_fen": 0}
    operator = Caller("operator", frozenset({"operator"}))
    refused = market.read(lambda c: service.open_day(c, operator, asked))

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PRODUCT_UNKNOWN


def test_a_product_that_is_issued_and_not_in_force_opens_no_day(market: Any) -> None:
    market.account(tonnes=10, product="CEA-2021")
    refused = market.open(products={"CEA-2021": 5_800})

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PRODUCT_UNKNOWN


def test_a_product_that_is_closed_leaves_with_the_next_day(market: Any) -> None:
    trading(market)
    decide(market, change("product", "CEA-2021", NEW), change("product", "CEA-2019", NEW | {"open": False}))
    market.receive([])
    market.clock("15:00")
    market.run_until(State.REPORTED)

    assert [p.product for p in market.read(lambda c: store.products(c, NEXT))] == ["CEA-2021"]


def test_the_next_day_is_the_next_trading_day_by_decision(market: Any) -> None:
    trading(market)
    decide(market, change("calendar", NEXT.isoformat(), {"open": False, "why": "typhoon"}, None))
    market.receive([])
    market.clock("15:00")
    market.run_until(State.REPORTED)

    assert market.read(store.newest).day == TUESDAY
    assert market.open(NEXT).reason is Reason.MARKET_CLOSED


def test_a_day_closed_after_its_opening_data_were_sent_gives_way_to_the_next(market: Any) -> None:
    market.traded_day()
    market.run_until(State.REPORTED)
    market.run_until(State.OPENING_ACKED, day=NEXT)
    first = market.read(lambda c: service.show(c, NEXT))

    decide(market, change("calendar", NEXT.isoformat(), {"open": False, "why": "typhoon"}, None))
    market.worker.tick()

    assert market.state(NEXT) is State.HALTED
    gave_way = market.read(lambda c: service.show(c, NEXT))
    assert gave_way["breaks"] == []
    assert gave_way["events"][-1]["detail"] == f"closed by decision before any trade, gave way to {TUESDAY}"
    second = market.read(lambda c: service.show(c, TUESDAY))
    for same in ("products", "cumulative_before_t", "cumulative_before_fen"):
        assert second[same] == first[same]
    assert market.run_until(State.OPENING_ACKED, day=TUESDAY) is State.OPENING_ACKED


def test_hours_of_the_day_start_and_end_its_trading(market: Any) -> None:
    late = [["10:00", "11:30"], ["13:00", "16:00"]]
    decide(market, change("hours", "listed", {"sessions": late}, DAY))
    market.account(tonnes=10)
    market.open()

    market.clock("09:59")
    assert market.run_until(State.TRADING) is State.OPENING_ACKED
    market.clock("10:00")
    assert market.run_until(State.TRADING) is State.TRADING
    market.clock("15:30")
    assert market.run_until(State.CLOSED) is State.TRADING
    market.clock("16:00")
    assert market.run_until(State.CLOSED) is State.CLOSED


def test_a_close_is_rounded_to_the_tick(market: Any) -> None:
    decide(market, change("tick", "price", {"fen": 5}, DAY))
    seller, buyer = market.account(tonnes=1_000), market.account(fen=10_000_000)
    market.open()
    market.clock("09:30")
    market.run_until(State.TRADING)
    rows = [market.trade(1, seller, buyer, 1, 4_800), market.trade(2, seller, buyer, 1, 4_805)]
    market.receive(rows)
    market.clock("15:00")
    market.run_until(State.REPORTED)

    assert [p.close_fen for p in market.read(lambda c: store.products(c, DAY))] == [4_805]  # 48.025, half up


EVERYTHING = [
    [change("product", "CEA-2021", NEW)],
    [change("limit", "listed", {"percent": 3}), change("limit", "block/CEA-2019", {"percent": 5})],
    [change("tick", "price", {"fen": 5}), change("mode", "listed", {"open": True, "least_t": 150, "most_t": 250})],
    [change("hours", "listed", {"sessions": [["10:00", "11:00"]]}), change("sector", "steel", {
        "open": True, "title": "Steel", "published": "钢铁"})],
    [change("product", "CEA-2019", NEW | {"open": False}), change("product", "CEA-2021", NEW)],
    [change("cap", "CEA-2019", {"tonnes": 5_000}), change("vintage", "CEA-2024", {"open": False})],
    [change("calendar", "2021-07-20", {"open": False, "why": "typhoon"}, None), change("tick", "price", {"fen": 2})],
]  # fmt: skip


@pytest.mark.parametrize("changes", EVERYTHING)
def test_a_dry_run_shows_what_the_change_then_does(market: Any, changes: list[dict[str, Any]]) -> None:
    seller, buyer = trading(market)
    market.receive([
        market.trade(1, seller, buyer, 100, 4_800),
        market.trade(2, seller, buyer, 200, 5_001),
        market.trade(3, seller, buyer, 300, 5_280),
    ])  # fmt: skip
    market.clock("15:00")

    shown = foresee(market, *changes)

    assert market.read(lambda c: rulebook.show(c, NEXT)) == shown["days"][0]["before"]
    decide(market, *changes)
    assert market.read(lambda c: rulebook.show(c, NEXT)) == shown["days"][0]["after"]
    days = shown["trading_days"]
    calendar = [market.read(lambda c, d=day: parameters.market_rules(c, d)) for day in span(days["after"], 40)]
    assert [rules.day.isoformat() for rules in calendar if rules.is_trading_day][:10] == days["then"]
    assert refused_by_the_new_rules(market) == {row["code"]: row["trades"] for row in shown["trades"]["refused_then"]}
    assert shown["trades"]["refused_now"] == []


def span(start: str, days: int) -> list[date]:
    return [date.fromisoformat(start) + timedelta(days=n) for n in range(1, days)]


def refused_by_the_new_rules(market: Any) -> dict[str, int]:
    """Count by code what the intake would refuse of Friday's trades under Monday's rules."""
    found: dict[str, int] = {}
    for one in judged_again(market):
        if one is not None:
            found[one.code] = found.get(one.code, 0) + 1
    return found


def judged_again(market: Any) -> list[Reason | None]:
    def work(connection: Any) -> list[Reason | None]:
        rules = parameters.market_rules(connection, NEXT)
        closes = {"CEA-2019": 4_800} if "CEA-2019" in rules.products else {}
        hold = Market.of(rules, exchange.APPL_ID, closes)
        rows = exchange.bodies(connection, Market.of(rules_of(connection), exchange.APPL_ID, {}), [1, 2, 3])
        batch = [Received.of_body(seq, row.replace("20210716", "20210719"), "A") for seq, row in sorted(rows.items())]
        accounts = Known(frozenset(n for one in batch for n in one.values[7:9]))
        return judge(batch, hold, accounts)

    return market.read(work)


def rules_of(connection: Any) -> Any:
    return parameters.market_rules(connection, DAY)


def test_a_dry_run_writes_nothing_and_refuses_what_the_proposal_would(market: Any) -> None:
    trading(market)
    shown = foresee(market, change("product", "CEA-2021", NEW))

    assert shown["days"][0]["products"] == {"added": ["CEA-2021"], "removed": []}
    assert shown["days"][0]["holders"] == {"CEA-2021": {"accounts": 1, "tonnes": 500}}
    assert shown["trades"] is None
    assert foresee(market, change("product", "CEA-2021", NEW)) == shown
    late = market.read(lambda c: foresight.dry_run(c, ANN, body(change("tick", "price", {"fen": 5}, DAY))))
    assert isinstance(late, Refused)
    assert late.reason is Reason.PARAMETER_LATE
    stranger = market.read(lambda c: foresight.dry_run(c, BOB, body(change("tick", "price", {"fen": 5}))))
    assert isinstance(stranger, Refused)
    assert stranger.reason is Reason.NOT_PERMITTED


@pytest.mark.parametrize("seed", range(3))
def test_sql_and_python_refuse_the_same_trades_for_the_same_reason(market: Any, seed: int) -> None:
    draw = random.Random(seed)
    seller, buyer = market.account(tonnes=1), market.account(fen=1)
    market.open()
    market.clock("09:30")
    market.run_until(State.TRADING)
    modes, products = ("listed", "block"), ("CEA-2019", "CEA-2020", "CEA-2021")
    rows = []
    for n in range(1, 201):
        quantity, price = draw.choice([1, 10, 99, 100, 101, 500]), draw.randrange(95, 106)
        at = f"2021-07-16T{draw.randrange(9, 16):02d}:{draw.choice(['00', '29', '30', '31'])}:00.{draw.choice('01')}00"
        facts = {"mode": draw.choice(modes), "product": draw.choice(products), "executed_at": f"{at}+08:00"}
        rows.append(market.trade(n, seller, buyer, quantity, price, **facts))
    market.receive(rows)

    def bounds() -> Bounds:
        return Bounds(
            draw.randrange(94, 100), draw.randrange(100, 107), draw.choice([1, 10]), draw.choice([100, 10**9])
        )

    hours = {"listed": [("01:30:00.000", "03:30:00.000"), ("05:00:00.000", "07:00:00.000")], "block": []}
    hours["block"] = draw.choice([[], [("05:00:00.000", "07:00:00.000")]])
    other = Market(
        DAY,
        "1",
        draw.choice([1, 2, 5]),
        hours,
        {product: {mode: bounds() for mode in modes} for product in products[:2]},
    )

    found = market.read(lambda c: foreseen.foresee(c, other, limit=1000))

    stored = market.read(lambda c: exchange.bodies(c, other, list(range(1, 201))))
    batch = [Received.of_body(seq, row, "A") for seq, row in sorted(stored.items())]
    expected = dict(zip(range(1, 201), judge(batch, other, Known(frozenset({seller, buyer}))), strict=True))
    assert {row["appl_seq"]: row["refusal"] for row in found.first} == {
        seq: reason.code for seq, reason in expected.items() if reason is not None
    }
    assert found.accepted == sum(reason is None for reason in expected.values())
    assert sum(trades for trades, _ in found.refused.values()) == len(found.first)
