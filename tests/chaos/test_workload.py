"""The workload against real API processes: seeded, noted, read back, judged."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chaos.durability import NEEDED
from chaos.history import Event, History, read
from chaos.judge import judge
from chaos.workload import Pace, Workload, WorldNotPreparedError

QUICK = Pace(writers=6, readers=3, writes_per_s=60, reads_per_s=30, opening_share=0.2, refusal_share=0.05)


def workload(apis: Any, history: History, *, seed: int = 1, run: str = "r") -> Workload:
    return Workload(addresses=apis.addresses, tokens=apis.tokens, history=history, run=run, seed=seed, pace=QUICK)


def note_safe(history: History) -> None:
    """There is no cluster here, and the test's own database does not sync: what is judged is the workload."""
    history.note("observer", "ok", "durability", {"node": "main-1", "needed": NEEDED, "found": dict(NEEDED)})


def failing(events: list[Event]) -> list[str]:
    return [check.name for check in judge(events).checks if not check.passed]


def test_a_registry_that_refuses_the_world_stops_the_drill_before_it_begins(tmp_path: Path) -> None:
    with History(tmp_path / "history.jsonl") as history, refusing() as address:
        clients = Workload(addresses=[address], tokens=lambda _: "nonsense", history=history, run="r", seed=1)
        with clients, pytest.raises(WorldNotPreparedError, match="401"):
            clients.prepare()


@contextmanager
def refusing() -> Iterator[str]:
    """A registry that knows nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_a_quiet_run_passes_and_its_figures_are_the_histories(apis: Any, tmp_path: Path) -> None:
    with History(tmp_path / "history.jsonl") as history:
        with workload(apis, history) as clients:
            clients.prepare(accounts=4, tonnes=500)
            clients.start()
            assert clients.flowed(120, within_s=60)
            clients.stop()
            clients.observe()
            note_safe(history)
        events = read(history.path)

    verdict = judge(events)

    assert failing(events) == []
    assert verdict.figures.acknowledged == clients.progress.acknowledged >= 120
    assert clients.progress.refused > 0
    assert {e.f for e in events if e.of_client and e.process != "setup"} == {
        "transfer", "open", "approve", "read-account", "read-holdings",
    }  # fmt: skip


def test_an_api_that_is_killed_under_load_loses_nothing_and_fails_nobody(apis: Any, tmp_path: Path) -> None:
    with History(tmp_path / "history.jsonl") as history:
        with workload(apis, history) as clients:
            clients.prepare()
            clients.start()
            assert clients.flowed(60, within_s=60)
            apis.kill(0)
            assert clients.flowed(60, within_s=60)
            clients.stop()
            clients.observe()
            note_safe(history)
        events = read(history.path)

    assert failing(events) == []
    assert judge(events).figures.client_retries > 0


def test_two_runs_of_one_seed_choose_alike_and_do_not_see_each_other(apis: Any, tmp_path: Path) -> None:
    chosen = []
    for run in ("one", "other"):
        with History(tmp_path / f"{run}.jsonl") as history, workload(apis, history, seed=5, run=run) as clients:
            world = clients.prepare(accounts=3, tonnes=500)
            clients.start()
            assert clients.flowed(90, within_s=60)
            clients.stop()
            clients.observe()
            note_safe(history)
        events = read(tmp_path / f"{run}.jsonl")
        assert failing(events) == []
        place = {number: n for n, number in enumerate(world.accounts)}
        asked = [e.value for e in events if e.process == "writer-0" and e.type == "invoke" and e.f == "transfer"]
        chosen.append([(place[value["from"]], place[value["to"]], value["amount"]) for value in asked])

    shorter = min(len(moves) for moves in chosen)
    assert shorter > 2
    assert chosen[0][:shorter] == chosen[1][:shorter]


def test_a_write_behind_the_registrys_back_is_seen(apis: Any, owner_dsn: str, tmp_path: Path) -> None:
    """A lost and a doubled transfer of the same size leave all balances as they were: only the list shows them."""
    with History(tmp_path / "history.jsonl") as history:
        with workload(apis, history) as clients:
            clients.prepare(accounts=2, tonnes=500)
            clients.start()
            assert clients.flowed(30, within_s=60)
            clients.stop()
            with psycopg.connect(owner_dsn, autocommit=True) as rogue:
                rogue.execute("ALTER TABLE transfer DISABLE TRIGGER USER")
                rogue.execute(
                    "UPDATE transfer SET id = 'forged' WHERE id = "
                    "(SELECT id FROM transfer WHERE type = 'TRANSFER' ORDER BY batch LIMIT 1)"
                )
            clients.observe()
            note_safe(history)

        verdict = judge(read(history.path))

    assert [check.name for check in verdict.checks if not check.passed] == [
        "no acknowledged write is lost",
        "no write happened twice",
    ]
    assert verdict.word == "fail"
