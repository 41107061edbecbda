"""A CSV file as people's programs write them, and as they should not."""

from __future__ import annotations

import pytest

from core.csv_lines import CELL_MAX, Lines, read
from core.refusals import Reason, Refused


def lines(raw: bytes, **more: int) -> Lines | Refused:
    return read(raw, columns=("account", "tonnes", "withheld"), optional=("withheld",), **{"lines_max": 100, **more})


@pytest.mark.parametrize(
    "raw",
    [
        b"account,tonnes\nA,1\nB,2\n",
        b"account,tonnes\nA,1\nB,2",
        b"\xef\xbb\xbfaccount,tonnes\r\nA,1\r\nB,2\r\n",
        b"account,tonnes\rA,1\rB,2\r",
        b'"account","tonnes"\n"A","1"\n"B",2\n',
        b" Account , TONNES \n A , 1 \n\nB,2\n,\n",
        b"tonnes,account\n1,A\n2,B\n",
    ],
)
def test_every_ordinary_way_to_write_two_rows_is_read(raw: bytes) -> None:
    found = lines(raw)
    assert isinstance(found, Lines)
    assert [row.cells for row in found.rows] == [{"account": "A", "tonnes": "1"}, {"account": "B", "tonnes": "2"}]
    assert found.errors == []


def test_quoted_commas_quotes_and_full_width_spaces_stay_what_they_are() -> None:
    found = lines('account,tonnes,withheld\nA,1,"a ""b"", 甲\u3000乙"\n'.encode())
    assert isinstance(found, Lines)
    assert found.rows[0].cells["withheld"] == 'a "b", 甲\u3000乙'


@pytest.mark.parametrize(
    ("raw", "reason", "said"),
    [
        (b"", Reason.FILE_EMPTY, "begins"),
        (b"\n\n", Reason.FILE_EMPTY, "begins"),
        (b"\xef\xbb\xbf", Reason.FILE_EMPTY, "begins"),
        (b"account,tonnes\n\n", Reason.FILE_EMPTY, ""),
        (b"A,1\nB,2\n", Reason.FILE_HEADER, "Missing"),
        (b"account;tonnes\nA;1\n", Reason.FILE_HEADER, "Missing"),
        (b"account\nA\n", Reason.FILE_HEADER, "Missing: tonnes"),
        (b"account,tonnes,colour\nA,1,x\n", Reason.FILE_HEADER, "'colour'"),
        (b"account,tonnes,tonnes\nA,1,1\n", Reason.FILE_HEADER, "twice"),
        (b'"account,tonnes\n', Reason.FILE_HEADER, "line 1"),
        ("account,tonnes\nA,1\n".encode("utf-16"), Reason.FILE_NOT_UTF8, "UTF-16"),
        ("account,tonnes\nA,1\n甲,2\n".encode("gb18030"), Reason.FILE_NOT_UTF8, "GB18030. Byte 20, in line 3"),
        (b"\x00\xff\xfe", Reason.FILE_NOT_UTF8, "no encoding known"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(raw: bytes, reason: Reason, said: str) -> None:
    found = lines(raw)
    assert isinstance(found, Refused)
    assert found.reason is reason
    assert said in found.detail


def test_a_file_is_read_in_the_encoding_it_has_and_by_the_headings_of_the_trade() -> None:
    raw = "账户,Tonnes\n甲,1\n".encode("gb18030")
    found = read(raw, columns=("account", "tonnes"), aliases={"账户": "account"}, encoding="gb18030", lines_max=1)
    assert isinstance(found, Lines)
    assert [row.cells for row in found.rows] == [{"account": "甲", "tonnes": "1"}]


def test_every_wrong_row_is_named_by_its_line_in_the_file() -> None:
    long = b"x" * (CELL_MAX + 1)
    found = lines(b'account,tonnes\nA,1\nB\nC,1,2,3\n"D\nD",1\nE,\x00\n' + long + b",1\nG,7\n")
    assert isinstance(found, Lines)
    assert [(error.line, error.reason, error.column) for error in found.errors] == [
        (3, Reason.FILE_BROKEN, ""),
        (4, Reason.FILE_BROKEN, ""),
        (5, Reason.MALFORMED, "account"),
        (7, Reason.MALFORMED, "tonnes"),
        (8, Reason.FILE_BROKEN, "account"),
    ]
    assert [(row.line, row.cells["account"]) for row in found.rows] == [(2, "A"), (9, "G")]


def test_a_quote_that_never_ends_is_named_and_what_came_before_is_still_read() -> None:
    found = lines(b'account,tonnes\nA,1\nB,"2\nC,3\n')
    assert isinstance(found, Lines)
    assert [row.line for row in found.rows] == [2]
    assert [error.line for error in found.errors] == [3]


def test_more_lines_than_are_taken_are_refused() -> None:
    assert isinstance(lines(b"account,tonnes\n" + b"A,1\n" * 100), Lines)
    found = lines(b"account,tonnes\n" + b"A,1\n" * 101)
    assert isinstance(found, Refused)
    assert found.reason is Reason.FILE_TOO_LARGE
    assert "100" in found.detail
