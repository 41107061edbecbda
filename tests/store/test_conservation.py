"""Whatever people do, one after the other or at once, no tonne and no fen is made or lost."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from core.accounts import service
from core.db.transaction import write
from core.ledger import store as ledger
from core.refusals import Answer
from core.surrender import service as surrender
from core.units import store as units

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["transfer", "cash", "surrender", "approve", "reject"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 80),
    ),
    max_size=12,
)


def sound(connection: Connection) -> None:
    """Both accountings agree on every subject; the books balance; nothing is negative; the chain holds."""
    booked: dict[tuple[str, int], int] = {}
    owners = list(connection.execute(text("SELECT number FROM account")).scalars())
    for b in ledger.balances(connection, owners):
        assert b.amount >= 0 or b.owner in {"S00-00000001-53", "S00-00000005-41"}
        if b.asset != "CNY" and b.amount > 0:
            key = (b.owner, int(b.asset[4:]))
            booked[key] = booked.get(key, 0) + b.amount
    assert units.totals(connection) == booked
    assert set(ledger.imbalance(connection).values()) <= {0}
    assert ledger.drifted(connection) == []
    assert ledger.verify_chain(connection) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_requests_in_a_row_end_as_a_plain_model_says(
    engine: Engine, market: Any, steps: list[tuple[str, int, int, int]]
) -> None:
    """Each request sees all before it, refused ones count for nothing: the trap of deciding in groups."""
    with engine.connect() as connection:
        connection.begin()
        numbers = market.open(connection, 3)
        market.allocate(connection, [(number, 50) for number in numbers])
        for number in numbers:
            market.deposit(connection, number, 50)
        free, cash, waiting = [50, 50, 50], [50, 50, 50], []
        for kind, giver, taker, amount in steps:
            if kind in {"transfer", "cash"}:
                asset, model = ("CNY", cash) if kind == "cash" else ("CEA-2019", free)
                done = market.transfer(connection, numbers[giver], numbers[taker], amount, asset)
                assert isinstance(done, Answer) == (giver != taker and amount <= model[giver])
                if isinstance(done, Answer):
                    model[giver] -= amount
                    model[taker] += amount
            elif kind == "surrender":
                body = {"account": numbers[giver], "product": "CEA-2019", "tonnes": amount, "year": 2020}
                done = surrender.propose(connection, market.ann, body)
                assert isinstance(done, Answer) == (amount <= free[giver])
                if isinstance(done, Answer):
                    free[giver] -= amount
                    waiting.append((done, giver, amount))
            elif waiting:
                done, holder, tonnes = waiting.pop()
                assert isinstance((market.approve if kind == "approve" else market.reject)(connection, done), Answer)
                free[holder] += tonnes if kind == "reject" else 0
        held = {(b.owner, b.asset): b.amount for b in ledger.balances(connection, numbers) if b.bucket == "available"}
        assert [held[number, "CEA-2019"] for number in numbers] == free
        assert [held[number, "CNY"] for number in numbers] == cash
        sound(connection)
        connection.rollback()


def test_people_who_transfer_in_opposite_directions_at_once_neither_block_nor_lose_anything(
    engine: Engine, market: Any
) -> None:
    """No retry happens here: a deadlock would end a thread with its error."""
    with engine.begin() as connection:
        left, right = market.open(connection, 2)
        market.allocate(connection, [(left, 1000), (right, 1000)])
    failures: list[BaseException] = []

    def many(giver: str, taker: str) -> None:
        try:
            for _ in range(40):
                with engine.begin() as connection:
                    assert isinstance(market.transfer(connection, giver, taker, 3), Answer)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=many, args=sides) for sides in 2 * [(left, right), (right, left)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with engine.connect() as connection:
        assert units.totals(connection) == {(left, 2019): 1000, (right, 2019): 1000}
        sound(connection)


def test_two_surrenders_of_the_same_units_at_once_hold_them_once(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        [account] = market.open(connection, 1)
        market.allocate(connection, [(account, 100)])
    body = {"account": account, "product": "CEA-2019", "tonnes": 70, "year": 2020}
    ends: list[object] = []

    def once() -> None:
        ends.append(write(engine, lambda connection: surrender.propose(connection, market.ann, body)))

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(end, Answer) for end in ends) == 1
    with engine.connect() as connection:
        sound(connection)


def test_one_subject_that_applies_twice_at_once_gets_one_account(engine: Engine, market: Any) -> None:
    body = {"name": "A firm", "kind": "E", "province": "42", "credit_code": "91420000MA4KXXXX0A"}
    ends: list[object] = []

    def once() -> None:
        ends.append(write(engine, lambda connection: service.propose_opening(connection, market.ann, body)))

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(end, Answer) for end in ends) == 1


def test_two_checkers_who_approve_at_once_open_an_account_once(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        proposed = service.propose_opening(connection, market.ann, {"name": "X", "kind": "P", "province": "31"})
    ends: list[object] = []

    def once() -> None:
        ends.append(write(engine, lambda connection: market.approve(connection, proposed)))

    threads = [threading.Thread(target=once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(end, Answer) for end in ends) == 1
