"""The units on a real database: serials change hands and never overlap."""

from __future__ import annotations

import time
from datetime import date

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from core.accounts.rules import number_of
from core.ledger.rules import CLEARING, ISSUANCE, RESERVE, SURRENDERED
from core.quantities import SerialRange, Vintage
from core.units import store
from core.units.rules import UnitsShortError, merge

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)
V = Vintage(2019)


def block(first: int, last: int) -> SerialRange:
    return SerialRange(V, first, last)


def issue(connection: Connection, name: str, tonnes: int, holder: str, vintage: Vintage = V) -> SerialRange:
    return store.issue(connection, issue_id=name, vintage=vintage, tonnes=tonnes, holder=holder, market_day=DAY)


def move(connection: Connection, giver: str, taker: str, tonnes: int) -> list[SerialRange]:
    return store.move(
        connection, giver=giver, taker=taker, vintage=V, tonnes=tonnes, type="TRANSFER", reference="r", market_day=DAY
    )


def test_each_issue_takes_the_next_free_serials_of_its_vintage(engine: Engine) -> None:
    with engine.begin() as connection:
        assert issue(connection, "one", 100, ISSUANCE) == block(1, 100)
        assert issue(connection, "two", 50, ISSUANCE) == block(101, 150)
        assert issue(connection, "other", 7, ISSUANCE, Vintage(2020)) == SerialRange(Vintage(2020), 1, 7)
        assert store.issued(connection, V) == 150
        assert store.holdings(connection, ISSUANCE) == [block(1, 150), SerialRange(Vintage(2020), 1, 7)]
        assert store.totals(connection) == {(ISSUANCE, 2019): 150, (ISSUANCE, 2020): 7}


def test_an_issue_id_works_once(engine: Engine) -> None:
    with engine.connect() as connection:
        issue(connection, "one", 1, ISSUANCE)
        with pytest.raises(IntegrityError, match="unit_issue_pkey"):
            issue(connection, "one", 1, ISSUANCE)


def test_a_move_takes_the_lowest_serials_and_joins_them_with_their_neighbours(engine: Engine) -> None:
    with engine.begin() as connection:
        issue(connection, "one", 100, CLEARING)
        assert move(connection, CLEARING, RESERVE, 30) == [block(1, 30)]
        assert move(connection, CLEARING, RESERVE, 20) == [block(31, 50)]
        assert store.holdings(connection, RESERVE) == [block(1, 50)]
        assert move(connection, RESERVE, CLEARING, 10) == [block(1, 10)]
        assert move(connection, RESERVE, CLEARING, 40) == [block(11, 50)]
        assert store.holdings(connection, CLEARING) == [block(1, 100)]
        assert store.holdings(connection, RESERVE) == []
        moves = connection.execute(text("SELECT count(*) FROM unit_move WHERE giver IS NOT NULL")).scalar_one()
        assert moves == 4


def test_a_move_of_more_than_there_is_is_a_fault(engine: Engine) -> None:
    with engine.connect() as connection:
        issue(connection, "one", 5, CLEARING)
        with pytest.raises(UnitsShortError):
            move(connection, CLEARING, RESERVE, 6)


def test_delivery_pools_the_sellers_lowest_serials_for_buyers_in_order_of_number(engine: Engine) -> None:
    with engine.begin() as connection:
        issue(connection, "one", 10, RESERVE)
        issue(connection, "two", 10, CLEARING)
        nets = [(SURRENDERED, V, 7), (RESERVE, V, -5), (ISSUANCE, V, 3), (CLEARING, V, -5)]
        store.deliver(connection, nets, reference="day", market_day=DAY)

        assert store.holdings(connection, ISSUANCE) == [block(1, 3)]
        assert store.holdings(connection, SURRENDERED) == [block(4, 5), block(11, 15)]
        assert store.holdings(connection, RESERVE) == [block(6, 10)]
        assert store.holdings(connection, CLEARING) == [block(16, 20)]


def test_the_database_itself_refuses_serials_held_twice(engine: Engine) -> None:
    copy = text("INSERT INTO unit_block (serials, holder) SELECT serials, :holder FROM unit_block")
    with engine.connect() as connection:
        issue(connection, "one", 10, CLEARING)
        connection.execute(copy, {"holder": RESERVE})
        with pytest.raises(IntegrityError, match="unit_block_no_overlap"):
            connection.commit()


def test_a_day_of_a_whole_market_is_delivered_at_once(engine: Engine) -> None:
    """4,000 accounts, half of them selling: one pass, nothing lost, nothing doubled, in about half a second."""
    numbers = [number_of("E", "42", n) for n in range(2000, 6000)]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO account (number, name, state) SELECT n, 'x', 'OPEN' FROM unnest(CAST(:n AS text[])) AS n"
            ),
            {"n": numbers},
        )
        issue(connection, "one", 1000 * len(numbers), ISSUANCE)
        takers = [(number, 1000) for number in numbers]
        how = {"type": "ALLOCATE", "reference": "plan"}
        store.distribute(connection, giver=ISSUANCE, takers=takers, vintage=V, market_day=DAY, **how)
        assert store.holdings(connection, numbers[7]) == [block(7001, 8000)]
    nets = [(number, V, (n % 7 + 1) * (1 if n % 2 else -1)) for n, number in enumerate(numbers)]
    nets[-1] = (numbers[-1], V, -sum(tonnes for _, _, tonnes in nets[:-1]))

    started = time.monotonic()
    with engine.begin() as connection:
        store.deliver(connection, nets, reference="day", market_day=DAY)
    took_s = time.monotonic() - started

    with engine.connect() as connection:
        everything = [b for number in numbers for b in store.holdings(connection, number)]
        assert merge(everything) == [block(1, 1000 * len(numbers))]
        assert sum(b.tonnes for b in everything) == 1000 * len(numbers)
        totals = store.totals(connection)
        assert all(totals[number, 2019] == 1000 + net for number, _, net in nets)
    assert took_s < 5  # generous: it catches a quadratic plan, not a busy machine
