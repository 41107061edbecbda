"""What each kind of parameter takes, one row a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from core.parameters.changes import Proposal, read_proposal
from core.parameters.values import KINDS
from core.refusals import Reason, Refused

GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "sector": ("steel", {"open": True, "title": "Steel", "published": "钢铁"}),
    "product": ("CEA-2021", {"open": True, "base_price_fen": 5800}),
    "vintage": ("CEA-2026", {"open": True}),
    "mode": ("listed", {"open": True, "least_t": 1, "most_t": 49_999}),
    "limit": ("listed/CEA-2019", {"percent": 5}),
    "tick": ("price", {"fen": 5}),
    "hours": ("block", {"sessions": [["13:00", "14:00"], ["14:30", "15:00"]]}),
    "calendar": ("2021-10-08", {"open": False, "why": "typhoon"}),
    "cap": ("CEA-2019", {"tonnes": 10**9}),
}


def read(change: dict[str, Any], why: object = "a test") -> Proposal | Refused:
    return read_proposal({"changes": [change], "why": why}, {("limit", "listed"): 4})


def worded(kind: str, **other: Any) -> dict[str, Any]:
    name, value = GOOD[kind]
    day = name if kind == "calendar" else "2021-07-19"
    return {"kind": kind, "name": name, "value": value, "effective_from": day} | other


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_its_own_form(kind: str) -> None:
    proposal = read(worded(kind))

    assert isinstance(proposal, Proposal)
    assert (proposal.changes[0].value, proposal.changes[0].version) == (GOOD[kind][1], 1)


@pytest.mark.parametrize("name", ["listed", "block", "listed/CEA-2021", "block/CEA-2019"])
def test_limits_are_of_a_mode_or_of_a_product_in_a_mode(name: str) -> None:
    assert isinstance(read(worded("limit", name=name)), Proposal)


def test_a_calendar_exception_holds_on_its_own_date() -> None:
    proposal = read(worded("calendar", effective_from=None))

    assert isinstance(proposal, Proposal)
    assert proposal.days[0].isoformat() == "2021-10-08"


def test_versions_are_counted_on() -> None:
    two = [worded("limit", name="listed"), worded("limit", name="listed", effective_from="2021-08-02")]
    proposal = read_proposal({"changes": two, "why": "a week"}, {("limit", "listed"): 4})

    assert isinstance(proposal, Proposal)
    assert [change.version for change in proposal.changes] == [5, 6]


HOURS_OUT_OF_ORDER = {"sessions": [["13:00", "15:00"], ["09:30", "11:30"]]}
WRONG = [
    ({"kind": "colour"}, Reason.PARAMETER_KIND),
    ({"kind": None}, Reason.PARAMETER_KIND),
    ({"kind": "Product"}, Reason.PARAMETER_KIND),
    (worded("product", name="CEA-21"), Reason.PARAMETER_NAME),
    (worded("product", name="CNY"), Reason.PARAMETER_NAME),
    (worded("product", name=7), Reason.PARAMETER_NAME),
    (worded("vintage", name="2021"), Reason.PARAMETER_NAME),
    (worded("vintage", name="CEA-2100"), Reason.PARAMETER_NAME),
    (worded("sector", name="Steel"), Reason.PARAMETER_NAME),
    (worded("sector", name="s" * 33), Reason.PARAMETER_NAME),
    (worded("mode", name="auction"), Reason.PARAMETER_NAME),
    (worded("limit", name="auction"), Reason.PARAMETER_NAME),
    (worded("limit", name="listed/"), Reason.PARAMETER_NAME),
    (worded("limit", name="listed/CEA-21"), Reason.PARAMETER_NAME),
    (worded("hours", name="night"), Reason.PARAMETER_NAME),
    (worded("tick", name="size"), Reason.PARAMETER_NAME),
    (worded("calendar", name="2021-13-01"), Reason.PARAMETER_NAME),
    (worded("calendar", name="20211008"), Reason.PARAMETER_NAME),
    (worded("calendar", name="1999-10-08"), Reason.PARAMETER_NAME),
    (worded("cap", name="CEA"), Reason.PARAMETER_NAME),
    (worded("cap", name="\x00"), Reason.PARAMETER_NAME),
    (worded("sector", value=None), Reason.PARAMETER_VALUE),
    (worded("sector", value=[]), Reason.PARAMETER_VALUE),
    (worded("sector", value={"open": True, "title": "Steel"}), Reason.PARAMETER_VALUE),
    (worded("sector", value={"open": 1, "title": "Steel", "published": "钢铁"}), Reason.PARAMETER_VALUE),
    (worded("sector", value={"open": True, "title": "a\x00b", "published": "钢铁"}), Reason.PARAMETER_VALUE),
    (worded("sector", value={"open": True, "title": "\ud800", "published": "钢铁"}), Reason.PARAMETER_VALUE),
    (worded("product", value={"open": True}), Reason.PARAMETER_VALUE),
    (worded("product", value={"open": True, "base_price_fen": 0}), Reason.PARAMETER_VALUE),
    (worded("product", value={"open": True, "base_price_fen": 48.5}), Reason.PARAMETER_VALUE),
    (worded("product", value={"open": True, "base_price_fen": True}), Reason.PARAMETER_VALUE),
    (worded("product", value={"open": True, "base_price_fen": 10**30}), Reason.PARAMETER_VALUE),
    (worded("product", value={"open": True, "base_price_fen": 4800, "colour": "red"}), Reason.PARAMETER_VALUE),
    (worded("vintage", value={"open": "yes"}), Reason.PARAMETER_VALUE),
    (worded("mode", value={"open": True, "least_t": 0, "most_t": 5}), Reason.PARAMETER_VALUE),
    (worded("mode", value={"open": True, "least_t": 6, "most_t": 5}), Reason.PARAMETER_VALUE),
    (worded("mode", value={"open": True, "least_t": None, "most_t": None}), Reason.PARAMETER_VALUE),
    (worded("limit", value={"percent": 0}), Reason.PARAMETER_VALUE),
    (worded("limit", value={"percent": 100}), Reason.PARAMETER_VALUE),
    (worded("limit", value={"percent": "10"}), Reason.PARAMETER_VALUE),
    (worded("limit", name="listed", value={"percent": None}), Reason.PARAMETER_VALUE),
    (worded("tick", value={"fen": 0}), Reason.PARAMETER_VALUE),
    (worded("tick", value={"fen": 10_001}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": []}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": "09:30"}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": [["09:30"]]}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": [["9:30", "11:30"]]}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": [["11:30", "11:30"]]}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": [["07:59", "11:30"]]}), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": [["13:00", "24:00"]]}), Reason.PARAMETER_VALUE),
    (worded("hours", value=HOURS_OUT_OF_ORDER), Reason.PARAMETER_VALUE),
    (worded("hours", value={"sessions": [["09:00", "09:30"]] * 11}), Reason.PARAMETER_VALUE),
    (worded("calendar", value={"open": False, "why": " "}), Reason.PARAMETER_VALUE),
    (worded("calendar", value={"open": None, "why": "typhoon"}), Reason.PARAMETER_VALUE),
    (worded("cap", value={"tonnes": -1}), Reason.PARAMETER_VALUE),
    (worded("cap", value={"tonnes": 10**12}), Reason.PARAMETER_VALUE),
    (worded("limit", effective_from=None), Reason.MALFORMED),
    (worded("limit", effective_from="19.7.2021"), Reason.MALFORMED),
    (worded("limit", effective_from="2021-02-30"), Reason.MALFORMED),
    (worded("limit", effective_from="2100-01-01"), Reason.MALFORMED),
    (worded("calendar", effective_from="2021-10-11"), Reason.MALFORMED),
]


@pytest.mark.parametrize(("change", "expected"), WRONG)
def test_a_change_that_does_not_fit_its_kind_is_refused_with_its_line(change: dict[str, Any], expected: Reason) -> None:
    refused = read(change)

    assert isinstance(refused, Refused)
    assert refused.reason is expected
    assert [error.line for error in refused.errors] == [1]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"changes": [worded("tick")]}, {"changes": [worded("tick")], "why": ""}, {"changes": [], "why": "none"},
        {"changes": "all", "why": "text"}, {"changes": [worded("tick")] * 101, "why": "too many"},
        {"changes": [worded("tick")], "why": "x" * 501}, {"changes": ["tick"], "why": "no object"},
    ],
)  # fmt: skip
def test_a_proposal_that_is_not_well_formed_is_refused(body: dict[str, Any]) -> None:
    refused = read_proposal(body, {})

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.MALFORMED


def test_every_wrong_change_is_named_and_the_first_reason_by_precedence_speaks() -> None:
    changes = [worded("tick", value={}), worded("limit"), worded("mode", name="auction"), {"kind": "colour"}]
    refused = read_proposal({"changes": changes, "why": "a test"}, {})

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PARAMETER_KIND
    assert [(error.line, error.reason) for error in refused.errors] == [
        (1, Reason.PARAMETER_VALUE),
        (3, Reason.PARAMETER_NAME),
        (4, Reason.PARAMETER_KIND),
    ]
