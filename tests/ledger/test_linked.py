"""Transfers posted together are linked: all of them are booked, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

from core.ledger import store
from core.ledger.rules import Transfer
from core.quantities import MAX_AMOUNT
from core.refusals import Reason, RefusedError

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)


def post_rows(connection: Connection, transfers: list[Transfer]) -> None:
    store.post(connection, transfers, market_day=DAY)


def post_staged(connection: Connection, transfers: list[Transfer]) -> None:
    store.stage(connection)
    store.stage_all(connection, transfers)
    store.post_staged(connection, market_day=DAY)


BOTH = pytest.mark.parametrize("book", [post_rows, post_staged])


@BOTH
def test_one_leg_that_cannot_be_booked_leaves_none_and_the_chain_as_it_was(
    books: Any, book: Callable[[Connection, list[Transfer]], None], sound: Any
) -> None:
    with books.engine.begin() as connection:
        before = connection.execute(text("SELECT next FROM counter WHERE name = 'batch'")).scalar_one()
        with pytest.raises(IntegrityError, match="balance_not_negative"), connection.begin_nested():
            book(connection, [books.move("a", 60), books.move("b", 1), books.move("c", 40)])

    with books.engine.begin() as connection:
        assert books.amounts(connection, books.one) == {"available": 100}
        assert books.amounts(connection, books.other) == {}
        assert connection.execute(text("SELECT array_agg(id) FROM transfer")).scalar_one() == ["i1"]
        assert connection.execute(text("SELECT next FROM counter WHERE name = 'batch'")).scalar_one() == before
        book(connection, [books.move("d", 60)])
        sound(connection)


@BOTH
def test_what_was_booked_together_shows_one_batch_on_every_statement(
    books: Any, book: Callable[[Connection, list[Transfer]], None]
) -> None:
    with books.engine.begin() as connection:
        book(connection, [books.move("a", 60), books.move("b", 5, back=True)])
        book(connection, [books.move("c", 1)])
        giver = store.statement(connection, books.one, after=(0, 0), limit=10)
        taker = store.statement(connection, books.other, after=(0, 0), limit=10)

    assert [(entry.id, entry.batch) for entry in giver] == [("i1", 1), ("a", 2), ("b", 2), ("c", 3)]
    assert [(entry.id, entry.batch) for entry in taker] == [("a", 2), ("b", 2), ("c", 3)]


@BOTH
@pytest.mark.parametrize("amounts", [[MAX_AMOUNT], [MAX_AMOUNT - 100, 1], [2**62, 2**62], [MAX_AMOUNT] * 3])
def test_more_than_a_row_can_carry_is_refused_with_nothing_booked(
    books: Any, book: Callable[[Connection, list[Transfer]], None], amounts: list[int], sound: Any
) -> None:
    """Issuance has given 100 t already; even the account that may overdraw cannot go below the smallest number."""
    source = books.place("S00-00000001-53")
    huge = [Transfer(f"h{n}", source, books.place(books.other), a, "ISSUE", "test") for n, a in enumerate(amounts)]
    with books.engine.begin() as connection:
        with pytest.raises(RefusedError) as refused:
            book(connection, huge)
        assert refused.value.refused.reason is Reason.QUANTITY_INVALID
        assert books.amounts(connection, books.other) == {}
        book(connection, [books.move("d", 60)])  # and the transaction goes on
        sound(connection)


@BOTH
def test_the_largest_amount_there_is_can_be_booked(
    books: Any, book: Callable[[Connection, list[Transfer]], None], sound: Any
) -> None:
    source = books.place("S00-00000001-53")
    with books.engine.begin() as connection:
        book(connection, [Transfer("h", source, books.place(books.other), MAX_AMOUNT - 100, "ISSUE", "test")])
        assert books.amounts(connection, books.other) == {"available": MAX_AMOUNT - 100}
        sound(connection)


def test_a_transfer_costs_no_more_questions_than_ever(books: Any) -> None:
    """Five: lock, change, insert, take a place in the chain, extend it."""
    asked: list[str] = []
    with books.engine.begin() as connection:
        books.issue(connection, books.other, 1, "i2")
        event.listen(connection, "before_cursor_execute", lambda *a: asked.append(a[2]))
        store.post(connection, [books.move("a", 1)], market_day=DAY)

    assert len(asked) == 5
