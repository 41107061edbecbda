"""What a write is to the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from core.callers import Caller
from core.ledger.rules import Place
from core.refusals import Answer, Refused

Body = Mapping[str, Any]
Service = Callable[[Connection, Caller, Body], Answer | Refused]
GroupService = Callable[[Connection, Sequence[tuple[Caller, Body]]], Sequence[Answer | Refused]]


def _no_places(_body: Body) -> Sequence[Place]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """One kind of write; each is a constant beside its route."""

    run: Service
    run_all: GroupService | None = None
    """Carries out many at once, to the same end as one by one; the queue then writes them as one."""
    places: Callable[[Body], Sequence[Place]] = _no_places
    alone: bool = False
    """It books balances that its body does not name, or very many."""
