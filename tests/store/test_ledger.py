"""The ledger on a real database: what it books, what it refuses, and how a forgery shows."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from core.ledger import store
from core.ledger.rules import AVAILABLE, BANK, CLEARING, ISSUANCE, RESERVE, Place, Transfer, place_of

DAY = date(2021, 7, 16)
CEA = "CEA-2019"


def issue(number: int, amount: int = 100) -> Transfer:
    return Transfer(f"i{number}", place_of(ISSUANCE, CEA), place_of(CLEARING, CEA), amount, "ISSUE", "test")


def test_a_transfer_moves_its_amount_from_debit_to_credit(engine: Engine) -> None:
    with engine.begin() as connection:
        store.post(connection, [issue(1, 70)], market_day=DAY)

        assert store.balances(connection, [ISSUANCE, CLEARING]) == [
            store.Balance(ISSUANCE, CEA, "system", -70),
            store.Balance(CLEARING, CEA, "system", 70),
        ]
        assert store.imbalance(connection) == {CEA: 0}


def stage_rows(connection: Connection, transfers: list[Transfer]) -> None:
    store.stage(connection)
    connection.execute(
        text("INSERT INTO staged_transfer VALUES (:id, :do, :db, :co, :cb, :asset, :amount, :type, :ref, :position)"),
        [
            {
                "id": t.id, "do": t.debit.owner, "db": t.debit.bucket, "co": t.credit.owner, "cb": t.credit.bucket,
                "asset": t.debit.asset, "amount": t.amount, "type": t.type, "ref": t.reference, "position": n,
            }
            for n, t in enumerate(transfers)
        ],
    )  # fmt: skip


def test_rows_posted_one_by_one_and_staged_rows_make_one_chain(engine: Engine) -> None:
    with engine.begin() as connection:
        store.post(connection, [issue(1), issue(2)], market_day=DAY)
        stage_rows(connection, [issue(3), issue(4), issue(5)])
        assert store.post_staged(connection, market_day=DAY) == 3
        store.post(connection, [issue(6)], market_day=DAY)

    with engine.connect() as connection:
        assert store.verify_chain(connection) == []
        assert store.imbalance(connection) == {CEA: 0}
        assert store.drifted(connection) == []
        assert connection.execute(text("SELECT count(*), max(seq) FROM ledger_batch")).one() == (3, 3)
