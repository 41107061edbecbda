"""ISO 20022 messages survive the way out and back, and everything else is refused."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from core.bank.rules import order_of, statement_breaks, status_breaks
from core.bank.wire import (
    CreditNotice,
    Movement,
    Statement,
    Status,
    StatusReport,
    WireError,
    parse_camt053,
    parse_camt054,
    parse_pain001,
    parse_pain002,
    write_camt053,
    write_camt054,
    write_pain001,
    write_pain002,
)

A, B, C = "E42-00001001-19", "E42-00001002-16", "E31-00001003-13"
DAY = date(2021, 7, 16)
AT = datetime.fromisoformat("2021-07-16T15:00:00+08:00")
ORDER = order_of("B001", DAY, [(A, -150), (B, 100), (C, 50)], attempt=1)


def report(**change: object) -> StatusReport:
    statuses = tuple(Status(movement.account, "ACCP") for movement in ORDER.movements)
    facts = {"message_id": "S", "created_at": AT, "original_id": "NET-2021-07-16", "transactions": 3}
    return StatusReport(**(facts | {"control_sum_fen": 300, "group": "ACCP", "statuses": statuses} | change))  # type: ignore[arg-type]


def test_a_payment_order_survives_the_wire() -> None:
    content = write_pain001(ORDER)

    assert parse_pain001(content) == ORDER
    assert b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">' in content
    assert b'<InstdAmt Ccy="CNY">1.50</InstdAmt>' in content


def test_the_same_day_gives_the_same_bytes_and_a_new_attempt_a_new_id() -> None:
    nets = [(A, -150), (B, 150)]

    assert write_pain001(order_of("B001", DAY, nets, attempt=1)) == write_pain001(
        order_of("B001", DAY, nets, attempt=1)
    )
    assert order_of("B001", DAY, nets, attempt=2).message_id == "NET-2021-07-16-2"


def test_status_statement_and_notice_survive_the_wire() -> None:
    refused = report(group="RJCT", statuses=(Status(A, "RJCT", "AM04"), Status(B, "ACTC")))
    statement = Statement("STMT", AT, DAY, "B001", 95, {A: 100, B: -5})
    notice = CreditNotice("D-1", AT, "B001", (Movement(A, 1), Movement(A, 10_000_000_000)))

    assert parse_pain002(write_pain002(refused)) == refused
    assert parse_camt053(write_camt053(statement)) == statement
    assert parse_camt054(write_camt054(notice)) == notice
    assert notice.body()["entries"][1] == {"account": A, "amount_fen": 10_000_000_000}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"1.50<", b"1.51<", "CtrlSum"),
        (b"<NbOfTxs>3<", b"<NbOfTxs>4<", "NbOfTxs"),
        (b'Ccy="CNY">1.50', b'Ccy="EUR">1.50', "EUR"),
        (b"1.50<", b"1.505<", "two decimals"),
        (b"pain.001.001.09", b"pain.001.001.03", "no pain.001.001.09"),
        (b"NET-2021-07-16", b"N" * 40, "longer"),
        (b"</Document>", b"", "not well-formed"),
    ],
)
def test_a_payment_order_that_contradicts_itself_is_refused_with_its_place(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(WireError, match=said):
        parse_pain001(write_pain001(ORDER).replace(old, new))


def test_xml_with_entities_is_refused_before_it_can_grow() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaa">]><Document>&a;</Document>'

    with pytest.raises(WireError, match="hides something"):
        parse_camt054(bomb)


def test_a_bank_that_holds_everything_leaves_no_break() -> None:
    assert status_breaks(ORDER, report()) == []


@pytest.mark.parametrize(
    ("change", "level", "account", "actual"),
    [
        ({"original_id": "NET-2021-07-15"}, "total", "", "NET-2021-07-15"),
        ({"transactions": 2}, "total", "", 2),
        ({"control_sum_fen": 301}, "total", "", 301),
        ({"statuses": (Status(A, "ACCP"), Status(B, "ACCP"))}, "account", C, "no answer"),
        ({"statuses": (Status(A, "RJCT", "AM04"), Status(B, "ACTC"), Status(C, "ACTC"))}, "account", A, "RJCT AM04"),
        ({"group": "PDNG"}, "total", "", "PDNG"),
    ],
)
def test_a_bank_that_says_anything_else_is_named_with_the_account(
    change: dict[str, object], level: str, account: str, actual: object
) -> None:
    found = status_breaks(ORDER, report(**change))[0]

    assert (found.level, found.party, found.account, found.actual) == (level, "B001", account, actual)


def test_a_statement_off_by_one_fen_names_the_account() -> None:
    statement = Statement("STMT", AT, DAY, "B001", 149, {A: 100, B: 49})

    breaks = statement_breaks("B001", DAY, statement, {A: 100, B: 50})

    assert [(b.level, b.account, b.expected, b.actual) for b in breaks] == [
        ("total", "", 150, 149),
        ("account", B, 50, 49),
    ]


def test_a_statement_of_another_day_or_one_that_does_not_add_up_is_a_break() -> None:
    other = Statement("STMT", AT, date(2021, 7, 15), "B001", 100, {A: 100})
    wrong = Statement("STMT", AT, DAY, "B001", 100, {A: 100, B: 1})

    assert statement_breaks("B001", DAY, other, {A: 100})[0].actual == "B001 2021-07-15"
    assert [b.level for b in statement_breaks("B001", DAY, wrong, {A: 100})] == ["total", "account"]
    assert statement_breaks("B001", DAY, Statement("S", AT, DAY, "B001", 0, {}), {A: 0}) == []
