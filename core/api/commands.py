"""What a write is to the queue, and which service carries out which kind of approved task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.allocation import service as allocation
from core.approvals import service as approvals
from core.authority import service as authority
from core.callers import Caller
from core.carryover import service as carryover
from core.emissions import service as emissions
from core.encumbrance import endings as encumbrance_endings
from core.encumbrance import service as encumbrance
from core.ledger.rules import Place
from core.offset import service as offset
from core.ownership import cancellations, successions
from core.parameters import service as parameters
from core.reconciliation import closing
from core.refusals import Answer, Refused
from core.surrender import service as surrender
from core.transfers import proposals as transfer_proposals
from core.trust import service as trust

Body = Mapping[str, Any]
Service = Callable[[Connection, Caller, Body], Answer | Refused]
GroupService = Callable[[Connection, Sequence[tuple[Caller, Body]]], Sequence[Answer | Refused]]

EXECUTORS: Mapping[str, approvals.Executor] = {
    **accounts.EXECUTORS,
    **allocation.EXECUTORS,
    **surrender.EXECUTORS,
    **emissions.EXECUTORS,
    **offset.EXECUTORS,
    **carryover.EXECUTORS,
    **authority.EXECUTORS,
    **closing.EXECUTORS,
    **trust.EXECUTORS,
    **parameters.EXECUTORS,
    **transfer_proposals.EXECUTORS,
    **encumbrance.EXECUTORS,
    **encumbrance_endings.EXECUTORS,
    **cancellations.EXECUTORS,
    **successions.EXECUTORS,
}
UNDOERS: Mapping[str, approvals.Executor] = {
    **accounts.UNDOERS,
    **allocation.UNDOERS,
    **surrender.UNDOERS,
    **offset.UNDOERS,
    **carryover.UNDOERS,
    **closing.UNDOERS,
    **encumbrance.UNDOERS,
    **cancellations.UNDOERS,
}


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
