"""Who may book what, when two intakes each think that they lead."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest
from sqlalchemy import Engine

from core.accounts.rules import number_of
from core.db.transaction import Unknown
from core.exchange.booking import Booked, FencedError, Stream, book, end, open_stream
from core.exchange.rules import Received
from core.refusals import Reason

DAY = date(2021, 7, 16)
BUYER, SELLER = (number_of("E", "42", serial) for serial in (1001, 1002))
SET_UP = f"""
INSERT INTO account (number, name, state) VALUES ('{BUYER}', 'Buyer', 'OPEN'), ('{SELLER}', 'Seller', 'OPEN');
INSERT INTO market_day (day, state, cumulative_t, cumulative_fen) VALUES ('{DAY}', 'TRADING', 0, 0);
INSERT INTO market_day_product (day, product, previous_close_fen) VALUES ('{DAY}', 'CEA-2019', 4800);
"""  # noqa: S608  # constants of this file


@pytest.fixture
def _day(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(SET_UP)


def _trades(*numbers: int) -> list[Received]:
    facts = f"N|listed|CEA-2019|{BUYER}|{SELLER}|10|4800|48000|20210716-01:30:00.000"
    return [Received.of_body(n, f"20210716|1|{n}|T{n}|{facts}", "A") for n in numbers]


def _led(engine: Engine) -> Stream:
    opened = open_stream(engine, DAY, "1")
    assert isinstance(opened, Stream)
    return opened


def _done(booked: Booked | Unknown) -> Booked:
    assert isinstance(booked, Booked)
    return booked


@pytest.mark.usefixtures("_day")
def test_a_fenced_leader_calls_no_trade_late_that_its_successor_booked_before_the_end(engine: Engine) -> None:
    """The old leader never heard of its batch's end; were it told "after the end", so would be the exchange."""
    old = _led(engine)
    new = _led(engine)
    booked = _done(book(engine, new, _trades(1, 2, 3)))
    end(engine, booked.stream, booked.stream.totals)

    with pytest.raises(FencedError):
        book(engine, old, _trades(1, 2, 3))

    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT appl_seq, refusal FROM trade ORDER BY appl_seq").all()
    assert [tuple(row) for row in rows] == [(1, None), (2, None), (3, None)]


@pytest.mark.usefixtures("_day")
def test_the_leader_itself_refuses_what_comes_after_the_end(engine: Engine) -> None:
    booked = _done(book(engine, _led(engine), _trades(1)))
    end(engine, booked.stream, booked.stream.totals)

    late = _done(book(engine, _led(engine), _trades(2)))

    assert [(received.seq, reason) for received, reason in late.refused] == [(2, Reason.TRADE_AFTER_END)]
    assert late.stream.totals == booked.stream.totals


@pytest.mark.usefixtures("_day")
def test_a_fenced_leader_books_nothing(engine: Engine) -> None:
    old, _new = _led(engine), _led(engine)

    with pytest.raises(FencedError):
        book(engine, old, _trades(1))

    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM trade").scalar_one() == 0
