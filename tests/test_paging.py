"""Lists are handed out by pages; what continues one is what the page before said."""

from __future__ import annotations

import pytest

from core.paging import NO_CURSOR, page, read_cursor


def key(row: int) -> int:
    return row * 10


@pytest.mark.parametrize(
    ("rows", "shown", "after"),
    [([], [], None), ([1], [1], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], "20")],
)
def test_a_page_leads_on_only_where_there_is_more(rows: list[int], shown: list[int], after: str | None) -> None:
    assert page(rows, 2, key) == (shown, after)


@pytest.mark.parametrize(("said", "read"), [("", (0, 0)), ("7-12", (7, 12)), ("0-0", (0, 0))])
def test_a_cursor_is_read_as_it_was_given(said: str, read: tuple[int, int]) -> None:
    assert read_cursor(said, 2) == read


@pytest.mark.parametrize("said", ["7", "7-", "-7", "7-1-2", "x-1", "+7-1", "٧-1", " 7-1", "9999999999999999999-1"])
def test_what_no_page_gave_is_refused(said: str) -> None:
    assert read_cursor(said, 2) is NO_CURSOR
