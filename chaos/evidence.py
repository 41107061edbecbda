"""A history sorted into what a judge needs: questions with their answers, faults, final reads; and what became of each.

Pure, and independent of what is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chaos.history import Event


@dataclass(frozen=True, slots=True)
class Operation:
    """One question and what became of it; ``ended`` is None when no answer was ever noted."""

    process: str
    f: str
    value: Mapping[str, Any]
    key: str | None
    type: str
    begun: int
    ended: int | None
    status: int | None = None
    body: Any = None
    retries: int = 0

    @property
    def id(self) -> str:
        """The id that the answer named, empty when it named none."""
        return str(self.body.get("id", "")) if isinstance(self.body, Mapping) else ""

    @property
    def account(self) -> str:
        """The number of the account that the answer named, empty when it named none."""
        account = self.body.get("account") if isinstance(self.body, Mapping) else None
        return str(account.get("number", "")) if isinstance(account, Mapping) else ""


@dataclass(slots=True)
class Evidence:
    """A history, sorted into what the judge needs."""

    operations: list[Operation] = field(default_factory=list)
    run: Mapping[str, Any] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)
    begun: int | None = None
    ended: int | None = None
    faults: list[Event] = field(default_factory=list)
    watched: list[Event] = field(default_factory=list)
    blind: list[Event] = field(default_factory=list)
    steps: list[Mapping[str, Any]] = field(default_factory=list)
    next_opening: int | None = None
    complete: bool = False
    given_up: str | None = None
    experiments: list[Mapping[str, Any]] = field(default_factory=list)
    accounts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)
    holdings: dict[str, Mapping[str, int]] = field(default_factory=dict)
    transfers: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    outcomes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    durability: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def writes(self) -> list[Operation]:
        """The keyed questions."""
        return [operation for operation in self.operations if operation.key is not None]

    @property
    def traffic(self) -> list[Operation]:
        """The questions of the clients, without those that made the world."""
        return [operation for operation in self.operations if operation.process != "setup"]

    @property
    def acknowledged_at(self) -> list[int]:
        """When the clients' writes were acknowledged, in order."""
        return sorted(o.ended for o in self.traffic if o.key is not None and o.type == "ok" and o.ended is not None)


def sort_evidence(events: Sequence[Event]) -> Evidence:
    """Pair questions with answers and take the rest to its place."""
    found = Evidence()
    pending: dict[str, Event] = {}
    for event in events:
        if not event.of_client:
            _take_fact(found, event)
        elif event.type == "invoke":
            if event.process in pending:
                found.operations.append(_operation(pending[event.process], None))
            pending[event.process] = event
        else:
            begun = pending.pop(event.process, None)
            found.operations.append(_operation(begun or event, event))
    found.operations.extend(_operation(event, None) for event in pending.values())
    return found


def _operation(begun: Event, ended: Event | None) -> Operation:
    extra = ended.extra if ended else {}
    return Operation(
        process=begun.process,
        f=begun.f,
        value=begun.value,
        key=begun.key,
        type=_type(ended) if ended else "info",
        begun=begun.time,
        ended=ended.time if ended else None,
        status=extra.get("status"),
        body=extra.get("body"),
        retries=extra.get("retries", 0),
    )


def _type(ended: Event) -> str:
    """Believe the status before the word: whoever wrote the history may have misread the answer."""
    status = ended.extra.get("status")
    if status is not None and status >= 500:
        return "info"
    return "fail" if ended.type == "ok" and status is not None and status >= 300 else ended.type


def _take_fact(found: Evidence, event: Event) -> None:
    if event.process == "nemesis":
        found.faults.append(event)
    elif event.process == "watcher":
        (found.watched if event.f == "cluster" else found.blind).append(event)
    elif event.process == "observer":
        _take_observation(found, event)
    elif event.f == "given-up":
        found.given_up = str(event.value["error"])
    elif event.f == "experiment":
        found.experiments.append(event.value)
    elif event.f == "activity-ended":
        found.steps.append(event.value)
    else:
        _take_fact_of_run(found, event)


def _take_fact_of_run(found: Evidence, event: Event) -> None:
    if event.f == "run":
        found.run = event.value
    elif event.f == "world":
        found.world = event.value
    elif event.f == "workload-start":
        found.begun = event.time
    elif event.f == "workload-stop":
        found.ended = event.time
    elif event.f == "next-opening":
        found.next_opening = event.time


def _take_observation(found: Evidence, event: Event) -> None:
    if event.f == "request" and event.key is not None:
        found.outcomes[event.key] = event.value
    elif event.f == "accounts":
        for entry in event.value:
            found.accounts[entry["number"]] = entry
            found.names[entry["name"]] += 1
    elif event.f == "holdings":
        found.holdings[event.value["account"]] = event.value["assets"]
    elif event.f == "transfers":
        found.transfers[event.value["account"]] = event.value["transfers"]
    elif event.f == "durability":
        found.durability.append(event.value)
    elif event.f == "complete":
        found.complete = True


@dataclass(frozen=True, slots=True)
class Truth:
    """What must be there, what must not, and what nobody could find out."""

    done: list[Operation]
    not_done: list[Operation]
    unresolved: list[Operation]
    resolved: int


def settle(found: Evidence) -> Truth:
    """Decide for every write whether it was carried out; answers of GET /v1/requests settle the open ones."""
    truth = Truth([], [], [], sum(1 for o in found.writes if o.type == "info" and o.key in found.outcomes))
    for operation in found.writes:
        if operation.type == "ok":
            truth.done.append(operation)
        elif operation.type == "fail":
            truth.not_done.append(operation)
        else:
            _settle_open(operation, found.outcomes.get(operation.key or ""), truth)
    return truth


def _settle_open(operation: Operation, outcome: Mapping[str, Any] | None, truth: Truth) -> None:
    if outcome is None or outcome.get("state") not in {"done", "not_done"}:
        truth.unresolved.append(operation)
        return
    status = outcome.get("status") or 0
    if outcome["state"] == "not_done":
        truth.not_done.append(operation)
        return
    was_done = 200 <= status < 300
    kind = "ok" if was_done else "fail"
    answered = replace(operation, type=kind, ended=None, status=status, body=outcome.get("body"))
    (truth.done if was_done else truth.not_done).append(answered)
