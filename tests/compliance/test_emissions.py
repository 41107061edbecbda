"""Verified emissions and what follows from them: obligations, their states and deadlines, penalties."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from core.allocation.deductions import store as deductions
from core.callers import Caller
from core.emissions import service as emissions
from core.emissions.obligations import service as obligations
from core.emissions.obligations.rules import Obligation, state_of
from core.emissions.rules import Known, Line, Upload, judge, read_upload
from core.emissions.years import service as years
from core.emissions.years.rules import YearRules, read_change
from core.refusals import Answer, Reason, Refused
from core.surrender import penalty

E = "E42-00001001-60"
KNOWN = {
    E: Known(in_reach=True),
    "E42-1": Known(in_reach=True, tonnes=5, version=1, state="MET"),
    "E42-2": Known(in_reach=True, tonnes=5, version=2, state="PENALISED"),
    "I42-1": Known(in_reach=True),
    "E31-1": Known(in_reach=False),
}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (Line("nobody", 5, None), Reason.ACCOUNT_UNKNOWN),
        (Line("E31-1", 5, None), Reason.ACCOUNT_UNKNOWN),
        (Line("I42-1", "x", None), Reason.ACCOUNT_KIND),
        *((Line(E, bad, None), Reason.QUANTITY_INVALID) for bad in (-1, 1.5, "5", True, None, 2**63, 10**300)),
        (Line("E42-1", 6, None), Reason.CORRECTION_WITHOUT_REASON),
        (Line("E42-1", 5, "typing error"), Reason.EMISSIONS_UNCHANGED),
        (Line("E42-2", 6, "typing error"), Reason.OBLIGATION_PENALISED),
        (Line("E42-1", 6, "typing error"), None),
        (Line(E, 0, None), None),
    ],
)
def test_a_line_of_emissions_is_refused_for_the_first_reason_there_is(line: Line, reason: Reason | None) -> None:
    refused = judge(Upload(2020, (line,)), KNOWN, this_year=2021)
    assert (refused.reason if refused else None) == reason


def test_every_wrong_line_is_named_and_a_year_must_be_over() -> None:
    upload = Upload(2020, (Line(E, 5, None, 2), Line(E, 5, None, 3), Line("nobody", 5, None, 4)))
    refused = judge(upload, KNOWN, this_year=2021)
    assert refused is not None
    assert [(e.line, e.reason) for e in refused.errors] == [(3, Reason.EMISSIONS_TWICE), (4, Reason.ACCOUNT_UNKNOWN)]
    early = judge(Upload(2021, (Line(E, 5, None),)), KNOWN, this_year=2021)
    assert early is not None
    assert early.reason == Reason.YEAR_NOT_OVER


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"year": "2020", "lines": [{"account": E, "tonnes": 1}]},
        {"year": 2020, "lines": []},
        {"year": 2020, "lines": [{"account": 5}]},
        {"year": 2020, "lines": [7]},
        {"year": 2020, "lines": [{"account": E, "tonnes": 1, "reason": "\x00"}]},
    ],
)
def test_an_upload_that_cannot_be_read_is_refused(body: dict[str, Any]) -> None:
    refused = read_upload(body)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.MALFORMED


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", Reason.FILE_EMPTY),
        ("account\nE42", Reason.FILE_HEADER),
        ("account,tonnes\n", Reason.FILE_EMPTY),
        ("account,tonnes\n\xff,1", Reason.FILE_NOT_UTF8),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_the_codes_of_files(raw: str, reason: Reason) -> None:
    refused = read_upload({"year": 2020, "csv": raw})
    assert isinstance(refused, Refused)
    assert refused.reason is reason


def test_a_file_is_read_as_the_same_lines() -> None:
    read = read_upload({"year": 2020, "csv": f"account,tonnes,reason\n{E},5,\nE42-1,6,typing error\nE42-2,1.5,\n"})
    assert isinstance(read, Upload)
    assert read.lines == (Line(E, 5, None, 2), Line("E42-1", 6, "typing error", 3), Line("E42-2", "1.5", None, 4))


RULES = YearRules(2020, 1, date(2021, 12, 31), (2019, 2020))


@pytest.mark.parametrize(
    ("figures", "in_time", "late"),
    [
        ({}, "NONE", "MISSING_DATA"),
        ({"surrendered": 5}, "NONE", "MISSING_DATA"),
        ({"due": 0}, "MET", "MET"),
        ({"due": 100}, "OPEN", "SHORT"),
        ({"due": 100, "pending_surrender": 100}, "OPEN", "SHORT"),
        ({"due": 100, "surrendered": 1}, "PART", "SHORT"),
        ({"due": 100, "surrendered": 94, "offset_used": 6}, "PART", "SHORT"),
        ({"due": 100, "surrendered": 95, "offset_used": 5}, "MET", "MET"),
        ({"due": 100, "surrendered": 120}, "MET", "MET"),
        ({"due": 100, "surrendered": 100, "state": "PENALISED"}, "PENALISED", "PENALISED"),
    ],
)
def test_the_state_follows_from_what_is_due_and_what_was_handed_in(figures: Any, in_time: str, late: str) -> None:
    obligation = Obligation(E, 2020, **figures)
    deadline = RULES.deadline
    assert deadline is not None
    assert state_of(obligation, RULES, deadline) == in_time
    assert state_of(obligation, RULES, deadline.replace(year=2022)) == late


@pytest.mark.parametrize(
    "change",
    [
        {"year": 1999},
        {"reason": ""},
        {"deadline": "2019-12-31"},
        {"deadline": "2021-02-30"},
        {"vintages": []},
        {"vintages": [2019, 2019]},
        {"vintages": ["2019"]},
        {"offset_basis_points": 10_001},
        {"offset_basis_points": True},
        {"reversal_days": -1},
        {"authority": "yes"},
    ],
)
def test_rules_of_a_year_that_are_none_are_refused(change: dict[str, Any]) -> None:
    body = {"year": 2020, "deadline": "2021-12-31", "vintages": [2019], "reason": "plan", **change}
    assert isinstance(read_change(body), Refused)


def test_confirmed_emissions_are_an_obligation_and_a_correction_is_a_version_with_its_reason(world: Any) -> None:
    world.year()
    firm = world.firm({"CEA-2019": 150})
    proposed = world.upload([(firm, 100)])
    assert world.state(firm)["state"] == "NONE"
    assert world.approve(proposed).body["outcome"] == {"confirmed": 1, "tonnes": 100}
    shown = world.state(firm)
    assert (shown["state"], shown["due"], shown["missing"], shown["usable"]) == ("OPEN", 100, 100, 150)
    assert (shown["days_left"], shown["shortage"], shown["offset_left"]) == (169, 0, 5)

    assert world.upload([(firm, 180)]).reason == Reason.CORRECTION_WITHOUT_REASON
    world.verify(firm, 180, "meter recalibrated")
    shown = world.state(firm)
    assert (shown["due"], shown["shortage"]) == (180, 30)
    assert "30 t too few" in shown["warning"]
    listed = world.look(lambda c: emissions.list_versions(c, world.ann, firm, after="", limit=10)).body["emissions"]
    assert [(v["version"], v["tonnes"], v["reason"]) for v in listed] == [
        (1, 100, None),
        (2, 180, "meter recalibrated"),
    ]
    assert [(e["state_before"], e["state"], e["cause"]) for e in shown["history"]] == [
        ("NONE", "OPEN", "emissions verified"),
        ("OPEN", "OPEN", "emissions corrected"),
    ]


def test_a_province_uploads_and_confirms_its_own_firms_only(world: Any) -> None:
    here, elsewhere = world.firm(), world.firm(province="31")
    refused = world.upload([(here, 5), (elsewhere, 5)], by=world.hubei)
    assert [(e.line, e.reason) for e in refused.errors] == [(2, Reason.ACCOUNT_UNKNOWN)]
    assert world.upload([(here, 5)], by=world.ann).reason == Reason.NOT_PERMITTED

    proposed = world.upload([(here, 5)], by=world.hubei)
    assert world.approve(proposed, world.shanghai).reason == Reason.NOT_PERMITTED
    assert world.approve(proposed, world.bob).reason == Reason.NOT_PERMITTED
    assert world.approve(proposed, world.hubei).reason == Reason.SAME_PERSON
    assert isinstance(world.approve(proposed, world.hubei_too), Answer)


def test_two_uploads_of_the_same_firm_do_not_both_become_its_first_figure(world: Any) -> None:
    firm = world.firm()
    first, second = world.upload([(firm, 5)]), world.upload([(firm, 6)])
    assert isinstance(world.approve(first), Answer)
    assert world.approve(second).reason == Reason.CORRECTION_WITHOUT_REASON
    assert world.state(firm)["due"] == 5


def test_the_deadline_makes_short_who_is_short_and_names_who_never_reported(world: Any) -> None:
    world.year()
    short, met, silent = world.firm({"CEA-2019": 100}), world.firm({"CEA-2019": 100}), world.firm()
    world.verify(short, 90)
    world.verify(met, 100)
    world.hand_in(short, 60)
    world.hand_in(met, 100)
    world.clock("2021-12-31T23:00:00+08:00")
    assert world.state(short)["state"] == "PART"
    world.clock("2022-01-01T00:00:00+08:00")
    assert (world.state(short)["state"], world.state(short)["missing"]) == ("SHORT", 30)
    assert (world.state(met)["state"], world.state(silent)["state"]) == ("MET", "MISSING_DATA")
    listed = world.look(lambda c: obligations.list_year(c, world.ann, 2020, state="SHORT", after="", limit=10))
    assert [one["account"] for one in listed.body["obligations"]] == [short]
    over = world.look(lambda c: obligations.list_account(c, world.ann, silent, after=0, limit=10)).body
    assert (over["standing"], len(over["obligations"])) == ("MISSING_DATA", 1)

    world.verify(silent, 10)
    assert world.state(silent)["state"] == "SHORT"
    events = len(world.state(short)["history"])
    world.clock("2022-01-02T00:00:00+08:00")
    assert len(world.state(short)["history"]) == events, "a deadline is carried out once"


def test_a_later_deadline_opens_what_was_short(world: Any) -> None:
    world.year()
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 90)
    world.clock("2022-01-01T09:00:00+08:00")
    assert world.state(firm)["state"] == "SHORT"
    world.year(deadline="2022-01-31")
    assert world.state(firm)["state"] == "OPEN"
    world.clock("2022-02-01T09:00:00+08:00")
    assert world.state(firm)["state"] == "SHORT"


def test_a_penalty_ends_it_and_what_is_missing_comes_off_the_next_allocation(world: Any) -> None:
    world.year()
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 90)
    body = {"account": firm, "year": 2020, "reason": "not met in time"}

    def propose(by: Caller = world.ann) -> Any:
        return world.do(lambda c: penalty.propose(c, by, body))

    assert propose().reason == Reason.NOT_SHORT
    world.hand_in(firm, 50)
    world.clock("2022-01-01T09:00:00+08:00")
    waiting = world.surrender(firm, 10)
    assert propose().reason == Reason.NOT_SHORT, "a decision is waited for"
    world.approve(waiting)
    assert propose(world.shanghai).reason == Reason.NOT_PERMITTED
    proposed = propose(world.hubei)
    assert world.approve(proposed, world.bob).reason == Reason.NOT_PERMITTED
    assert world.approve(proposed, world.hubei_too).body["outcome"] == {"state": "PENALISED", "deducted": 30}

    shown = world.state(firm)
    assert (shown["state"], shown["deducted"], shown["history"][-1]["cause"]) == ("PENALISED", 30, "penalty")
    [open_] = world.look(lambda c: deductions.open_of(c, [firm]))
    assert open_.tonnes == 30
    assert world.surrender(firm, 1).reason == Reason.OBLIGATION_PENALISED
    assert world.upload([(firm, 95, "late meter")]).reason == Reason.OBLIGATION_PENALISED


def test_late_units_still_count_until_the_penalty(world: Any) -> None:
    world.year()
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 90)
    world.clock("2022-01-01T09:00:00+08:00")
    world.hand_in(firm, 90)
    assert [e["state"] for e in world.state(firm)["history"]] == ["OPEN", "SHORT", "MET"]


def test_rules_of_a_year_are_changed_by_two_of_the_registrys_people(world: Any) -> None:
    body = {"year": 2020, "deadline": "2021-12-31", "vintages": [2019], "reason": "plan"}
    assert world.do(lambda c: years.propose(c, world.hubei, body)).reason == Reason.NOT_PERMITTED
    proposed = world.do(lambda c: years.propose(c, world.ann, body))
    assert world.approve(proposed, world.ann).reason == Reason.SAME_PERSON
    assert world.approve(proposed, world.bob).body["outcome"] == {"version": 1, "obligations_changed": 0}
    listed = world.look(lambda c: years.list_years(c, world.ann, after=0, limit=10)).body
    assert [(y["year"], y["version"], y["vintages"]) for y in listed["years"]] == [(2020, 1, [2019])]
