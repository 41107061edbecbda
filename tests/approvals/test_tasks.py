"""Proposals on a real database: reviewers, expiry, delay, withdrawal, lists."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import datetime
from typing import Any

import psycopg
import pytest

from core.accounts.rights import refuse_right
from core.approvals import service as approvals
from core.authority.service import as_seen_by
from core.callers import Caller
from core.day.chores import Chore, Housekeeper
from core.refusals import Answer, Reason, Refused

ANN = Caller("ann", frozenset({"maker", "checker"}))
BOB = Caller("bob", frozenset({"maker", "checker"}))
EVE = Caller("eve", frozenset({"maker", "checker"}))
AUDITOR = Caller("rex", frozenset({"auditor"}))
SAY = "INSERT INTO task_decision (task, proposed_by, person, verdict, decided_at) VALUES"
TOMORROW = datetime.fromisoformat("2021-07-16T12:00:00+08:00")


def reason_of(ended: Answer | Refused) -> Reason | None:
    return ended.reason if isinstance(ended, Refused) else None


def test_two_reviewers_are_two_people_beside_the_proposer(office: Any) -> None:
    task = office.note(reviews=2)

    first = office.approve(task, BOB)
    assert first.body["state"] == "AWAITING_APPROVAL"
    assert office.done == []
    assert reason_of(office.approve(task, BOB)) == Reason.SAME_REVIEWER
    assert reason_of(office.approve(task, ANN)) == Reason.SAME_PERSON
    second = office.approve(task, EVE)

    assert (second.body["state"], second.body["decided_by"]) == ("APPROVED", "eve")
    assert [(d["by"], d["verdict"]) for d in second.body["approval"]["decisions"]] == [
        ("bob", "approve"),
        ("eve", "approve"),
    ]
    assert office.done == [task]
    assert office.task(task) == second.body


def test_two_approvals_at_once_do_not_count_one_person_twice(office: Any) -> None:
    task = office.note(reviews=2)
    ends: list[Any] = []
    threads = [threading.Thread(target=lambda: ends.append(office.approve(task, BOB))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(str(reason_of(end)) for end in ends) == ["None", *["Reason.SAME_REVIEWER"] * 3]
    assert office.task(task)["state"] == "AWAITING_APPROVAL"


def test_a_refusal_at_approval_leaves_the_task_waiting(office: Any) -> None:
    task = office.note()
    office.refuses = Reason.INSUFFICIENT_UNITS

    assert reason_of(office.approve(task)) == Reason.INSUFFICIENT_UNITS
    assert office.task(task)["approval"]["decisions"] == []
    office.refuses = None
    assert office.approve(task).body["state"] == "APPROVED"


def test_a_proposal_that_nobody_approved_in_time_expires_and_is_undone(office: Any) -> None:
    task = office.note()
    office.clock("2021-07-29T08:59:59")
    assert office.settle() == []
    office.clock("2021-07-29T09:00:00")

    assert reason_of(office.approve(task)) == Reason.TASK_EXPIRED
    assert office.settle() == ["EXPIRED"]

    found = office.task(task)
    assert (found["state"], found["decided_by"], found["released"]) == ("EXPIRED", None, True)
    assert office.undone == [task]
    assert office.settle() == []
    assert reason_of(office.approve(task)) == Reason.TASK_DECIDED


def test_a_proposal_may_be_valid_for_fewer_days(office: Any) -> None:
    office.note(valid_days=1)
    office.clock("2021-07-16T12:00:00")

    assert office.settle() == ["EXPIRED"]


def test_a_task_for_later_waits_and_is_carried_out_when_it_is_due(office: Any) -> None:
    task = office.note(not_before=TOMORROW)

    delayed = office.approve(task)
    assert (delayed.body["state"], delayed.body["decided_by"]) == ("DELAYED", "bob")
    assert (office.done, office.settle()) == ([], [])
    office.clock("2021-07-16T12:00:00")
    assert office.settle() == ["APPROVED"]

    found = office.task(task)
    assert (found["state"], found["decided_by"], found["noted"]) == ("APPROVED", "bob", True)
    assert office.done == [task]
    assert office.settle() == []


def test_a_task_approved_after_its_time_is_carried_out_at_once(office: Any) -> None:
    task = office.note(not_before=TOMORROW)
    office.clock("2021-07-16T12:00:00")

    assert office.approve(task).body["state"] == "APPROVED"


def test_a_delayed_task_does_not_expire(office: Any) -> None:
    later = datetime.fromisoformat("2021-12-01T12:00:00+08:00")
    office.approve(office.note(not_before=later))
    office.clock("2021-11-30T12:00:00")

    assert office.settle() == []


def test_a_delayed_task_that_cannot_be_carried_out_ends_with_the_code(office: Any) -> None:
    task = office.note(not_before=TOMORROW)
    office.approve(task)
    office.clock("2021-07-16T12:00:00")
    office.refuses = Reason.INSUFFICIENT_UNITS

    assert office.settle() == ["TERMINATED"]

    found = office.task(task)
    assert (found["state"], found["outcome"]["code"]) == ("TERMINATED", Reason.INSUFFICIENT_UNITS.code)
    assert office.undone == [task]


def test_a_delayed_task_is_stopped_by_a_decider_or_its_proposer(office: Any) -> None:
    first, second = (office.note(not_before=TOMORROW) for _ in range(2))
    office.approve(first)
    office.approve(second)

    assert reason_of(office.reject(first, ANN)) == Reason.SAME_PERSON
    assert office.reject(first, BOB).body["state"] == "CANCELLED"
    assert office.withdraw(second).body["state"] == "WITHDRAWN"
    assert office.undone == [first, second]
    office.clock("2021-07-16T12:00:00")
    assert office.settle() == []


def test_the_proposer_takes_a_proposal_back(office: Any) -> None:
    task = office.note()

    assert reason_of(office.withdraw(task, BOB)) == Reason.NOT_PERMITTED
    withdrawn = office.withdraw(task)

    assert (withdrawn.body["state"], withdrawn.body["decided_by"]) == ("WITHDRAWN", None)
    assert office.undone == [task]
    assert reason_of(office.approve(task)) == Reason.TASK_DECIDED


def test_two_workers_carry_a_due_task_out_once(office: Any) -> None:
    task = office.note(not_before=TOMORROW)
    office.approve(task)
    office.clock("2021-07-16T12:00:00")
    ends: list[str | None] = []

    def work() -> None:
        worker = Caller("settle@second-1", frozenset())
        ends.append(
            office.write(
                lambda c: approvals.settle(c, worker, task, executors=office.executors(), undoers=office.undoers())
            )
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ends, key=str) == ["APPROVED", None, None, None]
    assert office.done == [task]


def test_a_chore_that_fails_takes_nothing_from_the_others(office: Any) -> None:
    done: list[str] = []

    def do(_connection: Any, caller: Caller, item: str) -> bool:
        if item == "bad":
            raise RuntimeError(item)
        done.append(f"{caller.name}:{item}")
        return True

    keeper = Housekeeper(office.engine, "settle@main-1", [Chore("test", lambda _c: ["bad", "good"], do)])

    assert keeper.tick()
    assert keeper.tick()
    assert done == ["settle@main-1:good"] * 2


def test_an_authority_decides_for_its_own_firms_only(office: Any) -> None:
    own, other = office.account(province="42"), office.account(province="31")
    ministry = Caller("min", frozenset({"authority_checker"}))
    hubei = Caller("hub", frozenset({"authority_checker"}), "42")
    how = {"decides": "authority_checker"}

    assert reason_of(office.approve(office.note(accounts=[other], **how), hubei)) == Reason.NOT_PERMITTED
    assert reason_of(office.approve(office.note(accounts=[own, other], **how), hubei)) == Reason.NOT_PERMITTED
    assert reason_of(office.approve(office.note(accounts=[own], **how), BOB)) == Reason.NOT_PERMITTED
    assert office.approve(office.note(accounts=[own], **how), hubei).body["state"] == "APPROVED"
    assert office.approve(office.note(accounts=[own, other], **how), ministry).body["state"] == "APPROVED"


def listed(office: Any, caller: Caller = AUDITOR, **page: Any) -> Any:
    asked = {"after": "", "limit": 100} | page
    return office.read(lambda c: approvals.tasks(c, caller, asked, rights=refuse_right))


def test_tasks_are_listed_in_pages_and_by_what_is_wanted(office: Any) -> None:
    account = office.account()
    notes = [office.note(accounts=[account] if n % 2 else []) for n in range(5)]
    office.approve(notes[1])

    first = listed(office, limit=2).body
    rest = listed(office, after=first["next"], limit=10).body
    assert [task["id"] for task in first["tasks"] + rest["tasks"]] == notes
    assert rest["next"] is None
    assert [task["id"] for task in listed(office, state="APPROVED").body["tasks"]] == [notes[1]]
    assert [task["id"] for task in listed(office, account=account).body["tasks"]] == [notes[1], notes[3]]
    assert listed(office, kind="other").body["tasks"] == []
    for page in ({"state": "LOST"}, {"after": "x"}, {"after": "-1"}, {"after": "9" * 30}):
        assert reason_of(listed(office, **page)) == Reason.MALFORMED


def test_somebody_of_a_subject_sees_his_own_and_his_accounts_tasks(office: Any) -> None:
    account, other = office.account(), office.account()
    holder = office.holder("view", account)
    mine, ours = office.note(holder), office.note(accounts=[account, other], subject=account)
    plan, foreign = office.note(accounts=[account, other]), office.note(accounts=[other, account], subject=other)

    assert [task["id"] for task in listed(office, holder).body["tasks"]] == [mine]
    assert [task["id"] for task in listed(office, holder, account=account).body["tasks"]] == [ours]
    assert reason_of(listed(office, holder, account=other)) == Reason.NOT_PERMITTED
    for task, seen in ((mine, True), (ours, True), (plan, False), (foreign, False)):
        found = office.read(lambda c, t=task: approvals.get(c, holder, t, rights=refuse_right))
        assert isinstance(found, Answer) is seen


def test_a_checker_of_the_account_decides_what_is_its_holders_to_decide(office: Any) -> None:
    account, other = office.account(), office.account()
    checker, maker = office.holder("checker", account), office.holder("maker", account)
    how = {"accounts": [account, other], "decides": "holder", "subject": account}

    assert reason_of(office.approve(office.note(accounts=[account]), checker)) == Reason.NOT_PERMITTED
    assert reason_of(office.approve(office.note(**how), maker)) == Reason.NOT_PERMITTED
    swapped = how | {"subject": other}
    assert reason_of(office.approve(office.note(**swapped), checker)) == Reason.NOT_PERMITTED
    assert office.approve(office.note(**how), checker).body["state"] == "APPROVED"
    assert office.approve(office.note(**how), BOB).body["state"] == "APPROVED"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (f"{SAY} (%(t)s, 'ann', 'ann', 'approve', now())", "task_decision_four_eyes"),
        (f"{SAY} (%(t)s, 'bob', 'ann', 'approve', now())", "task_decision_of_task"),
        (f"{SAY} (%(t)s, 'ann', 'bob', 'approve', now())", "task_decision_once"),
        (f"{SAY} (%(t)s, 'ann', 'bob', 'withdraw', now())", "task_decision_four_eyes"),
        ("UPDATE task SET state = 'APPROVED', decided_by = 'eve' WHERE id = %(t)s", "task_reviewed"),
        ("UPDATE task SET state = 'APPROVED' WHERE id = %(t)s", "task_decided_by_somebody"),
        ("UPDATE task SET state = 'APPROVED', decided_by = 'ann' WHERE id = %(t)s", "task_four_eyes"),
    ],
)  # fmt: skip
def test_the_database_itself_refuses_one_person_in_two_chairs(
    office: Any, owner_dsn: str, change: str, said: str
) -> None:
    """Also to somebody with all rights who never heard of our Python."""
    task = office.note(reviews=2)
    office.approve(task, BOB)

    owner = psycopg.connect(owner_dsn, autocommit=True)
    with closing(owner), pytest.raises(psycopg.IntegrityError) as refused, owner.transaction():
        owner.execute(change, {"t": task})  # a deferred constraint speaks at commit
    assert refused.value.diag.constraint_name == said


def test_what_people_said_stays_said(office: Any, owner_dsn: str) -> None:
    office.approve(office.note(), BOB)

    for change in ("UPDATE task_decision SET person = 'eve'", "DELETE FROM task_decision", "TRUNCATE task_decision"):
        with psycopg.connect(owner_dsn) as connection, pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute(change)


def test_a_province_sees_the_proposals_of_its_own_firms_only(office: Any) -> None:
    """A plan that reaches beyond the province is the ministry's; of a move, the side acted for counts."""
    own, other = office.account(province="42"), office.account(province="31")
    seen = [office.note(accounts=[own]), office.note(accounts=[own, other], subject=own)]
    hidden = [office.note(), office.note(accounts=[other, own], subject=other), office.note(accounts=[own, other])]
    hubei = Caller("hub", frozenset({"authority_checker"}), "42")

    asked = {"after": "", "limit": 100}
    found = office.read(as_seen_by(hubei, lambda c: approvals.tasks(c, hubei, asked, rights=refuse_right)))
    assert [task["id"] for task in found.body["tasks"]] == seen
    assert reason_of(office.read(as_seen_by(hubei, lambda c: approvals.get(c, hubei, hidden[0])))) == (
        Reason.TASK_UNKNOWN
    )
    assert found.body["tasks"][0]["approval"]["decisions"] == []
