"""Reads the rules of a market day, and has them changed by two people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.calendar import Calendar
from core.clock.rules import market_day, market_time
from core.paging import page
from core.parameters import rules, store
from core.parameters.changes import (
    Known,
    Proposal,
    body_of,
    judge,
    newest_of,
    proposal_of,
    read_proposal,
    vintages_capped,
)
from core.parameters.rules import MarketRules, Parameter, exceptions_of
from core.parameters.store import Decided
from core.quantities import Vintage
from core.refusals import Answer, Refused
from core.units import store as units

KIND = "set_parameter"


def market_rules(connection: Connection, day: date) -> MarketRules:
    """Return the rules of a day; read them once per day or batch, not per trade."""
    return rules.market_rules(store.in_force(connection, day), day, clock.calendar(connection))


def cap_of(connection: Connection, vintage: Vintage, day: date) -> int | None:
    """Return how many tonnes of a vintage may be issued in all, as decided for a day; None: no cap was set."""
    found = store.value(connection, "cap", vintage.product, day)
    return None if found is None else found["tonnes"]


def may_issue(connection: Connection, vintage: Vintage, day: date) -> bool:
    """Tell whether anything of a vintage may be issued on a day."""
    found = store.value(connection, "vintage", vintage.product, day)
    return found is not None and bool(found["open"])


def sectors(connection: Connection, day: date) -> frozenset[str]:
    """Return the sectors whose firms take part on a day."""
    return frozenset(market_rules(connection, day).sectors)


def hold(connection: Connection) -> None:
    """Let nobody decide a change until this transaction ends: for who opens a day, before reading its rules."""
    store.frozen(connection, hold=True)


def freeze(connection: Connection, day: date) -> None:
    """Fix the rules of a day, whose opening data are sent with this transaction."""
    store.freeze(connection, day)


def read_checked(connection: Connection, body: Mapping[str, Any]) -> tuple[Proposal, Known] | Refused:
    """Read what somebody wants to change, and judge it against what is decided by now."""
    versions = store.versions(connection)
    proposal = read_proposal(body, newest_of(versions))
    if isinstance(proposal, Refused):
        return proposal
    known = _known(connection, versions, proposal)
    return judge(proposal, known) or (proposal, known)


def _known(connection: Connection, versions: list[Parameter], proposal: Proposal) -> Known:
    issued = {vintage.product: units.issued(connection, vintage) for vintage in vintages_capped(proposal)}
    today = market_day(clock.now(connection))
    return Known(versions, today, store.frozen(connection), issued)


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose changes; nothing is in force before a second person approves, and then from its day on."""
    checked = refuse_unless(caller, MAKER) or read_checked(connection, body)
    if isinstance(checked, Refused):
        return checked
    proposal, _ = checked
    subject = ", ".join(f"{change.kind} {change.name}" for change in proposal.changes[:3])
    return approvals.propose(connection, caller, kind=KIND, payload=proposal.body, subject=subject)


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    proposal = proposal_of(task.payload)
    hold(connection)  # a day that is being opened, and another decision, come first or wait
    refused = judge(proposal, _known(connection, store.versions(connection), proposal))
    if refused is not None:
        return refused
    now = clock.now(connection)
    people = {"proposed_by": task.proposed_by, "decided_by": caller.name, "decided_at": now, "task": task.id}
    store.insert(connection, [Decided(**(asdict(change) | people)) for change in proposal.changes])
    outcome = {"in_force": [body_of(change) for change in proposal.changes]}
    audit.record(connection, caller=caller.name, action=KIND, subject=task.id, detail=outcome)
    return outcome


EXECUTORS: Mapping[str, approvals.Executor] = {KIND: _execute}


def rules_with(known: Known, proposal: Proposal, day: date) -> tuple[MarketRules, MarketRules]:
    """Return a day's rules as they are, and as they would be with the proposal."""
    after = [*known.versions, *proposal.changes]
    return tuple(  # type: ignore[return-value]  # two in, two out
        rules.market_rules(versions, day, Calendar(exceptions_of(versions))) for versions in (known.versions, after)
    )


def list_versions(
    connection: Connection, *, kind: str | None, day: date | None, after: tuple[str, str, int], limit: int
) -> dict[str, Any]:
    """List all versions, or those in force on a day, with who decided them."""
    on = day or market_day(clock.now(connection))
    current = {(one.kind, one.name, one.version) for one in store.in_force(connection, on)}
    listed = store.history(connection, kind=kind, day=day, after=after, limit=limit + 1)
    found, more = page(listed, limit, lambda one: f"{one.kind}:{one.name}:{one.version}")
    return {
        "day": on.isoformat(),
        "parameters": [shown(one) | {"in_force": (one.kind, one.name, one.version) in current} for one in found],
        "next": more,
    }


def shown(one: Decided) -> dict[str, Any]:
    """Write a version with its people as callers read it."""
    return asdict(one) | {
        "effective_from": one.effective_from.isoformat(),
        "decided_at": market_time(one.decided_at).isoformat(),
    }
