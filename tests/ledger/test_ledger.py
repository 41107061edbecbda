"""The ledger on a real database: what it books, what it refuses, and how a forgery shows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.ledger import store
from core.ledger.rules import BANK, CLEARING, ISSUANCE, RESERVE, Place, Transfer, place_of

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)
CEA = "CEA-2019"


def issue(number: int, amount: int = 100) -> Transfer:
    return Transfer(f"i{number}", place_of(ISSUANCE, CEA), place_of(CLEARING, CEA), amount, "ISSUE", "test")


def post_staged(connection: Connection, transfers: list[Transfer]) -> int:
    store.stage(connection)
    store.stage_all(connection, transfers)
    return store.post_staged(connection, market_day=DAY)


def test_a_transfer_moves_its_amount_from_debit_to_credit(engine: Engine) -> None:
    with engine.begin() as connection:
        store.post(connection, [issue(1, 70)], market_day=DAY)

        assert store.balances(connection, [ISSUANCE, CLEARING]) == [
            store.Balance(ISSUANCE, CEA, "system", -70),
            store.Balance(CLEARING, CEA, "system", 70),
        ]
        assert store.imbalance(connection) == {CEA: 0}


def test_rows_posted_one_by_one_and_staged_rows_make_one_chain(engine: Engine) -> None:
    with engine.begin() as connection:
        store.post(connection, [issue(1), issue(2)], market_day=DAY)
        assert post_staged(connection, [issue(3), issue(4), issue(5)]) == 3
        assert post_staged(connection, [issue(6)]) == 1
        store.post(connection, [issue(7)], market_day=DAY)

    with engine.connect() as connection:
        assert store.verify_chain(connection) == []
        assert store.imbalance(connection) == {CEA: 0}
        assert store.drifted(connection) == []
        assert connection.execute(text("SELECT count(*), max(seq) FROM ledger_batch")).one() == (4, 4)


def test_the_chain_is_the_published_one(engine: Engine) -> None:
    """Whoever has the rows can compute it with nothing but SHA-256."""
    with engine.begin() as connection:
        store.post(connection, [issue(1), issue(2, 7)], market_day=DAY)
        post_staged(connection, [issue(3, 9)])
        stored = list(connection.execute(text("SELECT hash FROM ledger_batch ORDER BY seq")).scalars())

    def row(number: int, amount: int) -> bytes:
        places = "S00-00000001-53|system|S00-00000002-50|system"
        return f"2:i{number}|{places}|{CEA}|{amount}|ISSUE|2021-07-16|4:test|0:\n".encode()

    def sha256(content: bytes) -> bytes:
        return hashlib.sha256(content).digest()

    first = sha256(bytes(32) + sha256(sha256(row(1, 100) + row(2, 7))))
    second = sha256(first + sha256(sha256(row(3, 9))))
    assert stored == [first, second]


def test_a_day_that_is_being_delivered_keeps_nobody_from_the_ledger_while_it_inserts(engine: Engine) -> None:
    """That takes seconds; whoever books meanwhile, even on its very accounts, comes before it in the chain."""
    meanwhile: list[int] = []

    def book_meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "staged_net n JOIN ledger_account" in statement and not meanwhile:
            meanwhile.append(1)
            with engine.begin() as other:
                other.execute(text("SET LOCAL lock_timeout = '1s'"))
                cash = Transfer("c1", place_of(BANK, "CNY"), place_of(RESERVE, "CNY"), 5, "DEPOSIT", "test")
                more = Transfer("u0", place_of(ISSUANCE, CEA), place_of(RESERVE, CEA), 3, "ISSUE", "test")
                store.post(other, [cash, more], market_day=DAY)

    units = Transfer("u1", place_of(ISSUANCE, CEA), place_of(RESERVE, CEA), 7, "ISSUE", "test")
    with engine.begin() as connection:
        store.lock_balances(connection, [units.debit, units.credit], create=True)
    event.listen(engine, "before_cursor_execute", book_meanwhile)
    with engine.begin() as connection:
        post_staged(connection, [units])

    with engine.connect() as connection:
        assert meanwhile
        assert store.verify_chain(connection) == []
        assert store.drifted(connection) == []
        everything = store.statement(connection, RESERVE, after=(0, 0), limit=10)
        rest = store.statement(connection, RESERVE, after=(everything[1].batch, everything[1].position), limit=10)
    assert [(entry.batch, entry.id) for entry in everything] == [(1, "c1"), (1, "u0"), (2, "u1")]
    assert [entry.id for entry in rest] == ["u1"], "who had read up to the first one does not miss the last"


def test_nothing_staged_is_no_batch(engine: Engine) -> None:
    with engine.begin() as connection:
        assert post_staged(connection, []) == 0
        store.post(connection, [], market_day=DAY)
        assert connection.execute(text("SELECT count(*) FROM ledger_batch")).scalar_one() == 0


def post_rows(connection: Connection, transfers: list[Transfer]) -> None:
    store.post(connection, transfers, market_day=DAY)


@pytest.mark.parametrize("book", [post_rows, post_staged])
def test_no_balance_turns_negative_but_those_of_the_outside_world(
    engine: Engine, book: Callable[[Connection, list[Transfer]], object]
) -> None:
    overdrawn = Transfer("x", place_of(CLEARING, CEA), place_of(RESERVE, CEA), 1, "TRANSFER", "test")
    with engine.connect() as connection, pytest.raises(IntegrityError, match="balance_not_negative"):
        book(connection, [overdrawn])


@pytest.mark.parametrize(("owner", "asset"), [(BANK, CEA), (ISSUANCE, "CNY"), (RESERVE, "CNY")])
def test_the_outside_world_overdraws_its_own_asset_only(engine: Engine, owner: str, asset: str) -> None:
    transfer = Transfer("x", place_of(owner, asset), place_of(CLEARING, asset), 1, "DEPOSIT", "test")
    assert not transfer.debit.may_overdraw
    with engine.connect() as connection, pytest.raises(IntegrityError, match="balance_not_negative"):
        store.post(connection, [transfer], market_day=DAY)


def test_money_in_and_money_out_meet_within_a_batch(engine: Engine) -> None:
    """A batch is final as a whole: only where it ends is checked, not the way there."""
    on = Transfer("on", place_of(CLEARING, CEA), place_of(RESERVE, CEA), 60, "TRANSFER", "test")
    with engine.begin() as connection:
        assert post_staged(connection, [on, issue(1, 60)]) == 2
        amounts = store.lock_balances(connection, [place_of(CLEARING, CEA), place_of(RESERVE, CEA)])
        assert list(amounts.values()) == [0, 60]


def test_an_unknown_place_holds_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        nowhere = Place("E42-99999999-00", CEA, "available")
        assert store.lock_balances(connection, [nowhere]) == {nowhere: 0}


FORGERIES = [
    ("UPDATE transfer SET amount = amount + 1 WHERE id = 'i2'", [1]),
    ("UPDATE transfer SET type = 'GIFT' WHERE id = 'i3'", [2]),
    ("UPDATE transfer SET credit = debit, debit = credit WHERE id = 'i3'", [2]),
    ("UPDATE transfer SET position = position + 10 WHERE id = 'i1'", [1]),
    ("DELETE FROM transfer WHERE id = 'i2'", [1]),
    ("DELETE FROM transfer WHERE batch = 3", [3]),
    ("DELETE FROM transfer WHERE batch = 3; DELETE FROM ledger_batch WHERE seq = 3", [3]),
    ("DELETE FROM ledger_batch WHERE seq = 2", [2, 3]),
    ("UPDATE transfer SET batch = 9 WHERE id = 'i5'", [3, 9]),
    ("UPDATE ledger_batch SET hash = sha256('x') WHERE seq = 1", [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("forgery", "found"), FORGERIES)
def test_a_forgery_by_the_database_s_own_superuser_is_found(
    engine: Engine, dsn: str, forgery: str, found: list[int]
) -> None:
    with engine.begin() as connection:
        store.post(connection, [issue(1), issue(2)], market_day=DAY)
        post_staged(connection, [issue(3), issue(4)])
        store.post(connection, [issue(5)], market_day=DAY)
        assert store.verify_chain(connection) == []
    with psycopg.connect(dsn.replace("registry_app@", "postgres@"), options="-c search_path=registry") as rogue:
        rogue.execute("SET session_replication_role = replica")  # no trigger fires
        rogue.execute(forgery)

    with engine.connect() as connection:
        assert store.verify_chain(connection) == found


APPEND_ONLY = ["transfer", "ledger_batch", "unit_issue", "unit_move", "audit_event"]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_history_cannot_be_changed_by_the_application_nor_by_the_owner(
    engine: Engine, owner_dsn: str, table: str, change: str
) -> None:
    column = {"ledger_batch": "seq"}.get(table, "reference" if table in {"transfer", "unit_move"} else "id")
    statement = change.format(table, "subject" if table == "audit_event" else column)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text(statement))
    with psycopg.connect(owner_dsn) as owner, pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        owner.execute(statement)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([ISSUANCE, CLEARING, RESERVE]),
        st.sampled_from([CLEARING, RESERVE]),
        st.integers(1, 50),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_sequence_of_transfers_makes_or_destroys_anything(
    engine: Engine, steps: list[tuple[str, str, int, bool]]
) -> None:
    """Each step is booked or refused as a plain model says, on either path; the books always balance."""
    model = {ISSUANCE: 0, CLEARING: 0, RESERVE: 0}
    with engine.connect() as connection:
        connection.begin()
        for n, (giver, taker, amount, staged) in enumerate(steps):
            if giver == taker:
                continue
            step = Transfer(f"t{n}", place_of(giver, CEA), place_of(taker, CEA), amount, "TRANSFER", "test")
            covered = giver == ISSUANCE or model[giver] >= amount
            try:
                with connection.begin_nested():
                    if staged:
                        post_staged(connection, [step])
                    else:
                        store.post(connection, [step], market_day=DAY)
            except IntegrityError:
                assert not covered
            else:
                assert covered
                model[giver] -= amount
                model[taker] += amount
        held = {b.owner: b.amount for b in store.balances(connection, list(model))}
        assert {owner: held.get(owner, 0) for owner in model} == model
        assert set(store.imbalance(connection).values()) <= {0}
        assert store.drifted(connection) == []
        assert store.verify_chain(connection) == []
        connection.rollback()
