"""A data file is read whole or refused in one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from chaos.market.published import OPENING_DAY, TEN_TONNE_DAY, DataError, published_day, read_days

HEADER = "date,open,high,low,close,listed_t,listed_yuan,block_t,block_yuan"
FIRST = "2021-07-16,48.00,52.80,48.00,51.23,4103953,210230053.25,0,0.00"


def file_of(folder: Path, *lines: str) -> Path:
    file = folder / "days.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_the_first_row_stands_on_the_base_price_and_later_rows_on_the_rows_before(tmp_path: Path) -> None:
    second = "2021-07-19,52.80,53.00,52.08,52.30,130800,6841289.00,100000,5000000.00"
    days = read_days(file_of(tmp_path, HEADER, FIRST, second))

    assert days[date(2021, 7, 16)] == OPENING_DAY
    later = days[date(2021, 7, 19)]
    assert (later.previous_close_fen, later.cumulative_t_before) == (5123, 4_103_953)
    assert (later.cumulative_t, later.cumulative_fen) == (4_334_753, 21_023_005_325 + 684_128_900 + 500_000_000)


def test_the_product_itself_states_two_days() -> None:
    assert published_day(date(2021, 7, 16), file=None) == OPENING_DAY
    ten = published_day(date(2021, 8, 16), file=None)
    assert (
        (ten.cumulative_t, ten.cumulative_fen)
        == (7_018_842, 35_502_503_145)
        == (
            TEN_TONNE_DAY.cumulative_t,
            TEN_TONNE_DAY.cumulative_fen,
        )
    )


def test_a_byte_order_mark_and_windows_line_ends_and_further_columns_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "days.csv"
    file.write_bytes(b"\xef\xbb\xbf" + f"note,{HEADER}\r\nx,{FIRST}\r\n".encode())
    assert read_days(file)[date(2021, 7, 16)] == OPENING_DAY


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([HEADER.replace(",close", ""), FIRST], "column close is missing"),
        ([HEADER, FIRST.rsplit(",", 1)[0]], "line 2: the row does not have as many fields"),
        ([HEADER, FIRST + ",1"], "line 2: the row does not have as many fields"),
        ([HEADER, FIRST.replace("2021-07-16", "16.07.2021")], "line 2: date is not a date"),
        ([HEADER, FIRST.replace("51.23", "51.234")], "line 2: close is not an amount"),
        ([HEADER, FIRST.replace("4103953", "4103953.5")], "line 2: listed_t is not a whole number"),
        ([HEADER, FIRST.replace("4103953", "-5")], "line 2: listed_t is not a whole number"),
        ([HEADER, FIRST.replace("210230053.25", "-1.00")], "line 2: listed_yuan is negative"),
        ([HEADER, FIRST, FIRST], "line 3: 2021-07-16 does not come after"),
        ([], "column date"),
    ],
)
def test_a_broken_file_is_refused_with_the_line_and_the_column(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_days(file_of(tmp_path, *lines))


def test_an_unknown_day_says_which_days_are_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 days from 2021-07-16 to 2021-07-16"):
        published_day(date(2021, 7, 17), file=file_of(tmp_path, HEADER, FIRST))
    with pytest.raises(DataError, match="2021-07-16 and 2021-08-16 are known"):
        published_day(date(2021, 7, 19), file=None)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_days(tmp_path / "nothing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a UTF-8 CSV file"):
        read_days(tmp_path / "binary.csv")
