"""Who may decide what, and until when: facts in, decision out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from core.approvals.rules import (
    APPROVED,
    AWAITING,
    DELAYED,
    Decision,
    Task,
    approvable,
    expiry_of,
    rejectable,
    withdrawable,
)
from core.callers import AUTHORITY_CHECKER, HOLDER, Caller
from core.clock.calendar import Calendar
from core.refusals import Reason, Refused

NOW = datetime(2021, 7, 15, 1, tzinfo=UTC)
TASK = Task("t", "note", {}, AWAITING, "ann", NOW, accounts=("E42-1", "E31-2"), expires_at=NOW + timedelta(days=1))
REVIEWED = replace(TASK, decisions=(Decision("bob", NOW, "approve"),), reviews=2)
LATE = NOW + timedelta(days=1)


def who(name: str, *roles: str, province: str | None = None) -> Caller:
    return Caller(name, frozenset(roles), province)


BOB, ANN = who("bob", "checker"), who("ann", "maker", "checker")


@pytest.mark.parametrize(
    ("task", "caller", "now", "expected"),
    [
        # Each row breaks one more rule than the row below it; the topmost reason wins.
        (None, who("ann", "maker", "bank"), LATE, Reason.NOT_PERMITTED),
        (None, ANN, LATE, Reason.TASK_UNKNOWN),
        (replace(TASK, state=APPROVED), who("ann", "authority_checker"), LATE, Reason.NOT_PERMITTED),
        (replace(TASK, state=APPROVED), ANN, LATE, Reason.SAME_PERSON),
        (replace(REVIEWED, state=DELAYED), BOB, LATE, Reason.TASK_DECIDED),
        (REVIEWED, BOB, LATE, Reason.TASK_EXPIRED),
        (REVIEWED, BOB, NOW, Reason.SAME_REVIEWER),
        (REVIEWED, who("eve", "checker"), NOW, None),
        (TASK, BOB, LATE - timedelta(microseconds=1), None),
        (replace(TASK, expires_at=None), BOB, LATE, None),
    ],
)
def test_the_most_important_reason_against_an_approval_is_the_one_reported(
    task: Task | None, caller: Caller, now: datetime, expected: Reason | None
) -> None:
    found = approvable(task, caller, now=now)

    assert (found.reason if isinstance(found, Refused) else None) == expected
    assert isinstance(found, Refused) or found is task


@pytest.mark.parametrize(
    ("decides", "caller", "facts", "may"),
    [
        ("checker", who("x", "checker"), {}, True),
        ("checker", who("x", "authority_checker"), {}, False),
        ("checker", who("x", "holder"), {"as_holder": True}, False),
        (HOLDER, who("x", "holder"), {"as_holder": True}, True),
        (HOLDER, who("x", "holder"), {}, False),
        (HOLDER, who("x", "checker"), {}, True),
        (HOLDER, who("x", "authority_checker", province="42"), {"provinces": {"42"}}, False),
        (AUTHORITY_CHECKER, who("x", "checker"), {"provinces": {"42"}}, False),
        (AUTHORITY_CHECKER, who("x", "authority_checker"), {"provinces": {"42", "31"}}, True),
        (AUTHORITY_CHECKER, who("x", "authority_checker", province="42"), {"provinces": {"42"}}, True),
        (AUTHORITY_CHECKER, who("x", "authority_checker", province="42"), {"provinces": {"42", "31"}}, False),
        (AUTHORITY_CHECKER, who("x", "authority_checker", province="42"), {"provinces": {"31"}}, False),
        (AUTHORITY_CHECKER, who("x", "authority_checker", province="42"), {}, False),
    ],
)
def test_each_task_is_decided_by_its_own_people(
    decides: str, caller: Caller, facts: dict[str, Any], *, may: bool
) -> None:
    found = approvable(replace(TASK, decides=decides), caller, now=NOW, **facts)

    assert isinstance(found, Task) is may


def test_a_task_of_no_account_is_no_provinces_to_decide() -> None:
    task = replace(TASK, decides=AUTHORITY_CHECKER, accounts=())

    found = approvable(task, who("x", "authority_checker", province="42"), now=NOW)

    assert isinstance(found, Refused)
    assert found.reason == Reason.NOT_PERMITTED


def test_a_delayed_task_can_be_stopped_and_a_late_one_turned_down() -> None:
    delayed = replace(TASK, state=DELAYED)
    assert rejectable(delayed, BOB) is delayed
    assert rejectable(TASK, BOB) is TASK
    done = rejectable(replace(TASK, state=APPROVED), BOB)
    assert isinstance(done, Refused)
    assert done.reason == Reason.TASK_DECIDED


@pytest.mark.parametrize(
    ("task", "caller", "expected"),
    [
        (None, BOB, Reason.TASK_UNKNOWN),
        (replace(TASK, state=APPROVED), BOB, Reason.NOT_PERMITTED),
        (replace(TASK, state=APPROVED), ANN, Reason.TASK_DECIDED),
        (replace(TASK, state=DELAYED), ANN, None),
        (TASK, ANN, None),
    ],
)
def test_only_the_proposer_withdraws_and_only_in_time(
    task: Task | None, caller: Caller, expected: Reason | None
) -> None:
    found = withdrawable(task, caller)

    assert (found.reason if isinstance(found, Refused) else None) == expected
    assert isinstance(found, Refused) or found is task


@pytest.mark.parametrize(
    ("days", "proposed", "until"),
    [
        (10, "2021-07-15T09:00", "2021-07-29T09:00"),
        (10, "2021-07-17T23:30", "2021-07-30T23:30"),  # a Saturday: Monday is the first day that counts
        (10, "2021-09-24T10:00", "2021-10-15T10:00"),  # the National Day week and both make-up days do not count
        (2, "2021-07-15T09:00", "2021-07-19T09:00"),
        (20, "2021-07-15T09:00", "2021-08-12T09:00"),
        (10, "2026-12-24T09:00", "2027-01-07T09:00"),  # no holidays are known of 2027 yet: Monday to Friday
    ],
)
def test_a_proposal_is_valid_for_its_working_days(days: int, proposed: str, until: str) -> None:
    moment = datetime.fromisoformat(f"{proposed}+08:00")

    assert expiry_of(moment, days=days) == datetime.fromisoformat(f"{until}+08:00")


def test_a_day_that_the_market_closes_by_decision_does_not_count() -> None:
    calendar = Calendar({date(2021, 7, 20): False})
    proposed = datetime.fromisoformat("2021-07-15T09:00+08:00")

    assert expiry_of(proposed, calendar.is_trading_day) == datetime.fromisoformat("2021-07-30T09:00+08:00")
