"""Who may look at an account, propose for it and decide for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from core.accounts.operators import store
from core.accounts.rights import refuse_right, refuse_view
from core.accounts.rules import number_of
from core.callers import Caller
from core.refusals import Reason

OURS, OTHERS = number_of("E", "42", 2001), number_of("E", "31", 2002)
AT = datetime(2021, 7, 1, 1, 0, tzinfo=UTC)


@pytest.fixture
def accounts(engine: Engine) -> Engine:
    """Two firms in two provinces; three people of the first."""
    with engine.begin() as connection:
        for number in (OURS, OTHERS):
            connection.execute(
                text("INSERT INTO account (number, name, state) VALUES (:n, 'Firm', 'OPEN')"), {"n": number}
            )
        for login, right in (("vic", "view"), ("mia", "maker"), ("cleo", "checker")):
            assert store.grant(connection, OURS, login, right, at=AT, by="bob")
    return engine


# Who, with which roles, of which province; and what they may: letters for view, maker, checker, here and elsewhere.
PEOPLE = [
    ("ann", {"maker"}, None, "vm", "vm"),
    ("bob", {"checker"}, None, "vc", "vc"),
    ("olga", {"operator"}, None, "v", "v"),
    ("audrey", {"auditor"}, None, "v", "v"),
    ("bank", {"bank"}, None, "", ""),
    ("vic", {"holder"}, None, "v", ""),
    ("mia", {"holder"}, None, "vm", ""),
    ("cleo", {"holder"}, None, "vc", ""),
    ("stranger", {"holder"}, None, "", ""),
    ("mia", set(), None, "", ""),
    ("ministry", {"authority_maker"}, None, "vm", "vm"),
    ("ministry", {"authority_checker"}, None, "vc", "vc"),
    ("hubei", {"authority_maker"}, "42", "vm", ""),
    ("hubei", {"authority_checker"}, "42", "vc", ""),
    ("shanghai", {"authority_checker"}, "31", "", "vc"),
]
LETTERS = {"v": "view", "m": "maker", "c": "checker"}


@pytest.mark.parametrize(("name", "roles", "province", "here", "elsewhere"), PEOPLE)
def test_everybody_may_what_role_list_or_province_says(
    accounts: Engine, name: str, roles: set[str], province: str | None, here: str, elsewhere: str
) -> None:
    caller = Caller(name, frozenset(roles), province)
    with accounts.connect() as connection:
        for number, allowed in ((OURS, here), (OTHERS, elsewhere)):
            for letter, right in LETTERS.items():
                refused = refuse_right(connection, caller, number, right)
                assert (refused is None) is (letter in allowed), (number, right)
                assert refused is None or refused.reason is Reason.NOT_PERMITTED


def test_only_people_of_subjects_are_kept_from_looking(accounts: Engine) -> None:
    with accounts.connect() as connection:
        assert refuse_view(connection, Caller("reader", frozenset()), OTHERS) is None
        assert refuse_view(connection, Caller("vic", frozenset({"holder"})), OTHERS) is not None
        assert refuse_view(connection, Caller("vic", frozenset({"holder", "auditor"})), OTHERS) is None
        assert refuse_view(connection, Caller("vic", frozenset({"holder"})), OURS) is None


def test_a_right_that_was_taken_away_counts_no_longer(accounts: Engine) -> None:
    mia = Caller("mia", frozenset({"holder"}))
    with accounts.begin() as connection:
        assert not store.grant(connection, OURS, "mia", "maker", at=AT, by="bob")
        assert store.revoke(connection, OURS, "mia", "maker", at=AT, by="bob")
        assert not store.revoke(connection, OURS, "mia", "maker", at=AT, by="bob")
        assert refuse_right(connection, mia, OURS, "view") is not None
        assert [o.login for o in store.operators(connection, OURS)] == ["cleo", "vic"]
        assert [o.login for o in store.operators(connection, OURS, past=True)] == ["cleo", "mia", "vic"]


def test_a_login_may_serve_several_accounts(accounts: Engine) -> None:
    with accounts.begin() as connection:
        store.grant(connection, OTHERS, "mia", "view", at=AT, by="bob")
        assert store.accounts_of(connection, "mia") == [OTHERS, OURS]
        assert store.rights_of(connection, OTHERS, "mia") == {"view"}
        assert store.rights_of(connection, OURS, "mia") == {"view", "maker"}
