"""Two API processes on one database, as drills meet them: by address and token; and a drill told as a history."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chaos.history import Event
from deploy.ports import free_port

ISSUER = "https://issuer.invalid"


@dataclass
class Apis:
    """The processes, where they answer, and whoever signs tokens."""

    tokens: Callable[[str], str]
    addresses: list[str] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()


@pytest.fixture
def apis(dsn: str, tmp_path: Path) -> Iterator[Apis]:
    """Two ready API processes."""
    key = Ed25519PrivateKey.generate()
    public = tmp_path / "issuer.pub.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def token(name: str) -> str:
        claims = {"sub": name, "roles": ["maker", "checker", "probe"], "iss": ISSUER, "exp": int(time.time()) + 3600}
        return jwt.encode(claims, key, algorithm="EdDSA")

    facts = {"DSN": dsn, "TOKEN_PUBLIC_KEY": str(public), "TOKEN_ISSUER": ISSUER, "PLAYGROUND": "true"}
    found = Apis(token)
    try:
        for n in range(2):
            listen = f"127.0.0.1:{free_port('127.0.0.1')}"
            environment = os.environ | {f"REGISTRY_{name}": value for name, value in facts.items()}
            with (tmp_path / f"api-{n}.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "core", "api"],
                    env=environment | {"REGISTRY_LISTEN": listen},
                    stdout=log,
                    stderr=log,
                )
            found.processes.append(process)
            found.addresses.append(f"http://{listen}")
        for n, address in enumerate(found.addresses):
            _wait_ready(address, tmp_path / f"api-{n}.log")
        yield found
    finally:
        for process in found.processes:
            process.kill()
            process.wait()


def _wait_ready(address: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/readyz", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{address} is not ready: {log.read_text()[-2000:]}")


S = 1_000_000_000
A, B = "E42-00001001-11", "E42-00001002-22"
OPENED = "E42-00001003-33"


class Story:
    """Builds a history line by line; time runs in tenths of a second."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 0

    def add(self, process: str, kind: Any, f: str, value: Any = None, *, key: str | None = None, **extra: Any) -> None:
        self.now += S // 20
        self.events.append(Event(process, kind, f, value, self.now, self.now / S, key, extra))

    def write(self, process: str, f: str, value: Any, key: str, body: Any, status: int = 201) -> None:
        self.add(process, "invoke", f, value, key=key)
        kind = "ok" if status < 300 else "fail"
        self.add(process, kind, f, value, key=key, status=status, body=body, retries=0)

    def transfer(self, n: int, amount: int = 1) -> None:
        value = {"from": A, "to": B, "asset": "CEA-2019", "amount": amount}
        self.write("writer-1", "transfer", value, f"r.writer-1.{n}", {"id": f"t{n}"})


def fault(story: Story, *, bit: bool = True) -> None:
    facts = {"kind": "node-power-off", "target": "main-1"}
    story.add("nemesis", "info", "kill", {"verb": "inject", "was_primary": True, **facts})
    story.add("nemesis", "info", "kill", {"verb": "wait_propagate", "bit": bit, **facts})


def with_an_open_question() -> Story:
    """A drill as it should be: 31 transfers, one account, one refusal, one unknown that was done after all."""
    story = Story()
    story.add("drill", "info", "run", {"name": "d", "seed": 7, "faults": ["kill"], "repeat": "registry drill run d"})
    story.add("drill", "info", "world", {"run": "r", "product": "CEA-2019", "tonnes": 1000, "accounts": [A, B]})
    story.add("drill", "info", "workload-start")
    for n in range(15):
        story.transfer(n)
    opened = {"id": "task", "account": {"number": OPENED}}
    story.write("writer-2", "open", {"name": "r.writer-2.1"}, "r.writer-2.1", opened, 202)
    story.write("writer-2", "approve", {"task": "task", "account": OPENED}, "r.writer-2.2", {"state": "APPROVED"}, 200)
    big = {"from": A, "to": B, "asset": "CEA-2019", "amount": 5000}
    story.write("writer-2", "transfer", big, "r.writer-2.3", {"code": "3003"}, 422)
    fault(story)
    story.add("watcher", "info", "cluster", {"primary": "main-2", "roles": {"main-1": None}, "links": {}})
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": 2}
    story.add("writer-3", "invoke", "transfer", value, key="r.writer-3.1")
    story.now += 3 * S
    for n in range(15, 30):
        story.transfer(n)
    story.add("nemesis", "info", "kill", {"verb": "cleanup", "kind": "node-power-off", "target": "main-1"})
    story.add("watcher", "info", "cluster", {"primary": "main-2", "roles": {"main-1": "standby"}, "links": {}})
    story.transfer(30)
    story.add("drill", "info", "workload-stop")
    observed(story)
    return story


def observed(story: Story) -> None:
    moves = [(f"t{n}", 1) for n in range(31)] + [("t-late", 2)]
    listed = [
        {"id": i, "from_account": A, "to_account": B, "asset": "CEA-2019", "amount": amount, "type": "TRANSFER"}
        for i, amount in moves
    ]
    outcome = {"state": "done", "status": 201, "body": {"id": "t-late"}}
    story.add("observer", "ok", "request", outcome, key="r.writer-3.1")
    names = [(A, "r.world.0"), (B, "r.world.1"), (OPENED, "r.writer-2.1")]
    story.add("observer", "ok", "accounts", [{"number": n, "name": name, "state": "OPEN"} for n, name in names])
    for number, tonnes in ((A, 967), (B, 1033)):
        story.add("observer", "ok", "holdings", {"account": number, "assets": {"CEA-2019": tonnes}})
        story.add("observer", "ok", "transfers", {"account": number, "transfers": copy.deepcopy(listed)})
    on = {"fsync": "on", "full_page_writes": "on"}
    story.add("observer", "ok", "durability", {"node": "main-1", "needed": on, "found": dict(on)})
    story.add("observer", "ok", "complete")


@pytest.fixture
def told() -> Story:
    """A drill with one write whose answer the client never got; asked by its key, it was done."""
    return with_an_open_question()


@pytest.fixture
def story() -> Story:
    """The same, with the open request answered by the client's retries: the clean drill."""
    story = with_an_open_question()
    value = {"from": A, "to": B, "asset": "CEA-2019", "amount": 2}
    at = next(n for n, e in enumerate(story.events) if e.f == "workload-stop")
    late = Event("writer-3", "ok", "transfer", value, story.events[at].time, 0.0, "r.writer-3.1",
                 {"status": 201, "body": {"id": "t-late"}, "retries": 2})  # fmt: skip
    story.events.insert(at, late)
    return story
