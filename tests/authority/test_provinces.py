"""A province sees and decides about its own firms only, and the database keeps it so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core.accounts import service as accounts
from core.approvals import service as approvals
from core.authority import service as authority
from core.authority import store
from core.authority.rules import Move, Tenure, refuse_move
from core.callers import Caller
from core.clock import store as clock
from core.db.transaction import read, write
from core.refusals import Answer, Reason, Refused

HUBEI = Caller("hubei-reader", frozenset({"authority_maker", "authority_checker"}), "42")
SHANGHAI = Caller("shanghai-reader", frozenset({"authority_maker", "authority_checker"}), "31")
MINISTRY = Caller("ministry-one", frozenset({"authority_maker", "authority_checker"}))
MINISTRY_TOO = Caller("ministry-two", frozenset({"authority_maker", "authority_checker"}))
STAFF = Caller("ann", frozenset({"maker", "checker"}))
STAFF_TOO = Caller("bob", frozenset({"maker", "checker"}))

TODAY = date(2021, 7, 15)
HELD = [Tenure("E42-00001001-60", "42", date(2021, 7, 1))]


@pytest.mark.parametrize(
    ("move", "history", "reason"),
    [
        (Move("E42-00009999-99", "31", date(2021, 8, 2), "moved"), None, Reason.ACCOUNT_UNKNOWN),
        (Move("S00-00000001-53", "31", date(2021, 8, 2), "moved"), HELD, Reason.ACCOUNT_UNKNOWN),
        (Move("E42-00001001-60", "31", TODAY, "moved"), HELD, Reason.MOVE_NOT_AHEAD),
        (
            Move("E42-00001001-60", "31", date(2021, 8, 2), "moved"),
            [*HELD, Tenure("E42-00001001-60", "33", date(2021, 7, 20))],
            Reason.MOVE_PENDING,
        ),
        (Move("E42-00001001-60", "42", date(2021, 8, 2), "moved"), HELD, Reason.MOVE_TO_SAME),
        (Move("E42-00001001-60", "31", date(2021, 8, 2), "moved"), HELD, None),
    ],
)
def test_a_move_is_refused_for_the_first_reason_there_is(
    move: Move, history: list[Tenure] | None, reason: Reason | None
) -> None:
    refused = refuse_move(move, history=history, today=TODAY)
    assert (refused.reason if refused else None) == reason


@pytest.fixture
def firms(engine: Engine) -> dict[str, str]:
    """One firm in each of two provinces."""

    def work(connection: Connection) -> dict[str, str]:
        lines = [{"name": f"Firm of {p}", "kind": "E", "province": p} for p in ("42", "31")]
        proposed = accounts.propose_openings(connection, STAFF, {"accounts": lines})
        assert isinstance(proposed, Answer)
        done = approvals.approve(connection, STAFF_TOO, str(proposed.body["id"]), accounts.EXECUTORS)
        assert isinstance(done, Answer)
        return {account["number"][1:3]: account["number"] for account in done.body["accounts"]}  # type: ignore[attr-defined]

    made = write(engine, work)
    assert isinstance(made, dict)
    return made


def as_(engine: Engine, caller: Caller, work: Callable[[Connection], Any]) -> Any:
    return read(engine, authority.as_seen_by(caller, work))


def numbers(connection: Connection) -> list[str]:
    listed = accounts.list_accounts(connection, STAFF, {"limit": 100})
    assert isinstance(listed, Answer)
    return [account["number"] for account in listed.body["accounts"]]  # type: ignore[attr-defined]


def test_two_provinces_list_their_own_firms_and_no_other(engine: Engine, firms: dict[str, str]) -> None:
    assert as_(engine, HUBEI, numbers) == [firms["42"]]
    assert as_(engine, SHANGHAI, numbers) == [firms["31"]]
    assert as_(engine, MINISTRY, numbers) == sorted(firms.values())


def test_a_firm_of_another_province_is_unknown_not_forbidden(engine: Engine, firms: dict[str, str]) -> None:
    found = as_(engine, HUBEI, lambda connection: accounts.get(connection, HUBEI, firms["31"]))
    assert isinstance(found, Refused)
    assert found.reason == Reason.ACCOUNT_UNKNOWN


def test_counts_and_totals_are_those_of_the_province(engine: Engine, firms: dict[str, str]) -> None:
    count = text("SELECT count(*) FROM account")
    assert as_(engine, HUBEI, lambda connection: connection.execute(count).scalar_one()) == 1


def test_what_a_province_has_no_business_with_is_refused(engine: Engine) -> None:
    look = text("SELECT count(*) FROM trade")
    found = as_(engine, HUBEI, lambda connection: connection.execute(look).scalar_one())
    assert isinstance(found, Refused)
    assert found.reason == Reason.NOT_PERMITTED


def test_the_role_of_a_province_cannot_reach_the_tables_by_their_full_names(engine: Engine) -> None:
    def spy(connection: Connection) -> None:
        store.see_as(connection, "42")
        connection.execute(text("SELECT * FROM registry.account"))

    with pytest.raises(DBAPIError, match="permission denied"):
        read(engine, spy)


def test_the_next_transaction_of_the_same_connection_sees_everything_again(
    engine: Engine, firms: dict[str, str]
) -> None:
    for _ in range(30):  # as many as the pool has connections, and more
        assert len(as_(engine, HUBEI, numbers)) == 1
        assert len(as_(engine, STAFF, numbers)) == 2


def test_a_firm_changes_hands_on_the_stated_day_with_history(engine: Engine, firms: dict[str, str]) -> None:
    body = {"account": firms["42"], "province": "31", "from_day": "2021-08-02", "reason": "seat moved"}

    def move(connection: Connection) -> Answer | Refused:
        proposed = authority.propose_move(connection, MINISTRY, body)
        assert isinstance(proposed, Answer)
        return approvals.approve(connection, MINISTRY_TOO, str(proposed.body["id"]), authority.EXECUTORS)

    assert isinstance(write(engine, move), Answer)
    assert as_(engine, HUBEI, numbers) == [firms["42"]]

    def pass_time(connection: Connection) -> None:
        clock.move(connection, to=datetime.fromisoformat("2021-08-02T00:00:00+08:00"), by="test")

    write(engine, pass_time)
    assert as_(engine, HUBEI, numbers) == []
    assert as_(engine, SHANGHAI, numbers) == sorted(firms.values())
    told = as_(engine, SHANGHAI, lambda connection: authority.history(connection, SHANGHAI, firms["42"]))
    assert [tenure["province"] for tenure in told.body["tenures"]] == ["42", "31"]


def test_a_province_proposes_no_move_of_its_own(engine: Engine, firms: dict[str, str]) -> None:
    body = {"account": firms["42"], "province": "31", "from_day": "2021-08-02", "reason": "seat moved"}
    refused = write(engine, lambda connection: authority.propose_move(connection, HUBEI, body))
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.NOT_PERMITTED
