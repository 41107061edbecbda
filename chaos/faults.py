"""Faults with six verbs, each read back, each bounded in time, each healing itself.

setup, inject, wait_propagate, recover, wait_recover, cleanup: the waits only look. A fault that cannot be seen to
bite raises, and its drill is invalid.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from chaos.toxics import FaultDidNotBiteError, Toxics

T = TypeVar("T")
Status = Mapping[str, Any]
Facts = dict[str, Any]
VERBS = ("setup", "inject", "wait_propagate", "recover", "wait_recover", "cleanup")

LINE_FALLS_WITHIN_S, LINE_RISES_WITHIN_S = 20.0, 60.0
"""The registry sees a closed socket at once; silence only after two heartbeats. It dials again with growing pauses."""
NODE_FALLS_WITHIN_S, NODE_RISES_WITHIN_S = 10.0, 120.0
"""SIGKILL takes a moment, seeing it another; coming back may mean pg_rewind and catching up."""

STANDBY = ("standby", "sync_standby")


class NotHealedError(Exception):
    """A fault was taken away and the system did not come back within its time."""


class Control(Protocol):
    """What a fault needs of the playground's runner; ``ha.control`` offers it."""

    def status(self) -> Status:
        """Return the published status."""

    def power_off(self, node: str, *, heal_after_s: float | None = None) -> Any:
        """Kill every process of a node; the runner powers it on again by itself after that time."""

    def power_on(self, node: str) -> Any:
        """Start the node again."""

    def heal_links(self, links: Sequence[str], *, after_s: float | None) -> Any:
        """Have the runner mend cut links after that time; None calls it off."""


Recorder = Callable[["Fault", str, Facts], None]
"""Told of each verb once it is over: the fault, the verb, what was read back."""


@dataclass(slots=True)
class FaultRecord:
    """What became of one fault: wall times of each verb, what was read back, and whether it bit and healed."""

    name: str
    kind: str
    target: str
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    read_back: dict[str, Facts] = field(default_factory=dict)
    bit: bool = False
    healed: bool = False
    error: str | None = None


class Fault(ABC):
    """One fault on one target. ``begin`` and ``end`` run three verbs each; ``applied`` runs all six."""

    kind: str
    name: str
    target: str

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.record = FaultRecord(self.name, self.kind, self.target)
        self._recorder = recorder
        self._begun = False

    def begin(self) -> FaultRecord:
        """Bring the fault and wait until it is seen; FaultDidNotBiteError when it is not."""
        self._begun = True
        self._verb("setup", self.setup)
        self._verb("inject", self.inject)
        self._verb("wait_propagate", self.wait_propagate, bit=True)
        self.record.bit = True
        return self.record

    def end(self) -> FaultRecord:
        """Take the fault away and wait until the system is whole; twice is no harm."""
        if not self._begun:
            return self.record
        self._verb("recover", self.recover)
        self._verb("wait_recover", self.wait_recover)
        self._verb("cleanup", self.cleanup)
        self._begun = False
        self.record.healed = True
        return self.record

    def _verb(self, verb: str, act: Callable[[], Facts], **facts: Any) -> None:
        begun = time.time()
        try:
            found = act()
        except Exception as error:
            self.record.error = f"{verb}: {error}"
            self._tell(verb, {"error": str(error), "bit": False} if verb == "wait_propagate" else {"error": str(error)})
            raise
        self.record.times[verb] = (begun, time.time())
        self.record.read_back[verb] = found
        self._tell(verb, {**found, **facts})

    def _tell(self, verb: str, found: Facts) -> None:
        if self._recorder is not None:
            self._recorder(self, verb, found)

    @abstractmethod
    def setup(self) -> Facts:
        """Look whether the target is there and whole."""

    @abstractmethod
    def inject(self) -> Facts:
        """Bring the fault."""

    @abstractmethod
    def wait_propagate(self) -> Facts:
        """Wait until the fault is seen."""

    @abstractmethod
    def recover(self) -> Facts:
        """Take the fault away."""

    @abstractmethod
    def wait_recover(self) -> Facts:
        """Wait until the system is whole again."""

    @abstractmethod
    def cleanup(self) -> Facts:
        """Leave nothing behind."""


@contextmanager
def applied(fault: Fault) -> Iterator[FaultRecord]:
    """Have the fault while inside; it is taken away on the way out, whatever happened."""
    try:
        yield fault.begin()
    finally:
        fault.end()


class LineCut(Fault):
    """One leased line to the exchange goes dead: its trade session and its file service."""

    kind = "line-cut"

    def __init__(
        self,
        line: str,
        *,
        toxics: Toxics,
        control: Control,
        heal_after_s: float = 120.0,
        recorder: Recorder | None = None,
    ) -> None:
        self.target = line.upper()
        self.name = f"cut-line-{line.lower()}"
        self._proxies = [f"line-{line.lower()}-fix", f"line-{line.lower()}-files"]
        self._toxics, self._control = toxics, control
        self._heal_after_s = heal_after_s
        super().__init__(recorder)

    def setup(self) -> Facts:
        """Look whether both proxies of the line are there."""
        missing = [name for name in self._proxies if name not in self._toxics.state()]
        if missing:
            raise FaultDidNotBiteError(f"there is no proxy {', '.join(missing)}")
        return {"link": link_state(self._control.status(), self.target)}

    def inject(self) -> Facts:
        """Cut both; the runner mends them in any case, also when we die here."""
        self._control.heal_links(self._proxies, after_s=self._heal_after_s)
        return {"proxies_up": self._toxics.down(self._proxies)}

    def wait_propagate(self) -> Facts:
        """Wait until the registry itself reports the line as not up."""
        return wait_until(
            lambda: _seen(link_state(self._control.status(), self.target), "link", lambda state: state != "up"),
            within_s=LINE_FALLS_WITHIN_S,
            what=f"line {self.target} is down",
            error=FaultDidNotBiteError,
        )

    def recover(self) -> Facts:
        """Let traffic through again."""
        return {"proxies_up": self._toxics.up(self._proxies)}

    def wait_recover(self) -> Facts:
        """Wait until the session on the line is logged on again."""
        return wait_until(
            lambda: _seen(link_state(self._control.status(), self.target), "link", lambda state: state == "up"),
            within_s=LINE_RISES_WITHIN_S,
            what=f"line {self.target} is up",
            error=NotHealedError,
        )

    def cleanup(self) -> Facts:
        """Call the runner's mending off."""
        self._control.heal_links(self._proxies, after_s=None)
        return {}


class NodePowerOff(Fault):
    """A whole node loses power: every process on it is killed at once. The runner brings it back in any case."""

    kind = "node-power-off"

    def __init__(
        self,
        node: str,
        *,
        control: Control,
        name: str | None = None,
        heal_after_s: float = 120.0,
        recorder: Recorder | None = None,
    ) -> None:
        self.target = node
        self.name = name or f"power-off-{node}"
        self._control, self._heal_after_s = control, heal_after_s
        self._was_primary = False
        super().__init__(recorder)

    def setup(self) -> Facts:
        """Look whether the node runs, and as what."""
        status = self._control.status()
        node = node_of(status, self.target)
        if node.get("state") != "running":
            raise FaultDidNotBiteError(f"node {self.target} is {node.get('state')}, not running")
        self._was_primary = node.get("role") == "primary"
        return {"role": node.get("role"), "pids": node.get("pids"), "timeline": node.get("timeline")}

    def inject(self) -> Facts:
        """Cut its power."""
        self._control.power_off(self.target, heal_after_s=self._heal_after_s)
        return {"was_primary": self._was_primary}

    def wait_propagate(self) -> Facts:
        """Wait until no process of it is left."""
        return wait_until(
            lambda: _seen(node_of(self._control.status(), self.target), "node", _is_down),
            within_s=NODE_FALLS_WITHIN_S,
            what=f"node {self.target} is down",
            error=FaultDidNotBiteError,
        )

    def wait_new_primary(self, *, within_s: float = 60.0) -> Facts:
        """Wait until another node is primary; only looks."""
        return wait_until(
            lambda: _seen(primary_of(self._control.status()), "primary", lambda name: name not in {None, self.target}),
            within_s=within_s,
            what="another node is primary",
            error=NotHealedError,
        )

    def recover(self) -> Facts:
        """Give it its power back."""
        self._control.power_on(self.target)
        return {}

    def wait_recover(self) -> Facts:
        """Wait until it runs as a standby (a witness: until it runs)."""
        return wait_until(
            lambda: _seen(node_of(self._control.status(), self.target), "node", _is_standby),
            within_s=NODE_RISES_WITHIN_S,
            what=f"node {self.target} is a running standby",
            error=NotHealedError,
        )

    def cleanup(self) -> Facts:
        """Nothing is left behind: the runner owns the processes."""
        return {}


def primary_of(status: Status) -> str | None:
    """Return the node that is primary, None while there is none."""
    return next((str(node["name"]) for node in status["nodes"] if node["role"] == "primary"), None)


def node_of(status: Status, name: str) -> Facts:
    """Return the status of one node; FaultDidNotBiteError when there is none of that name."""
    for node in status["nodes"]:
        if node["name"] == name:
            return dict(node)
    raise FaultDidNotBiteError(f"there is no node {name}")


def link_state(status: Status, line: str) -> str | None:
    """Return the state of one line."""
    return next((str(link["state"]) for link in status["links"] if link["name"] == line), None)


def wait_until(
    look: Callable[[], T | None], *, within_s: float, what: str, error: type[Exception], every_s: float = 0.25
) -> T:
    """Look until something is seen and return it; raise ``error`` with the sentence when time is up."""
    try:
        found = Retrying(
            retry=retry_if_result(lambda seen: not seen), stop=stop_after_delay(within_s), wait=wait_fixed(every_s)
        )(look)
    except RetryError as late:
        raise error(f"{what}: still not so after {within_s:g} s") from late
    if not found:
        raise AssertionError("tenacity returns what was seen, or raises")
    return found


def _seen(value: Any, name: str, wanted: Callable[[Any], bool]) -> Facts | None:
    return {name: value} if wanted(value) else None


def _is_down(node: Facts) -> bool:
    return node["state"] == "down" and not any(node.get("pids", {}).values())


def _is_standby(node: Facts) -> bool:
    return node["state"] == "running" and (node["role"] in STANDBY or node["role"] == "witness")
