"""However transfers are committed, in groups, one by one or by one statement each, they end in the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from core.api.group import Write, decide
from core.api.single import Single
from core.audit import store as audit
from core.callers import Caller
from core.ledger import chain
from core.ledger import store as ledger
from core.refusals import Answer, Reason
from core.units import store as units

ASSETS = ("CNY", "CEA-2019", "CEA-2020", "CEA-2021")
Asked = tuple[int, int, int, int, int]

ASKED = st.tuples(
    st.integers(0, 25),  # the key: many come twice
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([0, 0, 1, 1, 1, 2, 3]),
    st.integers(-1, 70),
)
REAL = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def writes(town: Any, asked: Sequence[Asked]) -> list[Write]:
    return [
        town.ask(f"k{key}", town.accounts[giver], town.accounts[taker], ASSETS[asset], amount)
        for key, giver, taker, asset, amount in asked
    ]


def outcome(connection: Connection, town: Any, groups: Sequence[Sequence[Write]]) -> dict[str, Any]:
    """Carry out the groups one after the other and tell everything that can be seen afterwards."""
    answers = [answer for group in groups for answer in decide(connection, group)]
    return {"answers": [plain(answer) for answer in answers], **seen(connection, town)}


def seen(connection: Connection, town: Any) -> dict[str, Any]:
    moves = text("SELECT serials::text, giver, taker FROM unit_move WHERE type = 'TRANSFER' ORDER BY id")
    trail = text("SELECT caller, action, subject, detail - 'id' FROM audit_event WHERE action = 'transfer' ORDER BY id")
    return {
        "balances": {(b.owner, b.asset): b.amount for b in ledger.balances(connection, town.accounts)},
        "blocks": {account: units.holdings(connection, account) for account in town.accounts},
        "moves": [tuple(row) for row in connection.execute(moves)],
        "trail": [tuple(row) for row in connection.execute(trail)],
        "broken": ledger.verify_chain(connection) + [str(place) for place in ledger.drifted(connection)],
    }


def plain(answer: Answer) -> tuple[int, dict[str, Any], dict[str, str]]:
    """An answer without the id that is drawn for it."""
    return answer.status, {name: value for name, value in answer.body.items() if name != "id"}, dict(answer.headers)


@REAL
@given(asked=st.lists(ASKED, min_size=8, max_size=40), cut=st.integers(1, 40))
def test_a_group_ends_as_one_by_one(town: Any, asked: list[Asked], cut: int) -> None:
    every = writes(town, asked)
    ways = ([every], [[one] for one in every], [every[:cut], every[cut:]])
    ends = []
    for groups in ways:
        with town.engine.connect() as connection:  # rolled back: the next way begins where this one did
            ends.append(outcome(connection, town, groups))

    assert ends[0] == ends[1] == ends[2]
    assert ends[0]["broken"] == []


def test_the_group_above_is_really_one_run_of_one_service(town: Any) -> None:
    seen_together: list[int] = []
    real = town.ask("k", *town.accounts[:2], "CNY", 1).run_all

    def watched(connection: Connection, asked: Sequence[Any]) -> Any:
        seen_together.append(len(asked))
        return real(connection, asked)

    def ask(key: str, amount: int) -> Write:
        one = town.ask(key, town.accounts[1], town.accounts[2], "CNY", amount)
        return Write(one.caller, one.route, one.key, one.fingerprint, one.run, watched, one.asked, one.places)

    answers = town.decide([ask("a", 80), ask("b", 30), ask("c", 20), ask("a", 80), ask("d", 1)])

    assert [answer.status for answer in answers] == [201, 422, 201, 201, 422]
    assert answers[1].body["code"] == Reason.INSUFFICIENT_CASH.code
    assert answers[3].body == answers[0].body
    assert seen_together == [3, 1], "the repeat of a key parts the group: it must see the first answer"


@pytest.fixture
def single(town: Any, dsn: str) -> Iterator[Single]:
    with psycopg.connect(dsn) as connection:
        yield Single(connection, town.engine, free_transfers=True)


@settings(REAL, max_examples=15)
@given(asked=st.lists(ASKED, min_size=1, max_size=25), run=st.uuids())
def test_one_statement_each_ends_as_one_by_one(town: Any, single: Single, asked: list[Asked], run: object) -> None:
    """Whatever earlier examples have left is where both begin; keys of their own keep examples apart."""
    fresh = [
        town.ask(f"{run}-{key}", town.accounts[giver], town.accounts[taker], ASSETS[asset], amount)
        for key, giver, taker, asset, amount in asked
    ]
    with town.engine.connect() as connection:
        expected = outcome(connection, town, [[one] for one in fresh])
    answers = [plain(single.transfer(one.asked[0], one.key, one.asked[1])) for one in fresh]
    with town.engine.begin() as connection:
        while chain.link_loose(connection):
            pass
        found = {"answers": answers, **seen(connection, town)}

    assert found == expected


def test_what_is_plain_is_one_statement_and_waits_for_its_link(town: Any, single: Single) -> None:
    ann = Caller("ann", frozenset({"maker"}))
    giver, taker = town.accounts[1], town.accounts[2]
    body = {"from_account": giver, "to_account": taker, "asset": "CNY", "amount": 7}
    with town.engine.begin() as connection:
        length = chain.length(connection)
    first = single.transfer(ann, "one", body)
    again = single.transfer(ann, "one", body)

    assert (first.status, again.headers, again.body) == (201, {"Idempotency-Replayed": "true"}, first.body)
    with town.engine.begin() as connection:
        assert chain.is_loose(connection)
        assert ledger.verify_chain(connection) == [], "loose is no fault"
        assert chain.length(connection) == length
        assert chain.link_loose(connection) == 1
    with town.engine.begin() as connection:
        assert not chain.is_loose(connection)
        assert (chain.length(connection), ledger.verify_chain(connection)) == (length + 1, [])
        assert audit.seal(connection) > 0


def test_many_connections_lose_nothing_and_do_not_deadlock(town: Any, dsn: str) -> None:
    import random  # noqa: PLC0415
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    ann, cash = Caller("ann", frozenset({"maker"})), town.accounts[1:]
    before = town.balances()

    def work(seed: int) -> list[int]:
        chance = random.Random(seed)  # a seed that repeats the run
        with psycopg.connect(dsn) as connection:
            mine = Single(connection, town.engine, free_transfers=True)
            found = []
            for n in range(40):
                giver, taker = chance.sample(cash, 2)
                asset = chance.choice(ASSETS[:3])
                body = {"from_account": giver, "to_account": taker, "asset": asset, "amount": chance.randint(1, 9)}
                found.append(mine.transfer(ann, f"{seed}-{n}", body).status)
            return found

    with ThreadPoolExecutor(6) as pool:
        statuses = [status for found in pool.map(work, range(6)) for status in found]

    assert set(statuses) <= {201, 422}
    assert statuses.count(201) > 50
    after = town.balances()
    for asset in ASSETS[:3]:
        assert sum(n for (_, a), n in after.items() if a == asset) == sum(
            n for (_, a), n in before.items() if a == asset
        )
    with town.engine.begin() as connection:
        while chain.link_loose(connection):
            pass
    assert town.faults() == []


@pytest.mark.unsound
def test_a_batch_that_is_nowhere_is_stray(town: Any, single: Single, owner_dsn: str) -> None:
    body = {"from_account": town.accounts[1], "to_account": town.accounts[2], "asset": "CNY", "amount": 7}
    single.transfer(Caller("ann", frozenset({"maker"})), "one", body)
    with psycopg.connect(owner_dsn) as rogue:
        batch = rogue.execute("DELETE FROM ledger_loose RETURNING batch").fetchone()
    with town.engine.begin() as connection:
        assert batch is not None
        assert ledger.verify_chain(connection) == [batch[0]]


def test_a_seal_takes_in_what_is_loose(engine: Engine, town: Any, single: Single) -> None:
    from datetime import date  # noqa: PLC0415

    from core.ledger.seals import service as seals  # noqa: PLC0415

    body = {"from_account": town.accounts[1], "to_account": town.accounts[2], "asset": "CNY", "amount": 7}
    single.transfer(Caller("ann", frozenset({"maker"})), "one", body)
    with engine.begin() as connection:
        sealed = seals.seal_day(connection, date(2021, 7, 15), None)
        assert sealed.last_seq == chain.length(connection)
        assert not chain.is_loose(connection)
