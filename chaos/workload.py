"""Seeded clients that use the registry as its downstream does, in a small world of accounts of their own."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from chaos.callers import Caller
from chaos.history import History
from chaos.observe import observe
from chaos.telemetry import REQUESTS
from ha.client import Answer, RegistryClient

T = TypeVar("T")

MAKER, CHECKER = "drill-maker", "drill-checker"
"""The two people of the world; the proposer of a task is never its approver."""

DRAIN_S = 65.0
"""How long outstanding requests may take after the stop: a client's 60 s, and some air."""


class WorldNotPreparedError(Exception):
    """The registry did not give the workload its accounts and allowances: nothing can be drilled."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much the clients ask for. Modest by default: a two-core machine runs the whole cluster beside them."""

    writers: int = 12
    readers: int = 6
    writes_per_s: float = 40.0
    reads_per_s: float = 40.0
    opening_share: float = 0.12
    """Writes that open an account; half of them are approved by the next write."""
    refusal_share: float = 0.03
    """Transfers far above the holding: refused, and the judge looks that they stay so."""


@dataclass(frozen=True, slots=True)
class World:
    """The workload's own corner of the registry, made through the registry's own services."""

    run: str
    product: str
    tonnes: int
    """What each account was allocated."""
    accounts: tuple[str, ...]


@dataclass(slots=True)
class Progress:
    """Live figures for whoever watches; the history, not this, is the evidence."""

    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    reads: int = 0

    def count(self, answer: Answer | None, *, write: bool) -> None:
        """Add one answer."""
        REQUESTS.labels("unknown" if answer is None else "done" if answer.ok else "refused").inc()
        if answer is None:
            self.unknown += 1
        elif not answer.ok:
            self.refused += 1
        elif write:
            self.acknowledged += 1
        else:
            self.reads += 1


@dataclass(slots=True)
class _Shared:
    """What the clients know of each other's doings."""

    opened: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Workload:
    """Runs the clients on a thread of its own; the caller's thread is free for the fault.

    ``tokens`` gives a person's bearer token by name. Use it as a context manager: leaving stops and closes it.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str],
        tokens: Callable[[str], str],
        history: History,
        run: str,
        seed: int,
        pace: Pace | None = None,
        product: str = "CEA-2019",
    ) -> None:
        self.run, self.seed, self.product = run, seed, product
        self.pace = pace or Pace()
        self.progress = Progress()
        self.world: World | None = None
        self._history = history
        self._callers = [
            Caller(name, RegistryClient(addresses, lambda name=name: tokens(name)), history)  # type: ignore[misc]
            for name in (MAKER, CHECKER)
        ]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workload", daemon=True)
        self._shared = _Shared()
        self._running: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for caller in self._callers:
                self.call(caller.client.close(), within_s=10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def call(self, work: Coroutine[Any, Any, T], *, within_s: float) -> T:
        """Run a coroutine on the clients' loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within_s)

    def prepare(self, *, accounts: int = 8, tonnes: int = 100_000) -> World:
        """Open the world's accounts and allocate their allowances; WorldNotPreparedError when it is refused."""
        maker, checker = self._callers
        self.world = self.call(
            _prepare(maker, checker, run=self.run, product=self.product, accounts=accounts, tonnes=tonnes),
            within_s=300,
        )
        return self.world

    def start(self) -> None:
        """Let the clients begin."""
        if self.world is None:
            raise WorldNotPreparedError("prepare() comes first")
        self._history.note("drill", "info", "workload-start", {"pace": repr(self.pace)})
        self.call(self._start(self.world), within_s=10)

    def stop(self) -> None:
        """Send nothing more, wait for the answers still due, and note the end."""
        if self._running:
            self.call(self._stop(), within_s=DRAIN_S)
            self._running = []
            self._history.note("drill", "info", "workload-stop")

    def observe(self) -> None:
        """Read the final state back into the history, as the world's own people."""
        if self.world is None:
            raise WorldNotPreparedError("prepare() comes first")
        maker, checker = self._callers
        self.call(observe(self.run, self.world.accounts, maker, checker), within_s=300)

    def flowed(self, writes: int, *, within_s: float) -> bool:
        """Wait until that many more writes were acknowledged; False when time runs out."""
        goal, deadline = self.progress.acknowledged + writes, time.monotonic() + within_s
        while self.progress.acknowledged < goal:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    async def _start(self, world: World) -> None:
        pace = self.pace
        writers = [
            self._client(f"writer-{n}", world, _Writer, pace.writers / pace.writes_per_s) for n in range(pace.writers)
        ]
        readers = [
            self._client(f"reader-{n}", world, _Reader, pace.readers / pace.reads_per_s) for n in range(pace.readers)
        ]
        self._running = [asyncio.create_task(client) for client in writers + readers]

    async def _client(self, process: str, world: World, kind: type[_Client], interval_s: float) -> None:
        client = kind(process, world, self)
        dice = client.dice
        await asyncio.sleep(dice.random() * interval_s)
        while not self._shared.stop.is_set():
            begun = time.monotonic()
            await client.step()
            # A client that was held does not make up for it: nobody's accountant does either.
            rest_s = interval_s * (0.5 + dice.random()) - (time.monotonic() - begun)
            if rest_s > 0:
                await asyncio.sleep(rest_s)

    async def _stop(self) -> None:
        self._shared.stop.set()
        for result in await asyncio.gather(*self._running, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result


class _Client(ABC):
    """One client: one question at a time, chosen by dice of its own."""

    def __init__(self, process: str, world: World, workload: Workload) -> None:
        self.process, self.world = process, world
        self.workload, self.shared = workload, workload._shared  # noqa: SLF001  # two halves of one thing
        self.maker, self.checker = workload._callers  # noqa: SLF001
        self.dice = random.Random(f"{workload.seed}/{process}")  # noqa: S311  # repeatable, not secret
        self.count = 0

    @abstractmethod
    async def step(self) -> None:
        """Ask one question."""

    def next_key(self) -> str:
        self.count += 1
        return f"{self.world.run}.{self.process}.{self.count}"


class _Writer(_Client):
    """Transfers allowances within the world, opens accounts, approves some of them."""

    task: tuple[str, str] | None = None

    async def step(self) -> None:
        pace, draw = self.workload.pace, self.dice.random()
        if self.task is not None:
            answer = await self._approve(*self.task)
        elif draw < pace.opening_share:
            answer = await self._open()
        else:
            answer = await self._transfer(refused=draw > 1 - pace.refusal_share)
        self.workload.progress.count(answer, write=True)

    async def _transfer(self, *, refused: bool) -> Answer | None:
        giver, taker = self.dice.sample(self.world.accounts, 2)
        amount = self.dice.randint(1, 9)
        if refused:
            amount += self.world.tonnes * len(self.world.accounts)
        value = {"from": giver, "to": taker, "asset": self.world.product, "amount": amount}
        body = {"from_account": giver, "to_account": taker, "asset": self.world.product, "amount": amount}
        return await self.maker.write(self.process, "transfer", value, "/v1/transfers", body, key=self.next_key())

    async def _open(self) -> Answer | None:
        key = self.next_key()
        body = {"name": key, "kind": "E", "province": "42"}
        answer = await self.maker.write(self.process, "open", {"name": key}, "/v1/accounts", body, key=key)
        if answer is not None and answer.ok:
            number = answer.body["account"]["number"]
            self.shared.opened.append(number)
            if self.dice.random() < 0.5:
                self.task = (answer.body["id"], number)
        return answer

    async def _approve(self, task: str, number: str) -> Answer | None:
        self.task = None
        value = {"task": task, "account": number}
        path = f"/v1/tasks/{task}/approve"
        return await self.checker.write(self.process, "approve", value, path, {}, key=self.next_key())


class _Reader(_Client):
    """Reads holdings of the world, and accounts that were just opened: an acknowledged one must be there."""

    async def step(self) -> None:
        if self.shared.opened and self.dice.random() < 0.3:
            number = self.dice.choice(self.shared.opened)
            answer = await self.maker.read(self.process, "read-account", {"account": number}, f"/v1/accounts/{number}")
        else:
            number = self.dice.choice(self.world.accounts)
            path = f"/v1/accounts/{number}/holdings"
            answer = await self.maker.read(self.process, "read-holdings", {"account": number}, path)
        self.workload.progress.count(answer, write=False)


async def _prepare(maker: Caller, checker: Caller, *, run: str, product: str, accounts: int, tonnes: int) -> World:
    opened = await _proposed_and_approved(
        maker,
        checker,
        "open-world",
        "/v1/account-batches",
        {"accounts": [{"name": f"{run}.world.{n}", "kind": "E", "province": "42"} for n in range(accounts)]},
        key=f"{run}.world-accounts",
    )
    numbers = tuple(entry["number"] for entry in opened["accounts"])
    lines = [{"account": number, "tonnes": tonnes} for number in numbers]
    plan = {"product": product, "plan": run, "lines": lines}
    await _proposed_and_approved(maker, checker, "allocate-world", "/v1/allocations", plan, key=f"{run}.world-plan")
    maker.history.note(
        "drill", "info", "world", {"run": run, "product": product, "tonnes": tonnes, "accounts": list(numbers)}
    )
    return World(run, product, tonnes, numbers)


async def _proposed_and_approved(maker: Caller, checker: Caller, f: str, path: str, body: Any, *, key: str) -> Any:
    proposed = _carried_out(await maker.write("setup", f, {"key": key}, path, body, key=key), f)
    approve = f"/v1/tasks/{proposed['id']}/approve"
    value = {"task": proposed["id"]}
    _carried_out(
        await checker.write("setup", "approve-world", value, approve, {}, key=f"{key}.approve"), f"approval of {f}"
    )
    return proposed


def _carried_out(answer: Answer | None, what: str) -> Any:
    if answer is None or not answer.ok:
        said = "no definite answer" if answer is None else f"{answer.status} {answer.body}"
        raise WorldNotPreparedError(f"{what}: {said}")
    return answer.body
