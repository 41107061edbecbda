"""Amounts set aside: posted, voided or over in time, and never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.db.transaction import write
from core.ledger import store
from core.ledger.holds import service as holds
from core.ledger.holds import store as hold_store
from core.ledger.holds.rules import Hold
from core.ledger.rules import HOLD_BUCKETS
from core.refusals import Reason, Refused

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)
NOON = datetime(2021, 7, 16, 4, tzinfo=UTC)
EVENING = NOON + timedelta(hours=6)


def set_aside(
    connection: Connection, books: Any, amount: int = 30, *, until: datetime | None = None, bucket: str = "locked"
) -> Hold | Refused:
    return holds.hold(connection, Hold("h", books.place(books.one), bucket, amount, until, "test", DAY))


def reason(end: object) -> Reason:
    assert isinstance(end, Refused), end
    return end.reason


@pytest.mark.parametrize("bucket", sorted(HOLD_BUCKETS))
def test_a_hold_moves_what_is_available_into_its_bucket(books: Any, bucket: str, sound: Any) -> None:
    with books.engine.begin() as connection:
        made = set_aside(connection, books, bucket=bucket)

        assert books.amounts(connection, books.one) == {"available": 70, bucket: 30}
        assert hold_store.find(connection, "h") == made
        assert hold_store.pending(connection, books.one) == [made]
        sound(connection)


@pytest.mark.parametrize(("amount", "there", "back"), [(None, 30, 70), (30, 30, 70), (1, 1, 99), (29, 29, 71)])
def test_a_hold_is_posted_whole_or_in_part_and_the_rest_goes_back(
    books: Any, amount: int | None, there: int, back: int, sound: Any
) -> None:
    with books.engine.begin() as connection:
        set_aside(connection, books, until=EVENING)
        end = holds.post_hold(connection, "h", books.place(books.other), amount, now=NOON)

        assert isinstance(end, Hold)
        assert (end.state, end.posted, end.resolved_on) == ("POSTED", there, DAY)
        assert books.amounts(connection, books.one) == {"available": back}
        assert books.amounts(connection, books.other) == {"available": there}
        assert hold_store.find(connection, "h") == end
        assert hold_store.pending(connection, books.one) == []
        sound(connection)


def test_a_voided_hold_gives_everything_back(books: Any, sound: Any) -> None:
    with books.engine.begin() as connection:
        set_aside(connection, books)
        end = holds.void_hold(connection, "h", now=NOON)

        assert isinstance(end, Hold)
        assert end.state == "VOIDED"
        assert books.amounts(connection, books.one) == {"available": 100}
        sound(connection)


def test_holds_that_are_over_in_time_give_everything_back_and_others_stay(books: Any, sound: Any) -> None:
    with books.engine.begin() as connection:
        for number, until in (("early", NOON), ("late", EVENING), ("never", None)):
            holds.hold(connection, Hold(number, books.place(books.one), "locked", 10, until, "test", DAY))

        assert [over.id for over in holds.expire_holds(connection, NOON)] == ["early"]
        assert holds.expire_holds(connection, NOON) == []
        assert holds.expire_hold(connection, "late", NOON) is None
        assert holds.expire_hold(connection, "never", EVENING) is None
        assert books.amounts(connection, books.one) == {"available": 80, "locked": 20}
        late = holds.expire_hold(connection, "late", EVENING)
        assert late is not None
        assert late.state == "EXPIRED"
        sound(connection)


def test_what_expires_is_taken_in_pages_as_one_batch_each(books: Any, sound: Any) -> None:
    with books.engine.begin() as connection:
        for n in range(5):
            holds.hold(connection, Hold(f"h{n}", books.place(books.one), "locked", 10, NOON, "test", DAY))
        batches = books.batches(connection)

        assert [len(holds.expire_holds(connection, NOON, 2)) for _ in range(4)] == [2, 2, 1, 0]
        assert books.batches(connection) == batches + 3
        sound(connection)


REFUSALS: dict[str, tuple[Callable[[Connection, Any], object], Reason]] = {
    "no amount": (lambda c, b: set_aside(c, b, 0), Reason.QUANTITY_INVALID),
    "beyond numbers": (lambda c, b: set_aside(c, b, 2**63), Reason.QUANTITY_INVALID),
    "more than there is": (lambda c, b: set_aside(c, b, 71), Reason.INSUFFICIENT_UNITS),
    "cash that is not there": (
        lambda c, b: holds.hold(c, Hold("c", b.place(b.one, asset="CNY"), "frozen", 1, None, "t", DAY)),
        Reason.INSUFFICIENT_CASH,
    ),
    "unknown": (lambda c, _: holds.void_hold(c, "x", now=NOON), Reason.HOLD_UNKNOWN),
    "too much": (lambda c, b: holds.post_hold(c, "k", b.place(b.other), 31, now=NOON), Reason.QUANTITY_INVALID),
    "nothing": (lambda c, b: holds.post_hold(c, "k", b.place(b.other), 0, now=NOON), Reason.QUANTITY_INVALID),
    "too late": (lambda c, b: holds.post_hold(c, "k", b.place(b.other), now=EVENING), Reason.HOLD_EXPIRED),
    "the id of another": (
        lambda c, b: holds.hold(c, Hold("k", b.place(b.one), "locked", 29, EVENING, "test", DAY)),
        Reason.HOLD_TAKEN,
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_is_refused_with_nothing_booked(books: Any, name: str, sound: Any) -> None:
    ask, expected = REFUSALS[name]
    with books.engine.begin() as connection:
        holds.hold(connection, Hold("k", books.place(books.one), "locked", 30, EVENING, "test", DAY))
        batches = books.batches(connection)

        assert reason(ask(connection, books)) is expected
        assert books.batches(connection) == batches
        sound(connection)


def test_the_same_hold_asked_for_again_is_the_same_hold(books: Any) -> None:
    with books.engine.begin() as connection:
        first = set_aside(connection, books)
        assert set_aside(connection, books) == first
        assert books.amounts(connection, books.one) == {"available": 70, "locked": 30}
        end = holds.void_hold(connection, "h", now=NOON)
        assert set_aside(connection, books) == end


ENDS: dict[str, Callable[[Connection, Any], object]] = {
    "post": lambda c, b: holds.post_hold(c, "h", b.place(b.other), 10, now=NOON),
    "void": lambda c, _: holds.void_hold(c, "h", now=NOON),
    "expire": lambda c, _: holds.expire_holds(c, EVENING) or Refused(Reason.HOLD_RESOLVED),
}


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_a_hold_ends_once(books: Any, first: str, second: str) -> None:
    with books.engine.begin() as connection:
        set_aside(connection, books, until=EVENING)
        assert not isinstance(ENDS[first](connection, books), Refused)
        batches = books.batches(connection)

        assert reason(ENDS[second](connection, books)) is Reason.HOLD_RESOLVED
        assert books.batches(connection) == batches


def test_whoever_races_a_hold_ends_once(books: Any, sound: Any) -> None:
    """Nobody retries a deadlock here by luck: all lock balances, then the hold, then the chain."""
    with books.engine.begin() as connection:
        set_aside(connection, books, until=EVENING)
    ends: list[object] = []

    def once(end: Callable[[Connection, Any], object]) -> None:
        ends.append(write(books.engine, lambda c: end(c, books)))

    threads = [threading.Thread(target=once, args=[end]) for end in [*ENDS.values()] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(not isinstance(end, Refused) for end in ends) == 1
    with books.engine.connect() as connection:
        sound(connection)


FORGED = {
    "another amount": "UPDATE ledger_hold SET amount = 1",
    "a longer time": "UPDATE ledger_hold SET expires_at = now() + interval '1 year'",
    "back to life": "UPDATE ledger_hold SET state = 'PENDING'",
    "gone": "DELETE FROM ledger_hold",
    "all gone": "TRUNCATE ledger_hold",
    "one that was never booked": """INSERT INTO ledger_hold (id, source, held, amount, reference, market_day, booked)
        SELECT 'x', source, held, 31, 't', market_day, 'i1' FROM ledger_hold""",
}


@pytest.mark.parametrize("name", FORGED)
def test_the_database_itself_keeps_a_hold_as_it_was_made(books: Any, owner_dsn: str, name: str) -> None:
    with books.engine.begin() as connection:
        set_aside(connection, books)
    with books.engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text(FORGED[name]))
    with psycopg.connect(owner_dsn) as owner, pytest.raises(psycopg.Error):
        owner.execute(FORGED[name])


def test_less_than_holds_say_is_found(books: Any) -> None:
    with books.engine.begin() as connection:
        set_aside(connection, books)
        gone = store.recorded(connection, ["hold:h"])["hold:h"].transfer
        taken = type(gone)("t", gone.credit, gone.debit, 1, "TAKEN", "by mistake")
        store.post(connection, [taken], market_day=DAY)

        assert hold_store.short(connection) == [gone.credit]
