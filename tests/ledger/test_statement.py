"""An account's statement: every transfer once, in the order of booking, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts import service
from core.ledger import store as ledger
from core.refusals import Answer, Reason, Refused


def page(connection: Connection, market: Any, number: str, after: str = "", limit: int = 100) -> dict[str, Any]:
    found = service.transfers(connection, market.ann, number, after=after, limit=limit)
    assert isinstance(found, Answer), found
    return found.body


def test_a_statement_lists_every_transfer_of_either_direction_once(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        one, other, third = market.open(connection, 3)
        market.allocate(connection, [(one, 100), (third, 100)])
        ids = [market.transfer(connection, one, other, n).body["id"] for n in (1, 2, 3)]
        back = market.transfer(connection, other, one, 4).body["id"]
        market.transfer(connection, third, other, 5)

        listed = page(connection, market, one)["transfers"]

    assert [entry["type"] for entry in listed] == ["ALLOCATE", *["TRANSFER"] * 4]
    assert [entry["id"] for entry in listed[1:]] == [*ids, back]
    assert [(e["from_account"], e["to_account"], e["amount"]) for e in listed[3:]] == [(one, other, 3), (other, one, 4)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_join_without_gap_or_repeat(engine: Engine, market: Any, limit: int) -> None:
    with engine.begin() as connection:
        one, other = market.open(connection, 2)
        market.allocate(connection, [(one, 100), (other, 100)])
        for n in range(1, 5):
            market.transfer(connection, one, other, n)
        whole = page(connection, market, one)["transfers"]

        joined: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            found = page(connection, market, one, after=after, limit=limit)
            joined += found["transfers"]
            after = found["next"]

    assert joined == whole
    assert len(whole) == 5


@pytest.mark.parametrize("after", ["x", "1", "1-", "-1", "1-2-3", "9" * 30 + "-1", "²-1"])
def test_a_cursor_that_nobody_gave_is_refused(engine: Engine, market: Any, after: str) -> None:
    with engine.begin() as connection:
        (one,) = market.open(connection, 1)

        found = service.transfers(connection, market.ann, one, after=after, limit=10)

    assert isinstance(found, Refused)
    assert found.reason == Reason.MALFORMED


def test_an_unknown_account_has_no_statement(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        found = service.transfers(connection, market.ann, "E42-99999999-73", after="", limit=10)

    assert isinstance(found, Refused)


def test_a_statement_is_found_by_its_account_and_not_by_a_walk_through_the_ledger(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        one, other = market.open(connection, 2)
        market.allocate(connection, [(one, 100)])
        market.transfer(connection, one, other, 1)
        connection.execute(text("SET LOCAL enable_seqscan = off"))  # nothing else is cheaper in a ledger this small
        values = {"owner": other, "batch": 0, "position": 0, "limit": 10}
        plan = connection.execute(text(f"EXPLAIN {ledger.STATEMENT.text}"), values).scalars()

        assert any("Bitmap Index Scan on transfer_by_account" in line for line in plan)
