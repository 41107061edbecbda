"""Four eyes: who may propose, who may decide, and that these are two people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.callers import AUTHORITY_CHECKER, AUTHORITY_MAKER, CHECKER, HOLDER, MAKER, Caller, refuse_unless
from core.clock.calendar import is_trading_day
from core.clock.rules import market_time, shown
from core.clock.working_days import Trades, on_working_day_after
from core.refusals import Reason, Refused

AWAITING = "AWAITING_APPROVAL"
DELAYED = "DELAYED"
APPROVED = "APPROVED"
REJECTED = "REJECTED"
EXPIRED = "EXPIRED"
WITHDRAWN = "WITHDRAWN"
CANCELLED = "CANCELLED"
TERMINATED = "TERMINATED"
STATES = (AWAITING, DELAYED, APPROVED, REJECTED, EXPIRED, WITHDRAWN, CANCELLED, TERMINATED)

EITHER = f"{CHECKER} or {AUTHORITY_CHECKER}"
"""Decided by the registry's people, or by the authority that answers for the accounts: whoever comes first."""

PROPOSERS = (MAKER, HOLDER, AUTHORITY_MAKER)
DECIDERS = (CHECKER, HOLDER, AUTHORITY_CHECKER)

VALID_DAYS = 10
"""Working days for which a proposal can be approved, unless who proposes it says otherwise."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person said to a proposal: approve, reject, cancel, withdraw."""

    by: str
    at: datetime
    verdict: str


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
    accounts: Sequence[str] = ()
    """Account numbers concerned."""
    acted_for: str | None = None
    """The one of them whose people may look at the task; a plan for many accounts is nobody's of them."""
    decides: str = CHECKER
    """The role whose people decide. HOLDER: checkers of the account acted for, or the registry's."""
    reviews: int = 1
    """How many people besides the proposer must approve."""
    not_before: datetime | None = None
    expires_at: datetime | None = None
    ordinal: int = 0
    decisions: Sequence[Decision] = ()

    @property
    def approvers(self) -> frozenset[str]:
        """Who has approved so far."""
        return frozenset(decision.by for decision in self.decisions if decision.verdict == "approve")

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
            "approval": self._approval,
        }
        return {**self.payload, **(self.outcome or {}), **about}

    @property
    def _approval(self) -> dict[str, Any]:
        return {
            "accounts": list(self.accounts),
            "decides": self.decides,
            "reviews": self.reviews,
            "proposed_at": shown(self.proposed_at),
            "not_before": shown(self.not_before),
            "expires_at": shown(self.expires_at),
            "decisions": [{"by": d.by, "at": shown(d.at), "verdict": d.verdict} for d in self.decisions],
        }


def expiry_of(proposed_at: datetime, trades: Trades = is_trading_day, *, days: int = VALID_DAYS) -> datetime:
    """Tell until when a proposal can be approved that is valid for so many working days."""
    return on_working_day_after(proposed_at, days, market_time(proposed_at).time(), trades)


def approvable(
    task: Task | None, caller: Caller, *, now: datetime, provinces: Collection[str] = (), as_holder: bool = False
) -> Task | Refused:
    """Return a task that the caller may approve, else the first reason why not.

    ``provinces`` answer for the task's accounts; ``as_holder``: the caller is a checker of the account acted for.
    """
    found = _decidable(task, caller, provinces=provinces, as_holder=as_holder)
    return found if isinstance(found, Refused) else _refuse_time(found, caller, now) or found


def rejectable(
    task: Task | None, caller: Caller, *, provinces: Collection[str] = (), as_holder: bool = False
) -> Task | Refused:
    """Return a task that the caller may turn down, or stop while it is delayed."""
    found = _decidable(task, caller, provinces=provinces, as_holder=as_holder)
    return found if isinstance(found, Refused) else _refuse_end(found) or found


def withdrawable(task: Task | None, caller: Caller) -> Task | Refused:
    """Return a task that the caller may take back: only its proposer may, until it is carried out."""
    if task is None:
        return Refused(Reason.TASK_UNKNOWN)
    if task.proposed_by != caller.name:
        return Refused(Reason.NOT_PERMITTED, "Only the proposer withdraws a proposal.")
    return _refuse_end(task) or task


def _decidable(task: Task | None, caller: Caller, *, provinces: Collection[str], as_holder: bool) -> Task | Refused:
    """Return a task whose people the caller is one of, and not its proposer."""
    refused = refuse_unless(caller, *DECIDERS)
    if refused is not None:
        return refused
    if task is None:
        return Refused(Reason.TASK_UNKNOWN)
    if not _decides(task, caller, provinces=provinces, as_holder=as_holder):
        whose = f" of province {' or '.join(sorted(provinces))}" if AUTHORITY_CHECKER in task.decides else ""
        return Refused(Reason.NOT_PERMITTED, f"Somebody with the role {task.decides}{whose} decides this.")
    if task.proposed_by == caller.name:
        return Refused(Reason.SAME_PERSON)
    return task


def _decides(task: Task, caller: Caller, *, provinces: Collection[str], as_holder: bool) -> bool:
    if task.decides == HOLDER:
        return as_holder or CHECKER in caller.roles
    if task.decides == EITHER and CHECKER in caller.roles:
        return True
    role = AUTHORITY_CHECKER if task.decides == EITHER else task.decides
    if role not in caller.roles:
        return False
    if role != AUTHORITY_CHECKER or caller.province is None:
        return True
    return bool(task.accounts) and set(provinces) == {caller.province}


def _refuse_end(task: Task) -> Refused | None:
    return Refused(Reason.TASK_DECIDED, f"It is {task.state}.") if task.state not in (AWAITING, DELAYED) else None


def _refuse_time(task: Task, caller: Caller, now: datetime) -> Refused | None:
    if task.state != AWAITING:
        return Refused(Reason.TASK_DECIDED, f"It is {task.state}.")
    if task.expires_at is not None and now >= task.expires_at:
        return Refused(Reason.TASK_EXPIRED, f"It was valid until {shown(task.expires_at)}.")
    if caller.name in task.approvers:
        return Refused(Reason.SAME_REVIEWER)
    return None
