"""A province's plan is decided by its own authority, which sees its own lines and sums, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from core.accounts import service as accounts
from core.allocation import plans, service
from core.approvals import service as approvals
from core.authority import service as authority
from core.callers import Caller
from core.refusals import Answer, Reason, Refused

AUDITOR = Caller("audit", frozenset({"auditor"}))
HUBEI = Caller("hubei maker", frozenset({"authority_maker"}), "42")
HUBEI_TOO = Caller("hubei checker", frozenset({"authority_checker"}), "42")
SHANGHAI_TOO = Caller("shanghai checker", frozenset({"authority_checker"}), "31")


@pytest.fixture
def firms(engine: Engine, market: Any) -> list[str]:
    """Three firms of Hubei, two of Shanghai."""
    with engine.begin() as connection:
        lines = [{"name": f"Firm {n}", "kind": "E", "province": p} for n, p in enumerate(["42"] * 3 + ["31"] * 2)]
        opened = market.approve(connection, accounts.propose_openings(connection, market.ann, {"accounts": lines}))
        return [account["number"] for account in opened.body["accounts"]]


def plan_of(lines: list[tuple[str, int]], **more: Any) -> dict[str, Any]:
    return {
        "product": "CEA-2019",
        "plan": "p",
        "lines": [{"account": account, "tonnes": tonnes} for account, tonnes in lines],
        **more,
    }


def test_the_authority_of_the_province_decides_its_plan_and_no_other_does(engine: Engine, firms: list[str]) -> None:
    with engine.begin() as connection:
        proposed = service.propose(connection, HUBEI, plan_of([(firms[0], 10), (firms[1], 20)], province="42"))
        assert isinstance(proposed, Answer), proposed
        task = proposed.body["id"]
        assert proposed.body["approval"]["decides"] == "authority_checker"
        assert approvals.approve(connection, SHANGHAI_TOO, task, service.EXECUTORS).reason is Reason.NOT_PERMITTED
        done = approvals.approve(connection, HUBEI_TOO, task, service.EXECUTORS)
        assert isinstance(done, Answer), done
        assert done.body["outcome"]["tonnes"] == 30


def test_a_provincial_plan_names_firms_of_the_province_only(engine: Engine, firms: list[str]) -> None:
    with engine.begin() as connection:
        refused = service.propose(connection, HUBEI, plan_of([(firms[0], 10), (firms[3], 20)], province="42"))
        assert [(error.line, error.reason) for error in refused.errors] == [(2, Reason.LINE_OF_ELSEWHERE)]


def test_totals_by_province_add_up_to_the_plan(engine: Engine, market: Any, firms: list[str]) -> None:
    with engine.begin() as connection:
        lines = [(firm, 10 * n) for n, firm in enumerate(firms, start=1)]
        proposed = service.propose(connection, market.ann, plan_of(lines))
        number = proposed.body["plan_number"]
        market.approve(connection, proposed)
        told = plans.totals(connection, AUDITOR, number).body
    rows = [
        (row["province"], row["product"], row["lines"], row["tonnes"], row["allocated"]) for row in told["provinces"]
    ]
    assert rows == [("31", "CEA-2019", 2, 90, 90), ("42", "CEA-2019", 3, 60, 60)]
    assert (told["total"]["lines"], told["total"]["tonnes"], told["total"]["allocated"]) == (5, 150, 150)


def test_a_province_sees_its_own_lines_and_sums_of_a_plan_of_the_whole_country(
    engine: Engine, market: Any, firms: list[str]
) -> None:
    with engine.begin() as connection:
        proposed = service.propose(connection, market.ann, plan_of([(firm, 10) for firm in firms]))
        number = proposed.body["plan_number"]
        elsewhere = service.propose(connection, market.ann, plan_of([(firms[4], 7)], plan="of Shanghai"))
        market.approve(connection, proposed)

    def seen(work: Any) -> Any:
        with engine.connect() as connection:
            found = authority.as_seen_by(HUBEI, work)(connection)
            connection.rollback()
            return found

    shown = seen(lambda c: plans.show(c, HUBEI, number)).body
    assert (shown["lines"], shown["tonnes"], shown["done"]["allocated"]) == (3, 30, 30)
    listed = seen(lambda c: plans.lines(c, HUBEI, number, after=0, limit=10)).body["lines"]
    assert [line["account"] for line in listed] == firms[:3]
    assert [row["province"] for row in seen(lambda c: plans.totals(c, HUBEI, number)).body["provinces"]] == ["42"]
    assert [p["number"] for p in seen(lambda c: plans.list_plans(c, HUBEI, after=0, limit=9)).body["plans"]] == [number]
    other = elsewhere.body["plan_number"]
    assert seen(lambda c: plans.show(c, HUBEI, other)).reason is Reason.PLAN_UNKNOWN
    assert isinstance(seen(lambda c: service.dry_run(c, HUBEI, other)), Refused)


def test_plans_are_read_page_by_page(engine: Engine, market: Any, firms: list[str]) -> None:
    def pages(connection: Connection, read: Any, name: str, key: str) -> list[int]:
        found, after = list[int](), 0
        while after is not None:
            page = read(connection, AUDITOR, after=after, limit=2).body
            found += [row[key] for row in page[name]]
            after = None if page["next"] is None else int(page["next"])
        return found

    with engine.begin() as connection:
        for n in range(3):
            service.propose(connection, market.ann, plan_of([(firm, 1) for firm in firms], plan=f"p{n}"))
        assert pages(connection, plans.list_plans, "plans", "number") == [1, 2, 3]

        def lines(c: Connection, caller: Caller, **page: int) -> Answer | Refused:
            return plans.lines(c, caller, 2, **page)

        assert pages(connection, lines, "lines", "line") == [1, 2, 3, 4, 5]
        outsider = Caller("eve", frozenset({"holder"}))
        assert plans.list_plans(connection, outsider, after=0, limit=1).reason is Reason.NOT_PERMITTED
