"""Plans in parts: a first share, a true-up, adjustments, take-back, withheld lines and deductions."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.allocation import plans, releases, service
from core.allocation.deductions import store as deductions
from core.approvals import service as approvals
from core.callers import Caller
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, WITHHELD
from core.quantities import SerialRange, Vintage
from core.reconciliation import store as reconciliation
from core.refusals import Answer, Reason, Refused
from core.units import store as units
from core.units.history import store as history

V = Vintage(2019)
AUDITOR = Caller("audit", frozenset({"auditor"}))


CAP = text("""
INSERT INTO parameter (kind, name, version, value, effective_from, proposed_by, decided_by, decided_at)
VALUES ('cap', 'CEA-2019', 1, jsonb_build_object('tonnes', CAST(:tonnes AS bigint)), '2021-07-15', 'a', 'b', now())
""")


def set_cap(connection: Connection, tonnes: int) -> None:
    connection.execute(CAP, {"tonnes": tonnes})


class Plans:
    """What people do with plans on one connection."""

    def __init__(self, connection: Connection, market: Any) -> None:
        self.connection, self.market = connection, market
        self.names = iter(f"plan {n}" for n in range(1, 1000))

    def propose(self, *lines: tuple[Any, ...], **more: Any) -> Answer | Refused:
        made = [dict(zip(("account", "tonnes", "withheld"), line, strict=False)) for line in lines]
        body = {"product": "CEA-2019", "plan": next(self.names), "lines": made, **more}
        return service.propose(self.connection, more.pop("by", self.market.ann), body)

    def run(self, *lines: tuple[Any, ...], **more: Any) -> tuple[int, dict[str, Any]]:
        """Carry a plan out; return its number and what it did, which a dry run said before in the same words."""
        proposed = self.propose(*lines, **more)
        assert isinstance(proposed, Answer), proposed
        number = proposed.body["plan_number"]
        dry = service.dry_run(self.connection, AUDITOR, number)
        done = self.market.approve(self.connection, proposed)
        assert isinstance(done, Answer), done
        assert isinstance(dry, Answer), dry
        assert (dry.body["number"], dry.body["outcome"]) == (number, done.body["outcome"])
        self.check()
        return number, done.body["outcome"]

    def check(self) -> None:
        """Both accountings agree, and no serial is lost or doubled."""
        assert reconciliation.differences(self.connection) == []
        assert history.uncovered(self.connection) == []
        assert history.unreplayed(self.connection) == []
        assert ledger.verify_chain(self.connection) == []

    def held(self, *accounts: str) -> list[int]:
        totals = units.totals(self.connection)
        return [totals.get((account, 2019), 0) for account in accounts]


@pytest.fixture
def office(engine: Engine, market: Any) -> Any:
    with engine.connect() as connection, connection.begin():
        yield Plans(connection, market)


def test_a_first_share_and_a_true_up_give_what_is_due_in_the_end(office: Plans) -> None:
    up, down, gone, even = office.market.open(office.connection, 4)
    pre, done = office.run((up, 1001), (down, 1000), (gone, 100), (even, 10), kind="pre", share_percent=70)
    assert done["tonnes"] == 700 + 700 + 70 + 7
    assert office.held(up, down, gone, even) == [700, 700, 70, 7]

    _, done = office.run((up, 900), (down, 650), (gone, 0), (even, 7), kind="final", follows=pre)
    assert done == {"serials": "CEA-2019-000000001478..CEA-2019-000000001557", "tonnes": 80, "taken_back": 120}
    assert office.held(up, down, gone, even) == [900, 650, 0, 7]
    assert units.issued(office.connection, V) == 1557, "what came back went out again before anything was issued"


def test_what_is_no_longer_there_is_owed_and_comes_off_the_next_plan(office: Plans) -> None:
    firm, buyer = office.market.open(office.connection, 2)
    pre, _ = office.run((firm, 1000), kind="pre", share_percent=70)
    assert isinstance(office.market.transfer(office.connection, firm, buyer, 600), Answer)

    number, done = office.run((firm, 500), kind="final", follows=pre)
    assert (done["tonnes"], done["taken_back"], done["owed"]) == (-200, 100, 100)
    assert office.held(firm) == [0]
    owed = deductions.open_of(office.connection, [firm])
    assert [(one.account, one.tonnes) for one in owed] == [(firm, 100)]

    _, done = office.run((firm, 30), product="CEA-2020")
    assert done == {"serials": None, "tonnes": 30, "deducted": 30}
    _, done = office.run((firm, 80), product="CEA-2020")
    assert done["deducted"] == 70
    assert units.totals(office.connection)[firm, 2020] == 10
    assert deductions.open_of(office.connection, [firm]) == []
    told = plans.deductions_of(office.connection, AUDITOR, firm, after=0, limit=10)
    assert [use["tonnes"] for use in told.body["deductions"][0]["uses"]] == [30, 70]
    assert plans.show(office.connection, AUDITOR, number).body["done"]["owed"] == 100


def test_a_shortfall_is_deducted_once(office: Plans) -> None:
    firm, other = office.market.open(office.connection, 2)
    first = deductions.add(office.connection, firm, 25, "shortfall of 2020", "compliance 2020")
    assert deductions.add(office.connection, firm, 25, "shortfall of 2020", "compliance 2020") == first
    with pytest.raises(ValueError, match="25 t already"):
        deductions.add(office.connection, firm, 26, "shortfall of 2020", "compliance 2020")

    _, done = office.run((firm, 100), (other, 100))
    assert done["deducted"] == 25
    assert office.held(firm, other) == [75, 100]


def test_a_withheld_line_stays_in_the_plan_until_two_people_release_it(office: Plans) -> None:
    kept, free = office.market.open(office.connection, 2)
    number, done = office.run((kept, 40, "report not verified"), (free, 60))
    assert done["withheld"] == 40
    assert office.held(kept, free, WITHHELD) == [0, 60, 40]
    body = {"plan": str(number), "accounts": [kept], "reason": "verified"}
    wrong = releases.propose(office.connection, office.market.ann, body | {"accounts": [kept, free]})
    assert [(e.line, e.reason) for e in wrong.errors] == [(2, Reason.LINE_NOT_WITHHELD)]

    proposed = releases.propose(office.connection, office.market.ann, body)
    twice = releases.propose(office.connection, office.market.ann, body)
    same = approvals.approve(office.connection, office.market.ann, proposed.body["id"], service.EXECUTORS)
    assert same.reason is Reason.SAME_PERSON
    assert office.market.approve(office.connection, proposed).body["outcome"] == {"released": 40}
    assert office.held(kept, WITHHELD) == [40, 0]
    assert office.market.approve(office.connection, twice).reason is Reason.LINE_NOT_WITHHELD
    office.check()


def test_a_true_up_takes_first_what_was_withheld(office: Plans) -> None:
    [firm] = office.market.open(office.connection, 1)
    pre, _ = office.run((firm, 100, "under review"), kind="pre", share_percent=50)
    _, done = office.run((firm, 20), kind="final", follows=pre)
    assert (done["withdrawn"], "taken_back" in done, "owed" in done) == (30, False, False)
    assert office.held(WITHHELD, ISSUANCE) == [20, 30]
    assert plans.show(office.connection, AUDITOR, pre).body["done"]["waiting"] == 20


def test_adjustments_and_take_back_change_what_was_granted_and_never_more(office: Plans) -> None:
    one, two = office.market.open(office.connection, 2)
    first, _ = office.run((one, 100), (two, 100))
    office.run((one, -30), (two, 50), kind="adjust", follows=first)
    assert office.held(one, two) == [70, 150]
    office.run((one, 70), kind="take_back", follows=first)
    assert office.held(one, two) == [0, 150]
    for more in ({"kind": "take_back"}, {"kind": "adjust", "sign": -1}):
        tonnes = 151 * more.pop("sign", 1)
        refused = office.propose((two, tonnes), follows=first, **more)
        assert (refused.reason, refused.errors[0].reason) == (Reason.QUANTITY_INVALID, Reason.QUANTITY_INVALID)
    _, done = office.run((two, 100), kind="final", follows=first)
    assert done["taken_back"] == 50, "a true-up counts the adjustments before it"
    assert units.holdings(office.connection, two)[0].vintage == V


def test_the_cap_counts_what_is_out_and_not_what_came_back(office: Plans) -> None:
    set_cap(office.connection, 100)
    one, two = office.market.open(office.connection, 2)
    first, _ = office.run((one, 90))
    refused = office.propose((two, 11))
    assert refused.reason is Reason.CAP_EXCEEDED
    assert "101 t; the cap is 100 t" in refused.detail
    office.run((one, 50), kind="take_back", follows=first)
    office.run((two, 60))
    late = office.propose((one, 1), product="CEA-2020")
    assert isinstance(late, Answer), "another vintage has no cap"


def test_two_plans_that_fit_the_cap_alone_do_not_both_pass_it(office: Plans) -> None:
    set_cap(office.connection, 100)
    one, two = office.market.open(office.connection, 2)
    both = [office.propose((one, 60)), office.propose((two, 60))]
    ends = [office.market.approve(office.connection, proposed) for proposed in both]
    assert isinstance(ends[0], Answer)
    assert ends[1].reason is Reason.CAP_EXCEEDED
    office.check()


def test_what_the_exchange_has_is_not_taken_back(office: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    [firm] = office.market.open(office.connection, 1)
    first, _ = office.run((firm, 100))
    monkeypatch.setattr("core.allocation.service.accounts.those_that_may_be_sold", lambda _c, numbers: set(numbers))
    refused = office.propose((firm, 10), kind="take_back", follows=first)
    assert refused.errors[0].reason is Reason.SOURCE_WITH_EXCHANGE
    assert isinstance(office.propose((firm, 10), kind="adjust", follows=first), Answer), "more is no trouble"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"kind": "halve"}, Reason.MALFORMED),
        ({"kind": 7}, Reason.MALFORMED),
        ({"kind": "pre"}, Reason.MALFORMED),
        ({"kind": "pre", "share_percent": 0}, Reason.MALFORMED),
        ({"kind": "pre", "share_percent": 101}, Reason.MALFORMED),
        ({"kind": "pre", "share_percent": "70"}, Reason.MALFORMED),
        ({"share_percent": 70}, Reason.MALFORMED),
        ({"kind": "final"}, Reason.MALFORMED),
        ({"kind": "final", "follows": "1"}, Reason.MALFORMED),
        ({"kind": "final", "follows": 2**63}, Reason.MALFORMED),
        ({"follows": 1}, Reason.MALFORMED),
        ({"province": "4"}, Reason.MALFORMED),
        ({"province": "４２"}, Reason.MALFORMED),
        ({"decides": "auditor", "province": "42"}, Reason.MALFORMED),
        ({"decides": "authority_checker"}, Reason.MALFORMED),
        ({"product": "CEA-2090"}, Reason.PRODUCT_UNKNOWN),
        ({"kind": "final", "follows": 99}, Reason.PLAN_NOT_EXECUTED),
        ({"province": "31"}, Reason.LINE_OF_ELSEWHERE),
        ({"by": Caller("eve", frozenset({"auditor"}))}, Reason.NOT_PERMITTED),
        ({"by": Caller("eve", frozenset({"holder"}))}, Reason.NOT_PERMITTED),
        ({"by": Caller("eve", frozenset({"authority_maker"}), "31"), "province": "42"}, Reason.NOT_PERMITTED),
        ({"by": Caller("eve", frozenset({"authority_maker"}), "42")}, Reason.NOT_PERMITTED),
    ],
)
def test_a_plan_is_refused_for_its_frame(office: Plans, more: dict[str, Any], reason: Reason) -> None:
    [firm] = office.market.open(office.connection, 1)
    by = more.get("by", office.market.ann)
    body = {"product": "CEA-2019", "plan": "p", "lines": [{"account": firm, "tonnes": 1}]}
    refused = service.propose(office.connection, by, body | {name: said for name, said in more.items() if name != "by"})
    assert isinstance(refused, Refused)
    assert reason in {refused.reason, *(error.reason for error in refused.errors)}


@pytest.mark.parametrize(
    ("kind", "tonnes"),
    [("final", -1), ("final", None), ("adjust", 0), ("adjust", -101), ("take_back", 0), ("take_back", 101),
     ("take_back", "5"), ("adjust", 2**63), ("final", True), ("final", 1.0)],
)  # fmt: skip
def test_a_line_that_changes_an_earlier_plan_is_refused_for_its_quantity(
    office: Plans, kind: str, tonnes: object
) -> None:
    [firm] = office.market.open(office.connection, 1)
    first, _ = office.run((firm, 100))
    refused = office.propose((firm, tonnes), kind=kind, follows=first)
    assert refused.errors[0].reason is Reason.QUANTITY_INVALID


def test_a_plan_follows_only_what_was_carried_out_for_the_same_product(office: Plans) -> None:
    [firm] = office.market.open(office.connection, 1)
    waiting = office.propose((firm, 5))
    assert office.propose((firm, 5), kind="final", follows=waiting.body["plan_number"]).reason is (
        Reason.PLAN_NOT_EXECUTED
    )
    other, _ = office.run((firm, 5), product="CEA-2020")
    assert office.propose((firm, 5), kind="final", follows=other).reason is Reason.PLAN_NOT_EXECUTED
    assert isinstance(office.market.reject(office.connection, waiting), Answer)
    assert plans.show(office.connection, AUDITOR, waiting.body["plan_number"]).body["state"] == "TURNED_DOWN"


def test_a_task_from_before_plans_were_kept_is_carried_out_as_it_was_proposed(office: Plans) -> None:
    [firm] = office.market.open(office.connection, 1)
    lines = [{"account": firm, "tonnes": 12}]
    payload = {"product": "CEA-2019", "plan": "old", "lines": lines}
    proposed = approvals.propose(
        office.connection, office.market.ann, kind="allocate", payload=payload, subject="CEA-2019/old"
    )
    assert office.market.approve(office.connection, proposed).body["outcome"]["tonnes"] == 12
    assert units.holdings(office.connection, firm) == [SerialRange(V, 1, 12)]
    assert office.propose((firm, 1), plan="old").reason is Reason.PLAN_EXECUTED
