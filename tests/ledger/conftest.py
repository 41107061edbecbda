"""Two firms with something to hold, and what may be done to their books behind our back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from core.ledger import store
from core.ledger.holds import store as hold_store
from core.ledger.rules import BANK, ISSUANCE, Place, Transfer, place_of
from core.ledger.seals import service as seals

DAY = date(2021, 7, 16)
NOON = datetime(2021, 7, 16, 4, tzinfo=UTC)
CEA, CNY = "CEA-2019", "CNY"


@dataclass(frozen=True)
class Books:
    """The ledger of one test."""

    engine: Engine
    one: str = "E42-00001001-60"
    other: str = "E42-00001002-57"

    def place(self, owner: str, bucket: str = "available", asset: str = CEA) -> Place:
        return place_of(owner, asset, bucket)

    def issue(self, connection: Connection, owner: str, amount: int, number: str, asset: str = CEA) -> Transfer:
        source = place_of(BANK if asset == CNY else ISSUANCE, asset)
        issued = Transfer(number, source, place_of(owner, asset), amount, "ISSUE", "test")
        store.post(connection, [issued], market_day=DAY)
        return issued

    def move(self, number: str, amount: int, *, back: bool = False) -> Transfer:
        giver, taker = (self.other, self.one) if back else (self.one, self.other)
        return Transfer(number, self.place(giver), self.place(taker), amount, "TRANSFER", "test")

    def amounts(self, connection: Connection, owner: str) -> dict[str, int]:
        return {b.bucket: b.amount for b in store.balances(connection, [owner]) if b.asset == CEA and b.amount}

    def batches(self, connection: Connection) -> int:
        found: int = connection.execute(text("SELECT count(*) FROM ledger_batch")).scalar_one()
        return found


def check_sound(connection: Connection) -> None:
    assert store.verify_chain(connection) == []
    assert seals.wrong_seals(connection) == []
    assert set(store.imbalance(connection).values()) <= {0}
    assert store.drifted(connection) == []
    assert hold_store.short(connection) == []


@pytest.fixture
def sound() -> Callable[[Connection], None]:
    """What must be true of the ledger after whatever happened."""
    return check_sound


@pytest.fixture
def books(engine: Engine) -> Books:
    """Two accounts, the first of which holds 100 t."""
    made = Books(engine)
    with engine.begin() as connection:
        for number in (made.one, made.other):
            connection.execute(
                text("INSERT INTO account (number, name, state) VALUES (:n, 'x', 'OPEN')"), {"n": number}
            )
        made.issue(connection, made.one, 100, "i1")
    return made


@pytest.fixture
def forge(dsn: str) -> Callable[[str], None]:
    """Change the database as its superuser could, with no trigger firing."""

    def change(statement: str) -> None:
        with psycopg.connect(dsn.replace("registry_app@", "postgres@"), options="-c search_path=registry") as rogue:
            rogue.execute("SET session_replication_role = replica")
            rogue.execute(statement)

    return change
