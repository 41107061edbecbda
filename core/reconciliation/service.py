"""Compares ledger and units, keeps and locates every difference, and stops the accounts concerned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from core.accounts.states import service as states
from core.audit import store as audit
from core.callers import OPERATOR, STAFF, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.paging import page
from core.reconciliation import store
from core.reconciliation.breaks import store as breaks
from core.reconciliation.breaks.store import Run
from core.reconciliation.locate import locate
from core.reconciliation.rules import (
    ACCOUNT,
    STATES,
    TOTAL,
    Break,
    Comparison,
    Finding,
    is_stoppable,
    why_stopped,
)
from core.refusals import Answer, Reason, Refused
from core.units.history import store as units_history


def run(connection: Connection, *, cause: str, asked_by: str, with_histories: bool = False) -> Run:
    """Compare the two accountings and keep what differs; whoever differs may neither give nor take from now on.

    While they agree nobody is held up. When they do not, all booking stops until this transaction ends, so that what is
    looked at stays as it is: totals first, then accounts, then the transfers and changes of hands of each.
    """
    compared = compare(connection, with_histories=with_histories)
    if compared.findings:
        store.stop(connection)
        compared = compare(connection, with_histories=with_histories)
    made = Run(
        number=breaks.take_run_number(connection),
        market_day=market_day(clock.now(connection)),
        cause=cause,
        asked_by=asked_by,
        histories=with_histories,
        holdings=compared.holdings,
        totals=compared.totals,
        breaks=len(compared.findings),
    )
    breaks.insert_run(connection, made)
    _keep(connection, made, compared.findings)
    if compared.findings:
        audit.record(
            connection,
            caller=asked_by,
            action="reconcile",
            subject=f"run {made.number}",
            detail={"breaks": made.breaks},
        )
    return made


def compare(connection: Connection, *, with_histories: bool) -> Comparison:
    """Compare totals and accounts; on request also everything that ever was booked with what is there now."""
    compared = store.compare(connection)
    if not with_histories:
        return compared
    known = {(found.account, found.asset) for found in compared.findings}
    more = [_at(connection, compared, *one) for one in _differing_in_history(connection) if one not in known]
    return Comparison(compared.totals, compared.holdings, [*compared.findings, *more])


def _differing_in_history(connection: Connection) -> list[tuple[str, str]]:
    """Name holdings whose balances and blocks agree, but are not what was booked; and serials without a holder."""
    found = {(one.account, one.asset) for one in store.histories(connection)}
    found.update(store.drifted(connection))
    faults = [*units_history.unreplayed(connection), *units_history.uncovered(connection)]
    found.update((fault.holder, fault.serials.vintage.product) for fault in faults)
    return sorted(found)


def _at(connection: Connection, compared: Comparison, account: str, asset: str) -> Finding:
    """Make a finding of a holding whose two figures agree: what is wrong is how they came about."""
    if account:
        return Finding(ACCOUNT, account, asset, *store.figures_of(connection, account, asset))
    total = compared.totals.get(asset, {"ledger": 0, "units": 0})
    return Finding(TOTAL, account, asset, total["ledger"], total["units"])


def _keep(connection: Connection, made: Run, findings: Sequence[Finding]) -> None:
    known = {found.key: found for found in breaks.not_closed(connection)}
    for finding in findings:
        before = known.pop(finding.key, None)
        places = locate(connection, finding.account, finding.asset)
        number = breaks.keep(connection, finding, run=made.number, located=places, known=before)
        said = "found" if before is None else "still differs"
        breaks.note(connection, number, who=made.asked_by, said=said, run=made.number)
        if is_stoppable(finding.account):
            states.block(connection, [finding.account], why=why_stopped(number), by=made.asked_by)
    for agreed in known.values():
        breaks.note(connection, agreed.number, who=made.asked_by, said="agrees", run=made.number)


def ask(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Compare now, because an operator wants to know."""
    refused = refuse_unless(caller, OPERATOR)
    if refused is not None:
        return refused
    made = run(connection, cause="demand", asked_by=caller.name, with_histories=bool(body.get("histories", False)))
    found = breaks.not_closed(connection)
    return Answer(201, {**made.body, "open_breaks": [one.body for one in found[:LISTED_MAX]]})


LISTED_MAX = 100
"""So many breaks are shown with a run; all are read page by page."""


def list_runs(connection: Connection, caller: Caller, *, after: int, limit: int) -> Answer | Refused:
    """Return a page of runs."""
    refused = refuse_unless(caller, *STAFF)
    if refused is not None:
        return refused
    found, more = page(breaks.runs(connection, after=after, limit=limit + 1), limit, lambda one: one.number)
    return Answer(200, {"runs": [one.body for one in found], "next": more})


def list_breaks(
    connection: Connection, caller: Caller, *, state: str | None, after: int, limit: int
) -> Answer | Refused:
    """Return a page of breaks, of one state or of all."""
    refused = refuse_unless(caller, *STAFF)
    if refused is not None:
        return refused
    if state is not None and state not in STATES:
        return Refused(Reason.MALFORMED, f"state: one of {', '.join(STATES)}.")
    listed = breaks.page(connection, state=state, after=after, limit=limit + 1)
    found, more = page(listed, limit, lambda one: one.number)
    return Answer(200, {"breaks": [one.body for one in found], "next": more})


def show_break(connection: Connection, caller: Caller, number: int) -> Answer | Refused:
    """Return a break with what became of it."""
    refused = refuse_unless(caller, *STAFF)
    if refused is not None:
        return refused
    found: Break | None = breaks.find(connection, number)
    if found is None:
        return Refused(Reason.BREAK_UNKNOWN)
    return Answer(200, {**found.body, "history": breaks.history(connection, number)})
