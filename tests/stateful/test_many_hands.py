"""Whatever many people do at once, and whichever connections die meanwhile, the books stay sound and nothing is lost.

Hypothesis draws bursts of requests and moments at which a connection is shot. Threads carry a burst out on one real
PostgreSQL; a request whose end is unknown is repeated under its key. What was acknowledged, and nothing else, must then
be what every owner holds.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine

from core.accounts import service as accounts
from core.allocation import service as allocation
from core.api.group import Write, decide
from core.approvals import service as approvals
from core.bank import service as bank
from core.callers import Caller
from core.clock import store as clock
from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, Unknown, read, write
from core.executors import EXECUTORS, UNDOERS
from core.ledger import store as ledger
from core.refusals import Answer, Refused
from core.surrender import service as surrender
from core.transfers import service as transfers

EVERYBODY = frozenset({"maker", "checker", "bank"})
ANN, BOB = Caller("ann", EVERYBODY), Caller("bob", EVERYBODY)
HANDS = 6
FIRMS = 4
PATIENCE_S = 30.0
"""Nothing here takes a second; this only ends what hangs."""

NUMBERS = itertools.count(1)
"""Keys, messages and plans of all worlds, which share one database."""

Effect = Counter[tuple[str, str]]
"""By owner and asset: what an answer changed."""


@dataclass
class World:
    """One registry, what its callers were told, and what must therefore be true."""

    engine: Engine
    admin: psycopg.Connection[Any]
    database: str
    firms: list[str] = field(default_factory=list)
    told: Effect = field(default_factory=Counter)
    tasks: list[tuple[str, Effect]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    """How often connections were shot and deeds acknowledged, in all worlds: a test that did nothing proves nothing."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, run: Callable[[Connection], Answer | Refused]) -> Answer:
        """Send one keyed request until it has a definite answer, as the published client does."""
        with self.lock:
            key = f"k{next(NUMBERS)}"
        asked = Write("ann", "POST /test", key, key.encode(), run)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with suppress(NoPrimaryError):
                end = write(self.engine, lambda connection: decide(connection, [asked]), patience_s=5)
                if not isinstance(end, Unknown):
                    return end[0]
        raise AssertionError(f"{key} had no answer in {PATIENCE_S:g} s")

    def note(self, effect: Effect) -> None:
        with self.lock:
            self.told.update(effect)

    def shoot(self) -> None:
        """Kill one of the registry's connections, whatever it is in the middle of."""
        shot = self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = 'registry_app'"
            " ORDER BY (state = 'active') DESC, random() LIMIT 1",
            (self.database,),
        )
        self.seen["shot"] += len(shot.fetchall())


def moved(giver: str, taker: str, asset: str, amount: int) -> Effect:
    return Counter({(giver, asset): -amount, (taker, asset): amount})


def transfer(world: World, giver: str, taker: str, amount: int, asset: str) -> bool:
    body = {"from_account": giver, "to_account": taker, "asset": asset, "amount": amount}
    answer = world.ask(lambda connection: transfers.transfer(connection, ANN, body, free_transfers=True))
    if answer.status == 201:
        world.note(moved(giver, taker, asset, amount))
    return answer.status == 201


def deposit(world: World, firm: str, _other: str, amount: int, _asset: str) -> bool:
    with world.lock:
        message = f"m{next(NUMBERS)}"
    body = {"bank": "B001", "message_id": message, "entries": [{"account": firm, "amount_fen": amount}]}
    assert world.ask(lambda connection: bank.record_deposits(connection, ANN, body)).status == 201
    world.note(Counter({(firm, "CNY"): amount}))
    return True


def propose_surrender(world: World, firm: str, _other: str, amount: int, _asset: str) -> bool:
    body = {"account": firm, "product": "CEA-2019", "tonnes": amount, "year": 2020}
    answer = world.ask(lambda connection: surrender.propose(connection, ANN, body))
    if answer.status == 202:
        with world.lock:
            world.tasks.append((str(answer.body["id"]), Counter({(firm, "CEA-2019"): -amount})))
    return answer.status == 202


def propose_plan(world: World, firm: str, other: str, amount: int, _asset: str) -> bool:
    with world.lock:
        name = f"plan {next(NUMBERS)}"
    lines = [{"account": account, "tonnes": amount} for account in {firm, other}]
    body = {"product": "CEA-2019", "plan": name, "lines": lines}
    answer = world.ask(lambda connection: allocation.propose(connection, ANN, body))
    if answer.status == 202:
        with world.lock:
            effect = Counter({(account, "CEA-2019"): amount for account in {firm, other}})
            world.tasks.append((str(answer.body["id"]), effect))
    return answer.status == 202


def approve(world: World, _firm: str, _other: str, amount: int, _asset: str) -> bool:
    return _decide(world, amount, approving=True)


def reject(world: World, _firm: str, _other: str, amount: int, _asset: str) -> bool:
    return _decide(world, amount, approving=False)


def _decide(world: World, choice: int, *, approving: bool) -> bool:
    """Decide any proposal there ever was: two hands often choose the same, and one of them comes too late."""
    with world.lock:
        if not world.tasks:
            return False
        task, effect = world.tasks[choice % len(world.tasks)]
    if approving:
        answer = world.ask(lambda connection: approvals.approve(connection, BOB, task, EXECUTORS))
        if answer.status == 200:
            world.note(effect)
    else:
        answer = world.ask(lambda connection: approvals.reject(connection, BOB, task, {"reason": "no"}, UNDOERS))
    return answer.status == 200


Deed = Callable[[World, str, str, int, str], bool]
DEEDS: tuple[Deed, ...] = (transfer, transfer, deposit, propose_surrender, propose_plan, approve, approve, reject)

BURSTS = st.lists(
    st.tuples(
        st.sampled_from(DEEDS),
        st.integers(0, FIRMS - 1),
        st.integers(0, FIRMS - 1),
        st.integers(1, 60),
        st.sampled_from(["CEA-2019", "CNY"]),
    ),
    min_size=4,
    max_size=24,
)
SHOTS = st.lists(st.integers(0, 40), max_size=6)
"""Milliseconds after the burst's begin."""


class ManyHands(RuleBasedStateMachine):
    """Bursts of requests from many threads, connections shot in between, days that pass."""

    world: World
    proven: Callable[[Connection], None]

    @initialize()
    def open(self) -> None:
        lines = [{"name": f"Firm {n}", "kind": "E", "province": "42"} for n in range(FIRMS)]
        answer = self.world.ask(lambda c: accounts.propose_openings(c, ANN, {"accounts": lines}))
        done = self.world.ask(lambda c: approvals.approve(c, BOB, str(answer.body["id"]), EXECUTORS))
        firms = [str(account["number"]) for account in done.body["accounts"]]  # type: ignore[attr-defined]
        for firm in firms:
            deposit(self.world, firm, firm, 300, "CNY")
        propose_plan(self.world, *firms[:2], 300, "CEA-2019")
        approve(self.world, *firms[:2], 0, "CEA-2019")
        self.world.firms = firms

    @rule(burst=BURSTS, shots=SHOTS)
    def many_hands(self, burst: Sequence[tuple[Any, int, int, int, str]], shots: Sequence[int]) -> None:
        firms = self.world.firms
        with ThreadPoolExecutor(HANDS) as hands:
            running = [
                hands.submit(self._do, deed, firms[one], firms[other], amount, asset)
                for deed, one, other, amount, asset in burst
            ]
            began = time.monotonic()
            for shot in sorted(shots):
                time.sleep(max(0.0, began + shot / 1000 - time.monotonic()))
                self.world.shoot()
            for one in running:
                one.result(timeout=2 * PATIENCE_S)

    def _do(self, deed: Deed, one: str, other: str, amount: int, asset: str) -> None:
        done = deed(self.world, one, other, amount, asset)
        with self.world.lock:
            self.world.seen[f"{deed.__name__}: {'done' if done else 'refused'}"] += 1

    @rule(days=st.integers(1, 20))
    def days_pass(self, days: int) -> None:
        def later(connection: Connection) -> None:
            clock.move(connection, to=clock.lock(connection) + timedelta(days=days), by="test")

        write(self.world.engine, later)

    @invariant()
    def everybody_holds_what_was_acknowledged(self) -> None:
        firms = self.world.firms

        def held(connection: Connection) -> Effect:
            found: Effect = Counter()
            for balance in ledger.balances(connection, firms):
                found[balance.owner, balance.asset] += balance.amount
            return found

        found = read(self.world.engine, held)
        found.subtract(self.world.told)
        assert {place: amount for place, amount in found.items() if amount} == {}

    @invariant()
    def the_books_are_sound(self) -> None:
        read(self.world.engine, self.proven)


def test_many_hands_and_dying_connections_leave_sound_books(
    dsn: str, postgres: str, sound: Callable[[Connection], None]
) -> None:
    engine = write_engine(dsn, pool_size=HANDS + 2)
    seen: Counter[str] = Counter()
    with psycopg.connect(postgres, autocommit=True) as admin:

        class Fresh(ManyHands):
            def __init__(self) -> None:
                self.world, self.proven = World(engine, admin, dsn.rpartition("/")[2], seen=seen), sound
                super().__init__()

        run_state_machine_as_test(
            Fresh,
            settings=settings(
                max_examples=25,
                stateful_step_count=8,
                deadline=None,
                phases=[Phase.generate],  # threads are never twice the same, so there is nothing to shrink
                suppress_health_check=list(HealthCheck),
            ),
        )
    engine.dispose()
    assert seen["shot"] > 20
    assert all(seen[f"{deed.__name__}: done"] for deed in DEEDS), seen
