"""A group of transfers is decided as if its requests had come one by one, whatever is refused in the middle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.api.calls import Desk
from core.api.group import Write
from core.api.queue import WriteQueue
from core.api.routes.holdings import TRANSFER
from core.callers import Caller
from core.ledger import store as ledger
from core.refusals import Reason

pytestmark = pytest.mark.anyio

SOMEBODY = Caller("somebody", frozenset({"maker"}))


@pytest.fixture
def order(desk: Desk) -> Callable[..., Write]:
    """Make a transfer of cash as the route makes it."""
    command = TRANSFER[True]

    def make(key: str, giver: str, taker: str, amount: int) -> Write:
        body = {"from_account": giver, "to_account": taker, "asset": "CNY", "amount": amount}
        return Write(
            caller="somebody",
            route="POST /v1/transfers",
            key=key,
            fingerprint=key.encode(),
            run=lambda connection: command.run(connection, SOMEBODY, body),
            run_all=command.run_all,
            asked=(SOMEBODY, body),
            places=command.places(body),
        )

    return make


async def test_a_refusal_in_the_middle_changes_what_follows(
    api: Any, order: Callable[..., Write], together: Callable[..., Any], engine: Engine
) -> None:
    """80 of 100 go out, 30 more are refused, 50 come back, and then the same 30 are there."""
    a, b = await api.funded("A", 100), await api.account("B")
    asked = [order("1", a, b, 80), order("2", a, b, 30), order("3", b, a, 50), order("4", a, b, 30)]
    answers = await together(*asked)

    assert [answer.status for answer in answers] == [201, 422, 201, 201]
    assert answers[1].body["code"] == Reason.INSUFFICIENT_CASH.code
    assert (await api.cash(a), await api.cash(b)) == (40, 60)
    with engine.connect() as connection:
        moments = connection.execute(
            text("SELECT count(DISTINCT created_at) FROM request WHERE route = 'POST /v1/transfers'")
        )
        assert moments.scalar_one() == 1, "all four were one group"


@pytest.mark.parametrize("seed", range(3))
async def test_any_sequence_of_transfers_ends_as_one_by_one(
    api: Any,
    order: Callable[..., Write],
    started: Callable[..., WriteQueue],
    together: Callable[..., Any],
    engine: Engine,
    seed: int,
) -> None:
    chance = random.Random(seed)  # a seed that repeats the run
    names = [await api.funded(f"N{n}", 100) for n in range(4)]
    held = dict.fromkeys(names, 100)
    asked, expected = [], []
    for n in range(150):
        giver, taker = chance.sample(names, 2)
        amount = chance.randint(1, 90)
        asked.append(order(f"t{n}", giver, taker, amount))
        expected.append(201 if held[giver] >= amount else 422)
        if held[giver] >= amount:
            held[giver], held[taker] = held[giver] - amount, held[taker] + amount
    answers = await together(*asked)

    assert 20 < expected.count(422) < 130
    assert [answer.status for answer in answers] == expected
    assert {name: await api.cash(name) for name in names} == held
    with engine.connect() as connection:
        assert not any(ledger.imbalance(connection).values())
        assert ledger.verify_chain(connection) == []


async def test_two_processes_that_move_the_same_accounts_do_not_deadlock_and_lose_nothing(
    api: Any, order: Callable[..., Write], started: Callable[..., WriteQueue], engine: Engine
) -> None:
    names = [await api.funded(f"N{n}", 10_000) for n in range(6)]
    queues, chance = [started(), started()], random.Random(5)  # a seed that repeats the run
    moves = [(*chance.sample(names, 2), chance.randint(1, 50)) for _ in range(600)]
    answers = await asyncio.gather(*[queues[n % 2].put(order(f"t{n}", *move)) for n, move in enumerate(moves)])

    assert {answer.status for answer in answers} == {201}
    held = dict.fromkeys(names, 10_000)
    for giver, taker, amount in moves:
        held[giver], held[taker] = held[giver] - amount, held[taker] + amount
    assert {name: await api.cash(name) for name in names} == held
    with engine.connect() as connection:
        assert ledger.verify_chain(connection) == []
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert connection.execute(text(deadlocks)).scalar_one() == 0
