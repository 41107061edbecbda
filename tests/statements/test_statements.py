"""A statement says what an account held before a day, what was booked, what it held after, and which serials."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from core.accounts.rules import number_of
from core.callers import Caller
from core.clock import store as clock
from core.db.transaction import read, write
from core.refusals import Reason, Refused
from core.statements import service
from core.statements.render import to_csv, to_pdf
from core.statements.rules import Balance, Booking, Serials, Statement, amount_text

ANN = Caller("ann", frozenset({"maker", "checker"}))
FIRST, SECOND = date(2021, 7, 15), date(2021, 7, 16)


@pytest.fixture
def two_days(engine: Engine, market: Any) -> tuple[str, str]:
    """An emitter with 1,000 t and 5 yuan that gives 100 t and then 50 t away on the next day."""

    def first(connection: Connection) -> tuple[str, str]:
        giver, taker = market.open(connection, 2)
        market.allocate(connection, [(giver, 1000)])
        market.deposit(connection, giver, 500)
        clock.move(connection, to=datetime.fromisoformat("2021-07-16T16:00:00+08:00"), by="test")
        market.transfer(connection, giver, taker, 100)
        market.transfer(connection, giver, taker, 50)
        return giver, taker

    made = write(engine, first)
    assert isinstance(made, tuple)
    return made


def build(engine: Engine, number: str, day: date) -> Statement | Refused:
    return read(engine, lambda connection: service.build(connection, ANN, number, day))


def test_a_days_bookings_lead_from_its_opening_to_its_closing_balance(
    engine: Engine, two_days: tuple[str, str]
) -> None:
    built = build(engine, two_days[0], SECOND)
    assert isinstance(built, Statement)
    assert Balance("CEA-2019", "available", 1000, 850) in built.balances
    assert [(b.change, b.balance, b.other) for b in built.bookings] == [
        (-100, 900, two_days[1]),
        (-50, 850, two_days[1]),
    ]
    assert Balance("CNY", "available", 500, 500) in built.balances
    assert built.serials == [Serials("CEA-2019-000000000151", "CEA-2019-000000001000", 850)]


def test_the_closing_balance_of_a_day_is_the_opening_balance_of_the_next(
    engine: Engine, two_days: tuple[str, str]
) -> None:
    first, second = build(engine, two_days[0], FIRST), build(engine, two_days[0], SECOND)
    assert isinstance(first, Statement)
    assert isinstance(second, Statement)
    assert [(b.asset, b.bucket, b.closing) for b in first.balances] == [
        (b.asset, b.bucket, b.opening) for b in second.balances
    ]
    assert first.serials == [Serials("CEA-2019-000000000001", "CEA-2019-000000001000", 1000)]


@pytest.mark.parametrize(
    ("number", "day", "reason"),
    [
        ("E42-00001001-61", SECOND, Reason.NUMBER_INVALID),
        (number_of("E", "31", 9999), SECOND, Reason.ACCOUNT_UNKNOWN),
        (None, date(2021, 7, 17), Reason.MALFORMED),
    ],
)
def test_a_statement_that_cannot_be_is_refused(
    engine: Engine, two_days: tuple[str, str], number: str | None, day: date, reason: Reason
) -> None:
    refused = build(engine, number or two_days[0], day)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


FULL = Statement(
    "E42-00001001-60",
    "=湖北电力 <&>",
    SECOND,
    [Balance("CNY", "available", 0, -105)],
    [
        Booking(
            place="7-1",
            type="FEE",
            asset="CNY",
            bucket="available",
            change=-105,
            balance=-105,
            other="S00-00000006-38",
            reference="@SUM(A1)",
        )
    ],
    [Serials("CEA-2019-000000000001", "CEA-2019-000000000009", 9)],
)


def test_a_spreadsheet_gets_whole_numbers_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(FULL).decode("utf-8-sig"))))
    assert [row["part"] for row in rows] == ["account", "balance", "booking", "serials"]
    assert rows[0]["reference"] == "'=湖北电力 <&>"
    assert (rows[2]["change"], rows[2]["reference"]) == ("-105", "'@SUM(A1)")


def test_the_same_statement_is_the_same_file() -> None:
    assert to_pdf(FULL) == to_pdf(FULL)
    assert to_pdf(FULL).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("asset", "amount", "words"),
    [("CEA-2019", 1_234_567, "1,234,567"), ("CNY", 5, "0.05"), ("CNY", -123_456, "-1,234.56"), ("CNY", 0, "0.00")],
)
def test_tonnes_and_yuan_are_written_without_a_float(asset: str, amount: int, words: str) -> None:
    assert amount_text(asset, amount) == words
