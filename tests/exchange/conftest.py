"""A whole link in small: a real exchange simulator, real intakes, and two cables that can be cut."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from core.accounts.rules import number_of
from deploy.ports import free_port

DAY = "2021-07-16"
PREVIOUS_CLOSE = 4800
PRODUCT = "CEA-2019"
ROOT = Path(__file__).parents[2]
BUYER, SELLER, THIRD = (number_of("E", "42", serial) for serial in (1001, 1002, 1003))


def wait_until(check: Callable[[], Any], what: str, within_s: float = 20.0) -> Any:
    """Return the first truthy answer of ``check``."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.03)
    raise AssertionError(f"{what}: still not so after {within_s:g} s")


class Cable:
    """A line as TCP through a proxy of our own; cut, it closes what runs and refuses what comes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self.port = free_port("127.0.0.1")
        self._server: socket.socket | None = None
        self._over = False
        self.heal()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        with self._lock:
            if self._server is not None:
                self._selector.unregister(self._server)
                self._server.close()
                self._server = None
            for one in list(self._pairs):
                self._close(one)

    def heal(self) -> None:
        with self._lock:
            self._server = socket.create_server(("127.0.0.1", self.port))
            self._selector.register(self._server, selectors.EVENT_READ)

    def end(self) -> None:
        self.cut()
        self._over = True
        self._thread.join(5)
        self._selector.close()

    def _run(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    self._serve(key.fileobj)

    def _serve(self, ready: Any) -> None:
        if ready is self._server:
            near, _ = ready.accept()
            far = socket.create_connection(self._target)
            self._pairs[near], self._pairs[far] = far, near
            for one in (near, far):
                self._selector.register(one, selectors.EVENT_READ)
        elif ready in self._pairs:
            try:
                data = ready.recv(1 << 16)
                self._pairs[ready].sendall(data)
            except OSError:
                data = b""
            if not data:
                self._close(ready)

    def _close(self, one: socket.socket) -> None:
        other = self._pairs.pop(one, None)
        if other is None:
            return
        self._pairs.pop(other, None)
        for each in (one, other):
            with suppress(KeyError, ValueError):
                self._selector.unregister(each)
            each.close()


@dataclass
class Exchange:
    """The running simulator."""

    gateways: dict[str, int]
    control: httpx.Client
    files: httpx.Client
    journal: Path

    def open_day(self, day: str = DAY) -> None:
        message = {"day": day, "version": 1, "previous_close_fen": {PRODUCT: PREVIOUS_CLOSE}, "positions": [],
                   "totals": {}, "hash": ""}  # fmt: skip
        assert self.files.post("/v1/opening-data", json=message).json()["accepted"]

    def load(self, trades: list[dict[str, Any]], rate_per_s: float | None = None, day: str = DAY) -> dict[str, Any]:
        self.open_day(day)
        return self.do("day", day=day, rate_per_s=rate_per_s, trades=trades)

    def do(self, what: str, **values: Any) -> dict[str, Any]:
        answer = self.control.post(f"/sim/{what}", json=values)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.control.get("/sim/status").json()
        return found


def simulator_environment(folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Build the environment of an exchange on free ports; return it with the ports."""
    ports = {name: free_port("127.0.0.1") for name in ("gateway_a", "gateway_b", "files_a", "files_b", "control")}
    environment = {f"REGISTRY_SIM_{name.upper()}": f"127.0.0.1:{port}" for name, port in ports.items()}
    return os.environ | environment | {"REGISTRY_SIM_STATE": str(folder / "exchange.jsonl")}, ports


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """An exchange of the test's own."""
    environment, ports = simulator_environment(tmp_path)
    command = [sys.executable, "-m", "chaos.simulators", "exchange"]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    control = httpx.Client(base_url=f"http://127.0.0.1:{ports['control']}", timeout=20)
    files = httpx.Client(base_url=f"http://127.0.0.1:{ports['files_b']}", timeout=20)

    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return control.get("/sim/status").status_code == 200
        return False

    try:
        wait_until(answers, "the exchange answers")
        yield Exchange({"A": ports["gateway_a"], "B": ports["gateway_b"]}, control, files, tmp_path / "exchange.jsonl")
    finally:
        control.close()
        files.close()
        process.terminate()
        process.wait(10)


@dataclass
class Registry:
    """The registry's side: its database, its cables, and the intakes a test starts."""

    dsn: str
    cables: dict[str, Cable]
    buyer: str = BUYER
    seller: str = SELLER
    not_open: str = THIRD
    intakes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    metrics: list[int] = field(default_factory=list)

    wait_until = staticmethod(wait_until)

    def start_intake(self) -> subprocess.Popen[bytes]:
        port = free_port("127.0.0.1")
        lines = {name: {"fix": cable.address, "files": "http://127.0.0.1:1"} for name, cable in self.cables.items()}
        environment = os.environ | {
            "REGISTRY_DSN": self.dsn,
            "REGISTRY_LINES": json.dumps(lines),
            "REGISTRY_METRICS_LISTEN": f"127.0.0.1:{port}",
        }
        command = [sys.executable, "-c", "from core.exchange.intake import main; main()"]
        intake = subprocess.Popen(
            command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.intakes.append(intake)
        self.metrics.append(port)
        return intake

    def metric(self, name: str, intake: int = 0) -> float:
        """Read one metric, labels written as Prometheus does; 0 while the intake does not show it yet."""
        text = ""
        with suppress(httpx.ConnectError):
            text = httpx.get(f"http://127.0.0.1:{self.metrics[intake]}/metrics").text
        found = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def shows(self, name: str, *, intake: int) -> bool:
        """Tell whether an intake has come so far as to show a metric with labels."""
        with suppress(httpx.ConnectError):
            return f"\n{name}{{" in httpx.get(f"http://127.0.0.1:{self.metrics[intake]}/metrics").text
        return False

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[call-overload, no-any-return]

    def tell(self, statement: str) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def booked(self) -> int:
        return int(self.ask("SELECT count(*) FROM trade")[0][0])

    def watermark(self) -> int:
        found = self.ask("SELECT next_seq - 1 FROM intake")
        return int(found[0][0]) if found else 0

    def marker(self) -> dict[str, Any] | None:
        found = self.ask("SELECT marker FROM intake")
        return found[0][0] if found else None

    def end(self) -> None:
        for intake in self.intakes:
            with suppress(ProcessLookupError):
                intake.send_signal(signal.SIGTERM)
        for intake in self.intakes:
            intake.wait(10)
        for cable in self.cables.values():
            cable.end()


SET_UP = f"""
INSERT INTO account (number, name, state) VALUES
    ('{BUYER}', 'Buyer', 'OPEN'), ('{SELLER}', 'Seller', 'OPEN'), ('{THIRD}', 'Third', 'APPLIED');
INSERT INTO market_day (day, state, cumulative_t, cumulative_fen) VALUES ('{DAY}', 'OPENING_ACKED', 0, 0);
INSERT INTO market_day_product (day, product, previous_close_fen) VALUES ('{DAY}', '{PRODUCT}', {PREVIOUS_CLOSE});
"""  # noqa: S608  # constants of this file


@pytest.fixture
def registry(dsn: str, exchange: Exchange) -> Iterator[Registry]:
    """A registry with two accounts and an acknowledged day; no intake runs yet."""
    cables = {name: Cable(("127.0.0.1", port)) for name, port in exchange.gateways.items()}
    built = Registry(dsn, cables)
    built.tell(SET_UP)
    yield built
    built.end()


@pytest.fixture
def trades() -> Callable[..., list[dict[str, Any]]]:
    """Makes legal trades; keywords change all of them."""

    def make(count: int, **changes: Any) -> list[dict[str, Any]]:
        return [
            {"trade_id": f"T{n:06d}", "mode": "listed", "product": PRODUCT, "buyer": BUYER, "seller": SELLER,
             "quantity": 10 + n % 7, "price_fen": 4800 + n % 100,
             "executed_at": f"{DAY}T01:{30 + n % 30:02d}:{n % 60:02d}.{n % 1000:03d}Z"} | changes
            for n in range(1, count + 1)
        ]  # fmt: skip

    return make
