"""What was booked by mistake is taken back by a linked entry: whole, once, by rule and by the database."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from core.db.transaction import write
from core.ledger import store
from core.ledger.holds import service as holds
from core.ledger.holds.rules import Hold
from core.ledger.rules import Transfer
from core.refusals import Reason, Refused

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)


def reverse(connection: Connection, *numbers: str) -> list[Transfer] | Refused:
    return store.reverse(
        connection, numbers, id_of=lambda n: f"reversal:{n}", kind="REVERSAL", reference="by mistake", market_day=DAY
    )


def refusal(connection: Connection, *numbers: str) -> Reason:
    refused = reverse(connection, *numbers)
    assert isinstance(refused, Refused)
    return refused.reason


def test_a_reversal_gives_back_what_was_taken_and_names_what_it_takes_back(books: Any, sound: Any) -> None:
    with books.engine.begin() as connection:
        store.post(connection, [books.move("a", 60), books.move("b", 5)], market_day=DAY)
        done = reverse(connection, "a", "b")

        assert isinstance(done, list)
        assert books.amounts(connection, books.one) == {"available": 100}
        entries = store.statement(connection, books.other, after=(0, 0), limit=10)
        assert [(e.id, e.batch, e.reverses) for e in entries] == [
            ("a", 2, None), ("b", 2, None), ("reversal:a", 3, "a"), ("reversal:b", 3, "b"),
        ]  # fmt: skip
        sound(connection)


def test_what_is_not_there_is_a_reversal_or_was_reversed_is_refused(books: Any) -> None:
    with books.engine.begin() as connection:
        store.post(connection, [books.move("a", 60)], market_day=DAY)
        reverse(connection, "a")

        assert refusal(connection, "nothing") is Reason.TRANSFER_UNKNOWN
        assert refusal(connection, "a") is Reason.TRANSFER_REVERSED
        assert refusal(connection, "reversal:a") is Reason.NOT_REVERSIBLE


def test_one_that_cannot_be_reversed_keeps_all_others_as_they_are(books: Any) -> None:
    with books.engine.begin() as connection:
        store.post(connection, [books.move("a", 60), books.move("b", 5)], market_day=DAY)
        reverse(connection, "b")
        batches = books.batches(connection)

        assert refusal(connection, "a", "b") is Reason.TRANSFER_REVERSED
        assert books.amounts(connection, books.other) == {"available": 60}
        assert books.batches(connection) == batches


def test_what_has_gone_on_meanwhile_cannot_be_taken_back(books: Any) -> None:
    with books.engine.begin() as connection:
        store.post(connection, [books.move("a", 60)], market_day=DAY)
        store.post(connection, [books.move("b", 1, back=True)], market_day=DAY)

        assert refusal(connection, "a") is Reason.INSUFFICIENT_UNITS


def test_what_belongs_to_a_hold_is_not_reversed(books: Any) -> None:
    with books.engine.begin() as connection:
        holds.hold(connection, Hold("h", books.place(books.one), "locked", 10, None, "test", DAY))

        assert refusal(connection, "hold:h") is Reason.NOT_REVERSIBLE
        mirror = store.recorded(connection, ["hold:h"])["hold:h"].transfer.mirror("x", kind="REVERSAL", reference="t")
        with pytest.raises(IntegrityError, match="belongs to a hold"), connection.begin_nested():
            store.post(connection, [mirror], market_day=DAY)


FORGED = {
    "another amount": ("a", 29, True, "is not the mirror"),
    "the same direction": ("a", 30, False, "is not the mirror"),
    "nothing": ("nothing", 30, True, "there is no transfer"),
    "a reversal": ("b-back", 5, False, "is a reversal"),
    "what was reversed": ("b", 5, True, "transfer_reversed_once"),
}


@pytest.mark.parametrize("name", FORGED)
def test_the_database_itself_refuses_a_reversal_that_is_none(books: Any, name: str) -> None:
    of, amount, back, said = FORGED[name]
    with books.engine.begin() as connection:
        store.post(connection, [books.move("a", 30), books.move("b", 5)], market_day=DAY)
        store.post(connection, [books.move("b", 5).mirror("b-back", kind="REVERSAL", reference="t")], market_day=DAY)
        plain = books.move("x", amount, back=back)
        forged = Transfer("x", plain.debit, plain.credit, amount, "REVERSAL", "test", of)
        with pytest.raises(IntegrityError, match=said), connection.begin_nested():
            store.post(connection, [forged], market_day=DAY)


def test_of_many_who_reverse_the_same_transfer_at_once_one_does(books: Any, sound: Any) -> None:
    with books.engine.begin() as connection:
        store.post(connection, [books.move("a", 60)], market_day=DAY)
    ends: list[object] = []

    def once() -> None:
        ends.append(write(books.engine, lambda c: reverse(c, "a")))

    threads = [threading.Thread(target=once) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(end.reason.code if isinstance(end, Refused) else "done" for end in ends) == ["3027"] * 5 + ["done"]
    with books.engine.connect() as connection:
        sound(connection)
