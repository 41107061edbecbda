"""The API as the process it is: a real server, a database that goes away, and an orderly end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from core.refusals import Reason
from core.settings import Settings
from deploy.ports import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def process(facts: Settings, line_dsn: str, tmp_path: Any) -> Iterator[Any]:
    """``python -m core api`` on the test's database, through the line."""
    listen = f"127.0.0.1:{free_port('127.0.0.1')}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")} | {
        "REGISTRY_DSN": line_dsn,
        "REGISTRY_LISTEN": listen,
        "REGISTRY_TOKEN_PUBLIC_KEY": str(facts.token_public_key),
        "REGISTRY_TOKEN_ISSUER": facts.token_issuer,
        "REGISTRY_PLAYGROUND": "true",
    }
    with (tmp_path / "api.log").open("wb") as log:
        started = subprocess.Popen([sys.executable, "-m", "core", "api"], env=environment, stderr=log)
        started.url = f"http://{listen}"  # type: ignore[attr-defined]
        started.log = tmp_path / "api.log"  # type: ignore[attr-defined]
        try:
            _await_health(started)
            yield started
        finally:
            started.kill()
            started.wait()


def _await_health(process: Any) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{process.url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, process.log.read_text()
            time.sleep(0.1)
    raise TimeoutError("the API did not start within 30 s")


def _beat(token: Callable[..., str], n: int, **headers: str) -> dict[str, Any]:
    named = {"Authorization": f"Bearer {token('p', 'probe')}", "Idempotency-Key": f"k{n}"} | headers
    return {"url": "/v1/beats", "json": {"probe": "p", "n": n}, "headers": named}


async def test_a_failover_costs_clients_time_and_nothing_else(
    process: Any, line: Any, token: Callable[..., str]
) -> None:
    """Writes and reads wait together for the database and are all answered; who is in a hurry is told."""
    reader = {"Authorization": f"Bearer {token('p', 'probe')}"}
    async with httpx.AsyncClient(base_url=process.url, timeout=30) as http:
        assert (await http.post(**_beat(token, 0))).status_code == 201
        line.cut()
        writes = [asyncio.create_task(http.post(**_beat(token, n))) for n in range(1, 40)]
        reads = [asyncio.create_task(http.get("/v1/beats/p", headers=reader)) for _ in range(20)]
        began = time.monotonic()
        hurried = await http.post(**_beat(token, 99, Prefer="respond-async, wait=1"))
        hurried_read = await http.get("/v1/beats/p", headers=reader | {"Prefer": "wait=1"})
        state = await http.get("/v1/requests/k99", headers=reader | {"Prefer": "wait=1"})
        took_s = time.monotonic() - began
        ready, alive = await http.get("/readyz"), await http.get("/healthz")
        assert not any(task.done() for task in writes + reads)
        line.open()
        answers = await asyncio.gather(*writes, *reads)
        settled = await http.get("/v1/requests/k99", headers=reader)
        metrics = (await http.get("/metrics")).text

    for refused in (hurried, hurried_read, state):
        assert (refused.status_code, refused.json()["code"]) == (503, Reason.NO_PRIMARY.code)
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"] == "application/problem+json"
    assert 2.8 < took_s < 20, "three waits of a second each, and not the 45 s of the patient ones"
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert {answer.status_code for answer in answers[:39]} == {201}
    assert {answer.status_code for answer in answers[39:]} == {200}
    assert settled.json()["state"] == "not_done"
    held = next(row for row in metrics.splitlines() if row.startswith("registry_writes_held_total"))
    assert float(held.split()[1]) >= 39


async def test_it_ends_in_time_and_tells_whom_it_could_not_answer(
    process: Any, line: Any, token: Callable[..., str]
) -> None:
    async with httpx.AsyncClient(base_url=process.url, timeout=30) as http:
        assert (await http.post(**_beat(token, 0))).status_code == 201
        line.cut()
        waiting = [asyncio.create_task(http.post(**_beat(token, n))) for n in range(1, 6)]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*waiting)
        code = await asyncio.to_thread(process.wait, 30)
        took_s = time.monotonic() - began

    assert {answer.status_code for answer in answers} == {503}
    assert code == 0
    assert took_s < 20, "and not the 45 s for which the writes would be held"
    logged = [json.loads(row) for row in process.log.read_text().splitlines()]
    assert {row["service"] for row in logged} == {"api"}
    assert logged[-1]["event"] == "api_ended"


async def test_an_idle_process_ends_at_once(process: Any) -> None:
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 20) == 0


def test_a_process_nobody_knows_is_wrong_use() -> None:
    ended = subprocess.run([sys.executable, "-m", "core", "nothing"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
