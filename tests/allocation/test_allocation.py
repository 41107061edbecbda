"""Allocation through its service: a plan becomes an issue, handed out in the order of its lines."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.allocation import service
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE
from core.quantities import SERIALS_PER_VINTAGE, SerialRange, Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units

V = Vintage(2019)


def propose(connection: Connection, market: Any, lines: object, **more: object) -> Answer | Refused:
    return service.propose(connection, market.ann, {"product": "CEA-2019", "plan": "p", "lines": lines, **more})


def test_a_plan_is_issued_and_handed_out_in_the_order_of_its_lines(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        first, second = market.open(connection, 2)
        lines = [{"account": second, "tonnes": 30}, {"account": first, "tonnes": 70}]
        proposed = propose(connection, market, lines)
        assert (proposed.status, proposed.body["state"]) == (202, "AWAITING_APPROVAL")
        assert units.totals(connection) == {}

        approved = market.approve(connection, proposed)
        assert approved.body["outcome"] == {
            "serials": "CEA-2019-000000000001..CEA-2019-000000000100",
            "tonnes": 100,
        }
        assert units.holdings(connection, second) == [SerialRange(V, 1, 30)]
        assert units.holdings(connection, first) == [SerialRange(V, 31, 100)]
        held = {b.owner: b.amount for b in ledger.balances(connection, [first, second, ISSUANCE])}
        assert held == {first: 70, second: 30, ISSUANCE: -100}
        assert ledger.verify_chain(connection) == []


def test_a_rejected_plan_issues_nothing(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        rejected = market.reject(connection, propose(connection, market, [{"account": account, "tonnes": 1}]))
        assert rejected.body["state"] == "REJECTED"
        assert units.totals(connection) == {}


def test_a_plan_name_works_once_even_when_it_was_proposed_twice(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        lines = [{"account": account, "tonnes": 1}]
        one, two = (propose(connection, market, lines) for _ in range(2))
        assert isinstance(market.approve(connection, one), Answer)
        assert market.approve(connection, two).reason == Reason.PLAN_EXECUTED
        assert propose(connection, market, lines).reason == Reason.PLAN_EXECUTED
        assert isinstance(propose(connection, market, lines, product="CEA-2020"), Answer)
        assert units.totals(connection) == {(account, 2019): 1}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"plan": ""}, Reason.MALFORMED),
        ({"plan": 7}, Reason.MALFORMED),
        ({"lines": "x"}, Reason.MALFORMED),
        ({"lines": ["x"]}, Reason.MALFORMED),
        ({"lines": [{"tonnes": 1}]}, Reason.MALFORMED),
        ({"lines": [{"account": "\x00", "tonnes": 1}]}, Reason.MALFORMED),
        ({"product": "CEA-19"}, Reason.PRODUCT_UNKNOWN),
        ({"product": "CNY"}, Reason.PRODUCT_UNKNOWN),
        ({"product": None}, Reason.PRODUCT_UNKNOWN),
        ({"lines": []}, Reason.PLAN_EMPTY),
    ],
)
def test_a_plan_of_the_wrong_form_is_refused(
    engine: Engine, market: Any, more: dict[str, object], reason: Reason
) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        body = {"lines": [{"account": account, "tonnes": 1}], **more}
        assert propose(connection, market, body.pop("lines"), **body).reason == reason


def test_every_wrong_line_is_named_and_the_first_reason_in_precedence_speaks(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [emitter] = market.open(connection, 1)
        [institution] = market.open(connection, 1, kind="I")
        bad = [0, -1, True, 1.0, "1", None, 2**63, 10**400]
        lines = [
            {"account": emitter, "tonnes": 5},
            {"account": emitter, "tonnes": 5},
            {"account": institution, "tonnes": 5},
        ]
        lines += [{"account": "E42-00000009-11", "tonnes": 5}]
        lines += [{"account": emitter, "tonnes": tonnes} for tonnes in bad]
        refused = propose(connection, market, lines)

        assert refused.reason == Reason.TARGET_UNKNOWN
        assert [(error.line, error.reason) for error in refused.errors] == [
            (2, Reason.PLAN_LINE_TWICE),
            (3, Reason.ACCOUNT_KIND),
            (4, Reason.TARGET_UNKNOWN),
            *((line, Reason.QUANTITY_INVALID) for line in range(5, 5 + len(bad))),
        ]


def test_a_vintage_never_runs_out_of_serials_unnoticed(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        too_many = [{"account": account, "tonnes": SERIALS_PER_VINTAGE}]
        assert propose(connection, market, too_many).reason == Reason.QUANTITY_INVALID
        market.allocate(connection, [(account, SERIALS_PER_VINTAGE - 2)])
        assert propose(connection, market, [{"account": account, "tonnes": 2}]).reason == Reason.QUANTITY_INVALID
        market.allocate(connection, [(account, 1)], plan="last")
        assert units.holdings(connection, account) == [SerialRange(V, 1, SERIALS_PER_VINTAGE - 1)]


def test_the_whole_market_is_allocated_at_once(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        numbers = market.open(connection, 2162)
        proposed = propose(connection, market, [{"account": n, "tonnes": 1000} for n in numbers])
        started = time.monotonic()
        assert isinstance(market.approve(connection, proposed), Answer)
        took_s = time.monotonic() - started
        print(f"allocated in {took_s:.2f} s")  # noqa: T201  # shown when the bound is broken
        assert connection.execute(text("SELECT count(*) FROM unit_block")).scalar_one() == 2162
        assert ledger.imbalance(connection) == {"CEA-2019": 0}
        assert took_s < 5  # generous: about 0.4 s on an idle machine
