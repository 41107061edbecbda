"""Voluntary cancellation: held on proposal, gone in both accountings on approval, certified to everybody."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.ledger.rules import CANCELLED
from core.ownership import cancellations
from core.ownership.cancelling import faults_of
from core.quantities import SerialRange, Vintage
from core.refusals import Reason
from core.units import store as units


def test_units_are_held_on_proposal_and_gone_with_a_certificate_on_approval(
    engine: Engine, market: Any, notary: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        proposed = notary.cancel(connection, firm, 40)
        assert held(connection, firm) == [{"available": 60, "locked": 40}]
        outcome = notary.done(connection, proposed)
        assert (outcome["cancelled"], outcome["certificate"]) == (40, "VC-00000001")
        assert outcome["serials"] == [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000000040", "tonnes": 40}]
        assert held(connection, firm, CANCELLED) == [{"available": 60}, {"system": 40}]
        assert units.holdings(connection, CANCELLED) == [SerialRange(Vintage(2019), 1, 40)]
        sound(connection)


def test_a_certificate_can_be_checked_by_anybody_with_nothing_but_itself(
    engine: Engine, market: Any, notary: Any
) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 2_000)])
        notary.done(connection, notary.cancel(connection, firm, 1_500, beneficiary="武汉马拉松", reason="碳中和"))
        shown = cancellations.show(connection, "VC-00000001").body
        assert shown["certificate"] == {
            "account": firm, "beneficiary": "武汉马拉松", "cancelled_on": "2021-07-15", "certificate": "VC-00000001",
            "holder": "Firm 0", "product": "CEA-2019", "reason": "碳中和", "tonnes": 1_500,
            "serials": ["CEA-2019-000000000001..CEA-2019-000000001500"],
        }  # fmt: skip
        assert hashlib.sha256(shown["document"].encode()).hexdigest() == shown["sha256"]
        assert "配额：CEA-2019　1,500吨\n" in shown["text"]
        assert faults_of(shown) == []
        listed = cancellations.of_account(connection, notary.ann, firm, after="", limit=1).body
        assert ([one["number"] for one in listed["certificates"]], listed["next"]) == (["VC-00000001"], None)
        for number in ("VC-00000002", "VC-1", "x", "VC-0000000１", "VC-" + 30 * "9"):
            assert cancellations.show(connection, number).reason == Reason.CERTIFICATE_UNKNOWN


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"document": 5}, "It has no document."),
        ({"sha256": "0" * 64}, "The hash is not the document's."),
        ({"certificate": {}}, "What is shown is not what the document says."),
        ({"number": "VC-00000009"}, "The document is of another number."),
        ({"document": "{"}, "The document is no JSON."),
    ],
)
def test_a_certificate_that_was_changed_is_found_out(change: dict[str, Any], fault: str) -> None:
    document = json.dumps({"certificate": "VC-00000001", "tonnes": 1}, separators=(",", ":"))
    good = {
        "number": "VC-00000001", "certificate": json.loads(document), "document": document,
        "sha256": hashlib.sha256(document.encode()).hexdigest(),
    }  # fmt: skip
    assert faults_of(good) == []
    assert fault in faults_of(good | change)


def test_a_persons_name_stands_on_no_certificate(engine: Engine, market: Any, notary: Any) -> None:
    with engine.begin() as connection:
        [person] = market.open(connection, 1, kind="P")
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 10)])
        market.transfer(connection, firm, person, 5)
        notary.done(connection, notary.cancel(connection, person, 5))
        assert cancellations.show(connection, "VC-00000001").body["certificate"]["holder"] is None


def test_a_rejection_gives_the_units_back(engine: Engine, market: Any, notary: Any, held: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        assert notary.reject(connection, notary.cancel(connection, firm)).body["outcome"]["released"] == 40
        assert held(connection, firm) == [{"available": 100}]


def test_nobody_changes_or_repeats_a_cancellation(engine: Engine, market: Any, notary: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        proposed = notary.cancel(connection, firm)
        notary.done(connection, proposed)
        assert notary.approve(connection, proposed).reason == Reason.TASK_DECIDED
    for statement in ("UPDATE certificate SET tonnes = 1", "DELETE FROM certificate"):
        with engine.connect() as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(text(statement))


def test_a_cancellation_is_refused_for_the_first_reason_there_is(
    engine: Engine, market: Any, notary: Any, held: Any
) -> None:
    with engine.begin() as connection:
        firm, closed = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        connection.execute(text("UPDATE account SET state = 'SUSPENDED' WHERE number = :n"), {"n": closed})
        notary.encumber(connection, "pledge", firm, 30)
        wrong = {"tonnes": 0, "product": "CEA-2020"}
        for body, reason in [
            ({"account": 5}, Reason.MALFORMED),
            ({"beneficiary": " ", "account": "E42-00000009-11"}, Reason.MALFORMED),
            ({"reason": None, "account": "E42-00000009-11"}, Reason.MALFORMED),
            ({"account": "E42-00000009-11"} | wrong, Reason.SOURCE_UNKNOWN),
            ({"account": closed} | wrong, Reason.SOURCE_NOT_OPEN),
            ({"account": CANCELLED} | wrong, Reason.ACCOUNT_KIND),
            (wrong, Reason.QUANTITY_INVALID),
            ({"product": "CEA-2020"}, Reason.PRODUCT_UNKNOWN),
            ({"product": "CNY"}, Reason.PRODUCT_UNKNOWN),
            ({"tonnes": 71}, Reason.INSUFFICIENT_UNITS),
            *(({"tonnes": n}, Reason.QUANTITY_INVALID) for n in (0, -1, True, 1.5, "4", None, 2**63, 10**300)),
        ]:
            assert notary.cancel(connection, **{"account": firm, **body}).reason == reason, body
        assert held(connection, firm) == [{"available": 70, "pledged": 30}]
