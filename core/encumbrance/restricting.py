"""Restricts an account for a freeze of everything, and tells the exchange what a court froze while it trades."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.rules import EVERYTHING, OPEN, RESTRICTED
from core.accounts.states import service as states
from core.accounts.states.rules import Action, Change, Standing
from core.approvals.rules import Task
from core.callers import Caller
from core.encumbrance import store
from core.encumbrance.rules import IN_FORCE, Encumbrance
from core.outbox import store as outbox
from core.refusals import Refused


def widest(*said: str | None) -> str | None:
    """Return the restriction that covers all of these; None when there is none."""
    known = {one for one in said if one is not None}
    if not known:
        return None
    return known.pop() if len(known) == 1 else EVERYTHING


def restrict(connection: Connection, caller: Caller, one: Encumbrance, *, task: Task) -> dict[str, Any] | Refused:
    """Restrict the account as the court says, on top of what restricts it already; return what it goes back to."""
    account = accounts.find(connection, [one.account])[one.account]
    before = {"restriction": _for_other_reasons(connection, one, account.stopped)}
    wanted = widest(account.stopped, one.everything)
    if account.state not in {OPEN, RESTRICTED} or wanted == account.stopped:
        return before  # it is stopped as far already
    change = Change(one.account, Action.RESTRICT, _reason(one), wanted)
    done = states.enact(connection, change, proposed_by=task.proposed_by, decided_by=caller.name, task=task.id)
    return done if isinstance(done, Refused) else before


def lift(connection: Connection, caller: Caller, one: Encumbrance, *, task: Task | None) -> Refused | None:
    """Give the account back what no other freeze of everything takes from it."""
    account = accounts.find(connection, [one.account])[one.account]
    if account.state != RESTRICTED:
        return None
    others = [other.everything for other in _others(connection, one)]
    wanted = widest(_base(store.events(connection, one.number)), *others)
    if wanted == account.stopped:
        return None
    action = Action.UNRESTRICT if wanted is None else Action.RESTRICT
    change = Change(one.account, action, f"lifted: {_reason(one)}", wanted)
    proposer = task.proposed_by if task is not None else caller.name
    done = states.enact(
        connection, change, proposed_by=proposer, decided_by=caller.name, task=task.id if task is not None else None
    )
    return done if isinstance(done, Refused) else None


def _others(connection: Connection, one: Encumbrance) -> list[Encumbrance]:
    alive = store.alive(connection, one.account, lock=True)
    return [e for e in alive if e.everything is not None and e.number != one.number and e.state in IN_FORCE]


def _for_other_reasons(connection: Connection, one: Encumbrance, now: str | None) -> str | None:
    """Return what restricts the account besides courts: what the first of their freezes found."""
    others = _others(connection, one)
    return _base(store.events(connection, others[0].number)) if others else now


def _base(events: Sequence[dict[str, Any]]) -> str | None:
    before = next((event["detail"].get("before") for event in events if event["action"] == "REGISTERED"), None)
    return before["restriction"] if before else None


def _reason(one: Encumbrance) -> str:
    return f"{one.name}: {one.creditor} {one.document}"[:500]


def announce(connection: Connection, one: Encumbrance, *, day: date) -> None:
    """Tell the exchange that a freeze waits for what it has: that comes off the next opening data.

    What the account may do is said as it stands or is about to stand: this notice changes nothing of it.
    """
    account = accounts.find(connection, [one.account])[one.account]
    standing = Standing.of(account)
    if account.pending_state is not None:
        standing = Standing(account.pending_state, account.pending_restriction)
    payload = {
        "account": one.account,
        "effect": standing.effect,
        "from": day.isoformat(),
        "task": str(uuid4()),
        "freeze": {"number": one.name, "asset": one.asset, "waiting": one.waiting},
    }
    outbox.put(connection, states.NOTICE, one.name, payload)
