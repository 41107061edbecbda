"""Random sequences of all that the ledger can do, held against a model of a few lines, alone and from many threads."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from core.db.transaction import Unknown, write
from core.ledger import store
from core.ledger.holds import service as holds
from core.ledger.holds import store as hold_store
from core.ledger.holds.rules import Hold
from core.ledger.rules import Transfer
from core.ledger.seals import service as seals
from core.quantities import MAX_AMOUNT
from core.refusals import Reason, Refused, RefusedError

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)
START = datetime(2021, 7, 16, 4, tzinfo=UTC)
EARLY = START - timedelta(minutes=1)
KINDS = ["post", "pair", "issue", "hold", "post_hold", "void", "expire", "reverse", "seal"]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 1),
        st.one_of(st.integers(1, 60), st.sampled_from([MAX_AMOUNT, MAX_AMOUNT - 99])),
        st.integers(0, 30),
        st.integers(0, 9),
    ),
    max_size=25,
)


@dataclass
class Model:
    """What the ledger should say: two owners, what each has available and set aside, and what may still be undone."""

    free: list[int] = field(default_factory=lambda: [100, 0])
    locked: list[int] = field(default_factory=lambda: [0, 0])
    holds: dict[str, tuple[int, int, int, str]] = field(default_factory=dict)
    """Owner, amount, expiry, state."""
    moves: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Giver (-1: issuance) and amount of transfers that were not taken back."""
    gone: set[str] = field(default_factory=set)

    def issued(self) -> int:
        return sum(self.free) + sum(self.locked)

    def post(self, number: str, giver: int, amount: int) -> bool:
        if amount > self.free[giver]:
            return False
        self.free[giver] -= amount
        self.free[1 - giver] += amount
        self.moves[number] = (giver, amount)
        return True

    def issue(self, number: str, taker: int, amount: int) -> bool:
        if self.issued() + amount > MAX_AMOUNT:
            return False
        self.free[taker] += amount
        self.moves[number] = (-1 - taker, amount)
        return True

    def hold(self, number: str, owner: int, amount: int, until: int) -> bool:
        if amount > self.free[owner]:
            return False
        self.free[owner] -= amount
        self.locked[owner] += amount
        self.holds[number] = (owner, amount, until, "PENDING")
        return True

    def end(self, number: str, posted: int, state: str) -> bool:
        owner, amount, until, now = self.holds.get(number, (0, 0, 0, "NONE"))
        if now != "PENDING" or posted > amount:
            return False
        self.locked[owner] -= amount
        self.free[owner] += amount - posted
        self.free[1 - owner] += posted
        self.holds[number] = (owner, amount, until, state)
        return True

    def reverse(self, number: str) -> bool:
        giver, amount = self.moves.get(number, (0, 0))
        if not amount or number in self.gone:
            return False
        taker = 1 - giver if giver >= 0 else -1 - giver
        if self.free[taker] < amount:
            return False
        self.free[taker] -= amount
        if giver >= 0:
            self.free[giver] += amount
        self.gone.add(number)
        return True


def tried(connection: Connection, transfers: list[Transfer]) -> bool:
    """Post as a service does: it asks first whether the balances allow it."""
    deltas = store.net(transfers)
    balances = store.lock_balances(connection, list(deltas), create=True)
    if any(not p.may_overdraw and balances[p] + delta < 0 for p, delta in deltas.items()):
        return False
    try:
        store.post(connection, transfers, market_day=DAY)
    except RefusedError:
        return False
    return True


def step(connection: Connection, books: Any, model: Model, n: int, what: tuple[str, int, int, int, int]) -> None:
    """Do one thing in the ledger and in the model; both must agree on whether it can be done."""
    kind, who, amount, _, which = what
    owner = (books.one, books.other)[who]
    number = f"t{n}"
    move = books.move(number, amount, back=bool(who))
    done: object
    match kind:
        case "post":
            assert tried(connection, [move]) == model.post(number, who, amount)
        case "pair":  # one leg and its undoing: linked, whole or not at all
            other = books.move(f"{number}b", 1, back=not who)
            possible = amount - 1 <= model.free[who] and model.free[1 - who] + amount >= 1
            assert tried(connection, [move, other]) == possible
            if possible:
                model.free[who] -= amount - 1
                model.free[1 - who] += amount - 1
                model.moves |= {number: (who, amount), f"{number}b": (1 - who, 1)}
        case "issue":
            source = books.place("S00-00000001-53")
            issue = Transfer(number, source, books.place(owner), amount, "ISSUE", "test")
            assert tried(connection, [issue]) == model.issue(number, who, amount)
        case "reverse":
            back = sorted(model.moves)[which % len(model.moves)] if model.moves else "nothing"
            done = store.reverse(
                connection, [back], id_of=lambda t: f"r{n}-{t}", kind="REVERSAL", reference="t", market_day=DAY
            )
            assert isinstance(done, Refused) != model.reverse(back)
        case "seal":
            seals.seal_day(connection, DAY + timedelta(days=n), None)
        case _:
            hold_step(connection, books, model, n, what)


def hold_step(connection: Connection, books: Any, model: Model, n: int, what: tuple[str, int, int, int, int]) -> None:
    """The same for what is done with holds."""
    kind, who, amount, at, which = what
    owner, now = (books.one, books.other)[who], START + timedelta(minutes=at)
    named = f"h{sorted(model.holds)[which % len(model.holds)][1:]}" if model.holds else "h-none"
    done: object
    match kind:
        case "hold":
            done = holds.hold(connection, Hold(f"h{n}", books.place(owner), "locked", amount, now, "test", DAY))
            assert isinstance(done, Refused) != model.hold(f"h{n}", who, amount, at)
        case "post_hold":
            to = books.place((books.other, books.one)[model.holds[named][0]] if model.holds else owner)
            part = None if at % 2 else amount
            done = holds.post_hold(connection, named, to, part, now=now)
            known = model.holds.get(named)
            late = known is not None and known[2] <= at
            whole = known[1] if known is not None and part is None else amount
            assert isinstance(done, Refused) == (late or not model.end(named, whole, "POSTED"))
        case "void":
            assert isinstance(holds.void_hold(connection, named, now=now), Refused) != model.end(named, 0, "VOIDED")
        case "expire":
            over = {h for h, (_, _, until, state) in model.holds.items() if state == "PENDING" and until <= at}
            assert {hold.id for hold in holds.expire_holds(connection, now)} == over
            assert all(model.end(h, 0, "EXPIRED") for h in over)


def compare(connection: Connection, books: Any, model: Model) -> None:
    for who, owner in enumerate((books.one, books.other)):
        amounts = books.amounts(connection, owner)
        assert amounts.get("available", 0) == model.free[who]
        assert amounts.get("locked", 0) == model.locked[who]
        pending = {h for h, (o, _, _, state) in model.holds.items() if o == who and state == "PENDING"}
        assert {hold.id for hold in hold_store.pending(connection, owner)} == pending


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_done_in_a_row_ends_as_a_plain_model_says(
    books: Any, sound: Any, steps: list[tuple[str, int, int, int, int]]
) -> None:
    with books.engine.connect() as connection:
        connection.begin()
        model = Model()
        for n, what in enumerate(steps):
            step(connection, books, model, n, what)
            compare(connection, books, model)
            sound(connection)
        connection.rollback()


DEEDS = ["post", "post_hold", "void", "expire", "reverse", "seal"]


def deed(connection: Connection, *, books: Any, which: int, kind: str, number: int) -> list[str]:
    """Do one thing of many at once; return what it ended for good: holds, and transfers that it took back."""
    end: object = Refused(Reason.HOLD_UNKNOWN)
    match kind:
        case "post":
            tried(connection, [books.move(f"p{number}", 1, back=bool(which % 2))])
        case "post_hold":
            end = holds.post_hold(connection, f"h{which}", books.place(books.other), 2, now=EARLY)
        case "void":
            end = holds.void_hold(connection, f"h{which}", now=EARLY)
        case "expire":
            return [hold.id for hold in holds.expire_holds(connection, START, 1)]
        case "reverse":
            done = store.reverse(
                connection, [f"m{which}"], id_of=lambda t: f"r-{t}", kind="R", reference="t", market_day=DAY
            )
            return [] if isinstance(done, Refused) else [f"m{which}"]
        case "seal":
            seals.seal_day(connection, DAY + timedelta(days=number), None)
    return [] if isinstance(end, Refused) else [f"h{which}"]


KILL_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"


@contextmanager
def killer(dsn: str, *, at_work: bool) -> Iterator[None]:
    """End every connection again and again."""
    over = threading.Event()

    def kill() -> None:
        with psycopg.connect(dsn.replace("registry_app@", "postgres@"), autocommit=True) as admin:
            while not over.wait(0.15):
                admin.execute(KILL_ALL, [admin.info.backend_pid])

    thread = threading.Thread(target=kill)
    if at_work:
        thread.start()
    yield
    over.set()
    if at_work:
        thread.join()


@pytest.mark.parametrize(("seed", "how"), [(0, "in peace"), (1, "in peace"), (2, "killed"), (3, "killed")])
def test_whatever_many_do_at_once_nothing_is_made_lost_or_done_twice(
    books: Any, sound: Any, dsn: str, seed: int, how: str
) -> None:
    """Each works on holds and transfers of all; deadlocks would show as errors after their retries."""
    with books.engine.begin() as connection:
        for n in range(6):
            holds.hold(connection, Hold(f"h{n}", books.place(books.one), "locked", 5, START, "test", DAY))
        store.post(connection, [books.move(f"m{n}", 3) for n in range(6)], market_day=DAY)
    failures: list[BaseException] = []
    ended: list[str] = []

    def act(own: random.Random, me: int) -> None:
        try:
            for n in range(15):
                one = partial(deed, books=books, which=own.randrange(6), kind=own.choice(DEEDS), number=100 * me + n)
                end = write(books.engine, one)
                assert how == "killed" or not isinstance(end, Unknown)
                ended.extend([] if isinstance(end, Unknown) else end)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=act, args=(random.Random(seed * 100 + n), n)) for n in range(6)]
    with killer(dsn, at_work=how == "killed"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failures == []
    assert len(ended) == len(set(ended)), "a hold ended twice, or a transfer was reversed twice"
    with books.engine.connect() as connection:
        sound(connection)
        held = [books.amounts(connection, owner) for owner in (books.one, books.other)]
        assert sum(sum(amounts.values()) for amounts in held) == 100
