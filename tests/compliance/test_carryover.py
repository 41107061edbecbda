"""Carry-over by formula: whose figures are data, with both accountings cancelled and issued together."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from core.accounts.rules import Account, Side
from core.carryover import service as carryover
from core.carryover.rules import Application, RuleSet, Standing, decide, read_rule
from core.ledger import store as ledger
from core.ledger.rules import CANCELLED, RESTRICTED, Transfer, place_of
from core.quantities import Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units

E = "E42-00001001-60"
NOW = datetime.fromisoformat("2021-07-15T09:00:00+08:00")
BODY: dict[str, Any] = {
    "name": "power",
    "vintages": [2019, 2020],
    "to_vintage": 2024,
    "sold_vintages": [2019, 2020, 2024],
    "sold_from": "2021-07-01",
    "sold_until": "2021-12-31",
    "apply_until": "2021-12-31",
    "reason": "plan",
}
RULE = RuleSet(
    "power", 1, (2019, 2020), 2024, 10_000, 1500, (2019,), date(2021, 7, 1), date(2021, 12, 31), date(2021, 12, 31)
)


@pytest.mark.parametrize(
    ("net_sold", "limit"),
    [(0, 10_000), (-1, 10_000), (-(10**12), 10_000), (1, 10_001), (2, 10_003), (3, 10_004), (10_000, 25_000)],
)
def test_the_limit_is_the_base_and_one_and_a_half_times_net_sales_in_whole_tonnes(net_sold: int, limit: int) -> None:
    assert RULE.limit(net_sold) == limit


def account(state: str = "OPEN", restriction: str | None = None) -> Account:
    return Account(
        number=E,
        name="Firm",
        credit_code=None,
        state=state,
        bank="B001",
        applied_at=NOW,
        opened_at=NOW,
        restriction=restriction,
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": Side(None, 0)}, Reason.SOURCE_UNKNOWN),
        ({"source": Side(account("APPLIED"), 0)}, Reason.SOURCE_NOT_OPEN),
        ({"source": Side(account("RESTRICTED", "out"), 100)}, None),  # as with a surrender: who may not sell may comply
        ({"source": Side(account("RESTRICTED", "all"), 100)}, Reason.SOURCE_RESTRICTED),
        ({"trading": True, "application": Application(E, "x", 0)}, Reason.SOURCE_WITH_EXCHANGE),
        ({"application": Application(E, "x", 0)}, Reason.QUANTITY_INVALID),
        ({"application": Application(E, "x", 5)}, Reason.PRODUCT_UNKNOWN),
        ({"source": Side(account(), 4), "rule": None}, Reason.INSUFFICIENT_UNITS),
        ({"rule": None}, Reason.CARRY_OVER_UNRULED),
        ({"today": date(2022, 1, 1), "standing": Standing(0, 10_000)}, Reason.CARRY_OVER_TOO_LATE),
        ({"standing": Standing(0, 9_996)}, Reason.CARRY_OVER_OVER_LIMIT),
        ({"standing": Standing(0, 9_995)}, None),
    ],
)
def test_a_carry_over_is_refused_for_the_first_reason_there_is(change: dict[str, Any], reason: Reason | None) -> None:
    facts: dict[str, Any] = {
        "application": Application(E, "CEA-2019", 5),
        "source": Side(account(), 100),
        "set_aside": 0,
        "trading": False,
        "rule": RULE,
        "standing": Standing(0, 0),
        "today": date(2021, 12, 31),
        **change,
    }
    decided = decide(facts.pop("application"), **facts)
    assert (decided.reason if isinstance(decided, Refused) else None) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"vintages": []},
        {"vintages": [2024]},
        {"vintages": [2019, 2019]},
        {"to_vintage": 2020},
        {"to_vintage": "2024"},
        {"base_t": -1},
        {"base_t": 1.5},
        {"factor_thousandths": 10**6},
        {"sold_from": "2022-01-01"},
        {"apply_until": "soon"},
        {"sold_vintages": []},
    ],
)
def test_a_rule_set_that_is_none_is_refused(change: dict[str, Any]) -> None:
    assert isinstance(read_rule({**BODY, **change}), Refused)


def lay_down(world: Any, **change: Any) -> Any:
    proposed = world.do(lambda c: carryover.propose_rule(c, world.ann, {**BODY, **change}))
    return world.approve(proposed, world.bob) if isinstance(proposed, Answer) else proposed


def span(block: Any) -> str:
    return f"{block['first']}..{block['last']}"


def apply(world: Any, account: str, tonnes: Any, product: str = "CEA-2019") -> Any:
    body = {"account": account, "product": product, "tonnes": tonnes}
    return world.do(lambda c: carryover.propose(c, world.ann, body))


def trade(world: Any, seller: str, buyer: str, tonnes: int, day: str, product: str = "CEA-2019") -> None:
    """Deliver a trade of that day."""
    on, vintage, name = date.fromisoformat(day), Vintage.of_product(product), f"trade:{seller}:{buyer}:{day}:{product}"
    legs = [
        Transfer(name, place_of(seller, product), place_of(buyer, product, "bought_today"), tonnes, "TRADE_UNITS", "t")
    ]

    def work(connection: Any) -> None:
        ledger.post(connection, legs, market_day=on)
        nets = [(seller, vintage, -tonnes), (buyer, vintage, tonnes)]
        units.deliver(connection, nets, reference=f"day:{day}", market_day=on)

    world.do(work)


def test_units_are_cancelled_in_one_vintage_and_issued_in_the_other_in_both_accountings(world: Any) -> None:
    lay_down(world)
    firm = world.firm({"CEA-2019": 30_000})
    proposed = apply(world, firm, 10_000)
    assert world.held(firm) == {("CEA-2019", "available"): 20_000, ("CEA-2019", RESTRICTED): 10_000}
    assert world.approve(proposed, world.bob).reason == Reason.NOT_PERMITTED
    outcome = world.approve(proposed, world.hubei).body["outcome"]
    assert outcome == {
        "carried_over": 10_000,
        "cancelled": [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000010000", "tonnes": 10_000}],
        "issued": {"first": "CEA-2024-000000000001", "last": "CEA-2024-000000010000", "tonnes": 10_000},
    }
    assert world.held(firm) == {("CEA-2019", "available"): 20_000, ("CEA-2024", "available"): 10_000}
    assert world.serials(CANCELLED) == [span(one) for one in outcome["cancelled"]]
    assert world.serials(firm)[-1] == span(outcome["issued"])
    assert apply(world, firm, 1).reason == Reason.CARRY_OVER_OVER_LIMIT


def test_net_sales_of_the_window_raise_the_limit_and_purchases_lower_it_again(world: Any) -> None:
    lay_down(world)
    firm, other = world.firm({"CEA-2019": 50_000, "CEA-2018": 10_000}), world.firm({"CEA-2019": 50_000})
    trade(world, firm, other, 4_000, "2021-07-16")
    trade(world, firm, other, 9_000, "2022-01-04")  # after the window
    trade(world, firm, other, 7_000, "2021-07-19", "CEA-2018")  # another vintage
    [limit] = world.look(lambda c: carryover.limits(c, firm))
    assert (limit["net_sold"], limit["limit_t"]) == (4_000, 16_000)
    [limit] = world.look(lambda c: carryover.limits(c, other))
    assert (limit["net_sold"], limit["limit_t"]) == (-4_000, 10_000)
    assert apply(world, firm, 16_001).reason == Reason.CARRY_OVER_OVER_LIMIT
    waiting = apply(world, firm, 16_000)
    trade(world, other, firm, 1_000, "2021-07-20")
    assert world.approve(waiting).reason == Reason.CARRY_OVER_OVER_LIMIT
    world.reject(waiting)
    assert world.held(firm)["CEA-2019", "available"] == 37_000
    assert isinstance(apply(world, firm, 14_500), Answer)


def test_a_trade_taken_back_is_no_sale(world: Any) -> None:
    lay_down(world)
    firm, other = world.firm({"CEA-2019": 50_000}), world.firm()
    trade(world, firm, other, 4_000, "2021-07-16")

    def back(connection: Any) -> None:
        day = date(2021, 7, 19)
        name = f"trade:{firm}:{other}:2021-07-16:CEA-2019"
        ledger.reverse(connection, [name], id_of=lambda n: f"b:{n}", kind="REVERSE", reference="t", market_day=day)
        nets = [(other, Vintage(2019), -4_000), (firm, Vintage(2019), 4_000)]
        units.deliver(connection, nets, reference="back", market_day=day)

    world.do(back)
    [limit] = world.look(lambda c: carryover.limits(c, firm))
    assert limit["net_sold"] == 0


def test_vintages_of_one_rule_set_share_its_limit_and_a_vintage_has_one(world: Any) -> None:
    lay_down(world)
    assert lay_down(world, name="steel", vintages=[2020, 2021], to_vintage=2025).reason == Reason.VINTAGE_RULED_TWICE
    assert isinstance(lay_down(world, name="steel", vintages=[2021], to_vintage=2025), Answer)
    firm = world.firm({"CEA-2019": 9_000, "CEA-2020": 9_000, "CEA-2021": 9_000, "CEA-2022": 9_000})
    assert isinstance(apply(world, firm, 9_000), Answer)
    assert apply(world, firm, 1_001, "CEA-2020").reason == Reason.CARRY_OVER_OVER_LIMIT
    assert isinstance(apply(world, firm, 9_000, "CEA-2021"), Answer)
    assert apply(world, firm, 1, "CEA-2022").reason == Reason.CARRY_OVER_UNRULED


def test_a_changed_rule_set_is_a_new_version_and_judges_what_waits(world: Any) -> None:
    lay_down(world)
    firm = world.firm({"CEA-2019": 9_000})
    waiting = apply(world, firm, 9_000)
    assert lay_down(world, base_t=5_000).body["outcome"] == {"version": 2}
    assert world.approve(waiting).reason == Reason.CARRY_OVER_OVER_LIMIT
    lay_down(world, to_vintage=2025)
    assert world.approve(waiting).reason == Reason.CARRY_OVER_UNRULED
    lay_down(world)
    assert isinstance(world.approve(waiting), Answer)


@pytest.mark.parametrize("tonnes", [5_000, 10_001, 0])
def test_the_dry_run_is_the_real_run_undone(world: Any, tonnes: int) -> None:
    lay_down(world)
    firm = world.firm({"CEA-2019": 30_000})
    body = {"account": firm, "product": "CEA-2019", "tonnes": tonnes}
    before = (world.held(firm), world.serials(firm))
    dry = world.look(lambda c: carryover.dry_run(c, world.ann, body))
    assert (world.held(firm), world.serials(firm)) == before
    proposed = apply(world, firm, tonnes)
    if isinstance(proposed, Refused):
        assert (dry.reason, dry.detail) == (proposed.reason, proposed.detail)
        return
    real = world.approve(proposed)
    assert dry.body["outcome"] == real.body["outcome"]
    held = {(h["asset"], h["bucket"]): h["amount"] for h in dry.body["holdings"]}
    assert held == world.held(firm)
    assert dry.body["limits"] == world.look(lambda c: carryover.limits(c, firm))
