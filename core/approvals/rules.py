"""Four eyes: who may propose, who may decide, and that these are two people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from core.refusals import Reason, Refused

MAKER = "maker"
CHECKER = "checker"
OPERATOR = "operator"
BANK_ROLE = "bank"
PROBE = "probe"
AUDITOR = "auditor"
HOLDER = "holder"
"""Somebody of a subject: may do for an account what the account's list of operators says."""
AUTHORITY_MAKER = "authority_maker"
AUTHORITY_CHECKER = "authority_checker"
"""People of the environment ministry, or of one province when the token names it."""

AWAITING = "AWAITING_APPROVAL"
APPROVED = "APPROVED"
REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the token says."""

    name: str
    roles: frozenset[str]
    province: str | None = None
    """Two digits by GB/T 2260 for somebody of a province's authority; None for everybody else."""


@dataclass(frozen=True, slots=True)
class Task:
    """A proposal and what became of it."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    state: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    outcome: Mapping[str, Any] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The task as callers read it: what was proposed, overlaid by what came out."""
        about = {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "proposed_by": self.proposed_by,
            "decided_by": self.decided_by,
            "outcome": dict(self.outcome) if self.outcome is not None else None,
        }
        return {**self.payload, **(self.outcome or {}), **about}


def refuse_unless(caller: Caller, *roles: str) -> Refused | None:
    """Refuse a caller who has none of the roles."""
    if caller.roles.intersection(roles):
        return None
    return Refused(Reason.NOT_PERMITTED, f"Needs the role {' or '.join(roles)}.")


def refuse_decision(task: Task | None, caller: Caller) -> Refused | None:
    """Refuse to let the caller decide the task, for the first reason there is."""
    refused = refuse_unless(caller, CHECKER)
    if refused is not None:
        return refused
    if task is None:
        return Refused(Reason.TASK_UNKNOWN)
    if task.proposed_by == caller.name:
        return Refused(Reason.SAME_PERSON)
    if task.state != AWAITING:
        return Refused(Reason.TASK_DECIDED, f"It is {task.state}.")
    return None


def is_plain_text(value: object, longest: int = 200) -> TypeGuard[str]:
    """Tell whether this is a short text that can be stored and printed: no control characters, not blank."""
    if not isinstance(value, str) or len(value) > longest:
        return False
    return bool(value.strip()) and value.replace("\u3000", " ").isprintable()  # a full-width space is ordinary here
