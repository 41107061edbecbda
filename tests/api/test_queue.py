"""The one write queue: what a key means, what a group is, and what happens while the primary is away."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from core.api.group import Inquiry, Write
from core.api.queue import GROUP_MAX, WriteQueue
from core.refusals import Answer, Reason, Refused, RefusedError
from core.telemetry import COMMITS

pytestmark = pytest.mark.anyio


async def test_a_repeat_gets_the_first_answer_and_is_not_carried_out_again(
    together: Callable[..., Any], counting: Callable[..., Write], effects: Callable[[], dict[str, int]], engine: Engine
) -> None:
    (first,) = await together(counting("k"))
    (again,) = await together(counting("k"))

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert effects() == {"k": 1}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT repeats FROM request")).scalar_one() == 1


async def test_a_repeat_inside_one_group_gets_the_same_answer(
    together: Callable[..., Any], counting: Callable[..., Write], effects: Callable[[], dict[str, int]]
) -> None:
    answers = await together(*[counting("k") for _ in range(5)])

    assert [answer.body for answer in answers] == [{"key": "k", "n": 1}] * 5
    assert effects() == {"k": 1}


async def test_a_key_with_other_content_is_refused_and_changes_nothing(
    together: Callable[..., Any], counting: Callable[..., Write], effects: Callable[[], dict[str, int]]
) -> None:
    first, reused = await together(counting("k"), counting("k", content="other"))
    (still,) = await together(counting("k"))

    assert reused.body["code"] == Reason.KEY_REUSED.code
    assert still.body == first.body
    assert effects() == {"k": 1}


async def test_a_key_belongs_to_one_caller_and_one_route(
    together: Callable[..., Any], counting: Callable[..., Write], effects: Callable[[], dict[str, int]]
) -> None:
    answers = await together(counting("k"), counting("k", caller="D"), counting("k", route="POST /v1/u"))

    assert [answer.body["n"] for answer in answers] == [1, 1, 1]
    assert all("Idempotency-Replayed" not in answer.headers for answer in answers)


async def test_a_refusal_is_an_answer_that_stays(together: Callable[..., Any], counting: Callable[..., Write]) -> None:
    """What was refused once stays refused under its key, even when it would be possible by now."""
    (refused,) = await together(counting("k", run=lambda _: Refused(Reason.INSUFFICIENT_CASH, "It holds 3 fen.")))
    (again,) = await together(counting("k"))

    assert refused.status == 422
    assert refused.body["detail"] == "It holds 3 fen."
    assert (again.status, again.body) == (refused.status, refused.body)


async def test_one_bad_request_does_not_spoil_its_group(
    together: Callable[..., Any], counting: Callable[..., Write], effects: Callable[[], dict[str, int]]
) -> None:
    def fail(connection: Connection) -> Answer:
        connection.execute(text("SELECT 1 / 0"))
        raise AssertionError

    def bug(_: Connection) -> Answer:
        raise KeyError("secret detail")

    wrong = {3: fail, 7: bug, 8: bug, 19: fail}
    asked = [counting(f"k{n}", run=wrong.get(n)) for n in range(20)]
    answers = await together(*asked)

    assert [answer.status for answer in answers] == [500 if n in wrong else 201 for n in range(20)]
    assert "secret" not in str(answers[7].body)
    assert effects() == {f"k{n}": 1 for n in range(20) if n not in wrong}


async def test_a_request_that_failed_may_be_sent_again_under_its_key(
    together: Callable[..., Any], counting: Callable[..., Write]
) -> None:
    def bug(_: Connection) -> Answer:
        raise KeyError

    (failed,) = await together(counting("k", run=bug))
    (repaired,) = await together(counting("k"))

    assert (failed.status, repaired.status) == (500, 201)


async def test_a_key_that_was_declared_not_done_is_never_carried_out(
    together: Callable[..., Any], counting: Callable[..., Write], effects: Callable[[], dict[str, int]]
) -> None:
    state, late = await together(Inquiry("C", "k"), counting("k"))
    (again, other) = await together(Inquiry("C", "k"), counting("k", caller="D"))

    assert state.body == {"key": "k", "state": "not_done", "route": None, "status": None, "body": None}
    assert (late.status, late.body["code"]) == (409, Reason.KEY_TOMBSTONED.code)
    assert again.body == state.body
    assert other.status == 201
    assert effects() == {"k": 1}


async def test_a_key_that_was_carried_out_is_done_with_its_answer(
    together: Callable[..., Any], counting: Callable[..., Write], engine: Engine
) -> None:
    done, state = await together(counting("k"), Inquiry("C", "k"))

    assert state.body == {"key": "k", "state": "done", "route": "POST /v1/t", "status": 201, "body": done.body}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT repeats FROM request")).scalar_one() == 1, "saying done must write"


async def test_no_more_than_a_full_group_is_written_at_once_and_order_is_kept(
    together: Callable[..., Any], counting: Callable[..., Write], engine: Engine
) -> None:
    await together(*[counting(f"k{n:03}") for n in range(GROUP_MAX + 50)])

    with engine.connect() as connection:
        groups = connection.execute(
            text("SELECT count(*), min(key), max(key) FROM request GROUP BY created_at ORDER BY created_at")
        ).all()
    assert [tuple(group) for group in groups] == [
        (GROUP_MAX, "k000", f"k{GROUP_MAX - 1:03}"),
        (50, f"k{GROUP_MAX}", f"k{GROUP_MAX + 49}"),
    ]


async def test_a_heavy_request_gets_a_transaction_of_its_own(
    together: Callable[..., Any], counting: Callable[..., Write], engine: Engine
) -> None:
    heavy = counting("heavy")
    heavy = Write(heavy.caller, heavy.route, heavy.key, heavy.fingerprint, heavy.run, alone=True)
    await together(counting("a"), counting("b"), heavy, counting("c"))

    with engine.connect() as connection:
        groups = connection.execute(
            text("SELECT array_agg(key ORDER BY key) FROM request GROUP BY created_at ORDER BY created_at")
        )
        assert [keys for (keys,) in groups] == [["a", "b"], ["heavy"], ["c"]]


async def test_a_caller_that_leaves_does_not_take_its_request_along(
    queue: WriteQueue, counting: Callable[..., Write], effects: Callable[[], dict[str, int]], together: Any
) -> None:
    waiting = asyncio.create_task(queue.put(counting("left")))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await together(counting("stayed"))

    assert effects() == {"left": 1, "stayed": 1}


async def test_a_full_queue_takes_nothing_more(engine: Engine, counting: Callable[..., Write]) -> None:
    queue = WriteQueue(engine, hold_window_s=20, depth_max=2)
    waiting = [asyncio.create_task(queue.put(counting(f"k{n}"))) for n in range(3)]
    await asyncio.sleep(0.01)

    with pytest.raises(RefusedError) as refused:
        await waiting[2]
    assert refused.value.refused.reason is Reason.TOO_BUSY
    queue.start()
    assert [answer.status for answer in await asyncio.gather(*waiting[:2])] == [201, 201]
    queue.stop()


async def test_killed_connections_under_load_lose_nothing_and_double_nothing(
    queue: WriteQueue, counting: Callable[..., Write], effects: Callable[[], dict[str, int]], postgres: str, dsn: str
) -> None:
    """The writer's connection is killed at every moment of a transaction, COMMIT included."""
    database, ended, kills = dsn.rsplit("/", 1)[1], threading.Event(), 0
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = %s AND usename = 'registry_app' AND pid <> pg_backend_pid()"
    )

    def killer() -> None:
        nonlocal kills
        chance = random.Random(7)  # a seed that repeats the run
        with psycopg.connect(postgres, autocommit=True) as admin:
            while not ended.is_set():
                kills += admin.execute(kill, (database,)).fetchone()[0]
                time.sleep(chance.uniform(0.01, 0.06))

    async def caller(name: int) -> list[tuple[str, Answer]]:
        got = []
        for n in range(1000):
            if kills > 20 and n > 10:
                break
            key = f"{name}-{n}"
            got.append((key, await queue.put(counting(key))))
            if n % 5 == 0:
                got.append((key, await queue.put(counting(key))))
        return got

    queue.start()
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        answered = [pair for pairs in await asyncio.gather(*[caller(c) for c in range(20)]) for pair in pairs]
    finally:
        ended.set()
        thread.join()

    assert kills > 20, "the fault has to bite"
    assert all(answer.body == {"key": key, "n": 1} for key, answer in answered)
    assert effects() == {key: 1 for key, _ in answered}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_whose_answer_was_lost_is_settled_by_its_key(
    line: Any,
    line_dsn: str,
    started: Callable[..., WriteQueue],
    counting: Callable[..., Write],
    effects: Callable[[], dict[str, int]],
    when: str,
) -> None:
    """The connection ends just before, or just after, the server gets COMMIT: absent or durable, nobody can tell."""
    queue = started(line_dsn)
    unknown = COMMITS.labels("unknown")._value.get()
    line.break_at_commit = when
    answers = await asyncio.gather(*[queue.put(counting(f"k{n}")) for n in range(20)])

    assert [answer.body for answer in answers] == [{"key": f"k{n}", "n": 1} for n in range(20)]
    assert effects() == {f"k{n}": 1 for n in range(20)}
    assert COMMITS.labels("unknown")._value.get() == unknown + 1
    assert any("Idempotency-Replayed" in answer.headers for answer in answers) == (when == "after")


async def test_writes_are_held_while_there_is_no_database_and_answered_when_it_is_back(
    line: Any,
    line_dsn: str,
    started: Callable[..., WriteQueue],
    counting: Callable[..., Write],
    effects: Callable[[], dict[str, int]],
) -> None:
    queue = started(line_dsn)
    assert (await queue.put(counting("before"))).status == 201
    threads = threading.active_count()
    line.cut()

    waiting = [asyncio.create_task(queue.put(counting(f"k{n}"))) for n in range(500)]
    await asyncio.sleep(1.5)
    assert not any(task.done() for task in waiting)
    assert threading.active_count() <= threads, "a held request costs no thread"
    line.open()
    answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)

    assert {answer.status for answer in answers} == {201}
    assert effects() == {"before": 1} | {f"k{n}": 1 for n in range(500)}


async def test_a_caller_in_a_hurry_is_told_when_no_primary_was_there_in_time(
    line: Any,
    line_dsn: str,
    started: Callable[..., WriteQueue],
    counting: Callable[..., Write],
    effects: Callable[[], dict[str, int]],
) -> None:
    queue = started(line_dsn)
    line.cut()
    patient = asyncio.create_task(queue.put(counting("patient")))
    began = time.monotonic()
    with pytest.raises(RefusedError) as refused:
        await queue.put(counting("hurried"), wait_s=1)
    took_s = time.monotonic() - began
    line.open()

    assert refused.value.refused.reason is Reason.NO_PRIMARY
    assert 0.9 < took_s < 20, "its own second, and not the 45 s of the patient one"
    assert (await patient).status == 201
    assert effects() == {"patient": 1}, "what nobody waits for any more, and was not begun, is not done behind his back"


async def test_a_frozen_database_is_left_at_the_deadline_and_the_write_is_done_once(
    line: Any,
    line_dsn: str,
    started: Callable[..., WriteQueue],
    counting: Callable[..., Write],
    effects: Callable[[], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A frozen server answers nothing and closes nothing: only a deadline of our own ends the wait."""
    monkeypatch.setattr("core.api.queue.WITHIN_S", 0.5)
    queue = started(line_dsn)
    await queue.put(counting("before"))
    line.flowing.clear()
    waiting = asyncio.create_task(queue.put(counting("k")))
    await asyncio.sleep(1.2)
    assert not waiting.done()
    line.cut()
    line.open()

    assert (await asyncio.wait_for(waiting, 10)).status == 201
    assert effects() == {"before": 1, "k": 1}


async def test_what_cannot_be_drained_is_told_to_come_again(
    line: Any, line_dsn: str, started: Callable[..., WriteQueue], counting: Callable[..., Write]
) -> None:
    queue = started(line_dsn)
    line.cut()
    waiting = asyncio.create_task(queue.put(counting("k")))
    await asyncio.sleep(0.05)
    await queue.drain(0.2)

    with pytest.raises(RefusedError) as refused:
        await waiting
    assert refused.value.refused.reason is Reason.NO_PRIMARY


async def test_two_processes_under_the_same_keys_carry_each_out_once(
    started: Callable[..., WriteQueue], counting: Callable[..., Write], effects: Callable[[], dict[str, int]]
) -> None:
    """A client that turns to the other address repeats a key whose first request may still be under way."""
    queues = [started(), started()]
    asked = [queue.put(counting(f"k{n}")) for n in range(200) for queue in queues]
    states = [queues[n % 2].put(Inquiry("C", f"k{n}")) for n in range(0, 400, 2)]
    answers = await asyncio.gather(*asked, *states)

    bodies = [answer.body for answer in answers[:400]]
    assert bodies[::2] == bodies[1::2] == [{"key": f"k{n}", "n": 1} for n in range(200)]
    done = {answer.body["key"]: answer.body["state"] for answer in answers[400:]}
    assert set(effects()) == {f"k{n}" for n in range(200)}
    assert all(state == "done" for key, state in done.items() if key in effects())
    assert set(effects().values()) == {1}
