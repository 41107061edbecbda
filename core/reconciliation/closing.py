"""Closes a break when a second person agrees with its explanation, and ledger and units agree again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.states import service as states
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import MAKER, OPERATOR, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import Transfer, place_of
from core.quantities import Vintage
from core.reconciliation import service, store
from core.reconciliation.breaks import store as breaks
from core.reconciliation.locate import locate
from core.reconciliation.rules import (
    ACCOUNT,
    CLOSED,
    EXPLAINED,
    OPEN,
    Break,
    Closing,
    Entry,
    Finding,
    entry_of,
    in_state,
    is_stoppable,
    read_closing,
    why_stopped,
)
from core.refusals import Answer, Reason, Refused
from core.units import store as units


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Explain a break and propose to close it, with the entry that one of the accountings lacks, if one does."""
    closing = refuse_unless(caller, MAKER, OPERATOR) or read_closing(body)
    if isinstance(closing, Refused):
        return closing
    found = in_state(breaks.find(connection, closing.number, lock=True), OPEN)
    if isinstance(found, Refused):
        return found
    planned = _plan(connection, found, closing)
    if isinstance(planned, Refused):
        return planned
    breaks.set_state(connection, found.number, EXPLAINED, owner=caller.name)
    breaks.note(connection, found.number, who=caller.name, said=closing.explanation)
    payload: dict[str, Any] = {"break": found.number, "explanation": closing.explanation}
    if closing.correction is not None:
        payload["correction"] = {"side": closing.correction.side, "other_account": closing.correction.other}
    return approvals.propose(
        connection,
        caller,
        kind="close_break",
        payload=payload,
        subject=f"break {found.number}",
        accounts=[found.account] if is_stoppable(found.account) else (),
    )


def _plan(connection: Connection, found: Break, closing: Closing) -> Entry | Refused | None:
    """Work out the correcting entry, if one is asked for, and see that what it takes is there."""
    if closing.correction is None:
        return None
    if closing.correction.other not in accounts.find(connection, [closing.correction.other]):
        return Refused(Reason.ACCOUNT_UNKNOWN, closing.correction.other)
    entry = entry_of(closing.correction, _now(connection, found))
    if isinstance(entry, Refused):
        return entry
    if entry.side == "units":
        held = units.tonnes_of(connection, entry.giver, Vintage.of_product(found.asset))
    else:
        place = place_of(entry.giver, found.asset)
        held = entry.tonnes if place.may_overdraw else ledger.lock_balances(connection, [place])[place]
    if held < entry.tonnes:
        return Refused(Reason.CORRECTION_IMPOSSIBLE, f"{entry.giver} has {held} t of {entry.tonnes} t there.")
    return entry


def _now(connection: Connection, found: Break) -> Finding | None:
    """Return the difference as it is now; None when the figures of both accountings agree."""
    return next((one for one in store.compare(connection).findings if one.key == found.key), None)


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    closing = approvals.kept(task, read_closing)
    found = in_state(breaks.find(connection, closing.number, lock=True), EXPLAINED)
    if isinstance(found, Refused):
        return found
    entry = _plan(connection, found, closing)
    if isinstance(entry, Refused):
        return entry
    savepoint = connection.begin_nested()  # a correction that does not help leaves nothing behind
    if entry is not None:
        _book(connection, found, entry, task.id)
    refused = _refuse_difference(connection, found, entry)
    if refused is not None:
        savepoint.rollback()
        return refused
    savepoint.commit()
    breaks.set_state(connection, found.number, CLOSED)
    made = service.run(connection, cause="close", asked_by=caller.name)
    breaks.note(connection, found.number, who=caller.name, said="closed", run=made.number)
    _let_go(connection, found, by=caller.name)
    outcome: dict[str, Any] = {"closed": found.number, "run": made.number}
    if entry is not None:
        outcome["corrected"] = {"side": entry.side, "from": entry.giver, "to": entry.taker, "tonnes": entry.tonnes}
    audit.record(connection, caller=caller.name, action="close break", subject=f"break {found.number}", detail=outcome)
    return outcome


def _book(connection: Connection, found: Break, entry: Entry, task_id: str) -> None:
    """Book the entry in the one accounting that lacks it, linked to its break by its reference."""
    day, reference = market_day(clock.now(connection)), f"break:{found.number}"
    if entry.side == "units":
        units.move(
            connection,
            giver=entry.giver,
            taker=entry.taker,
            vintage=Vintage.of_product(found.asset),
            tonnes=entry.tonnes,
            type="ERROR_CORRECTION",
            reference=reference,
            market_day=day,
        )
        return
    giver, taker = place_of(entry.giver, found.asset), place_of(entry.taker, found.asset)
    transfer = Transfer(f"{task_id}/1", giver, taker, entry.tonnes, "ERROR_CORRECTION", reference)
    ledger.post(connection, [transfer], market_day=day)


def _refuse_difference(connection: Connection, found: Break, entry: Entry | None) -> Refused | None:
    """Refuse while the break's holding differs in any record, or the correction made the other account differ."""
    compared = store.compare(connection)
    differing = {one.key: one for one in compared.findings}
    still = differing.get(found.key)
    if still is not None:
        return Refused(Reason.BREAK_STILL_DIFFERS, f"{still.ledger} t in the ledger, {still.units} t in units.")
    if entry is not None:
        other = entry.taker if entry.giver == found.account else entry.giver
        if (ACCOUNT, other, found.asset) in differing:
            return Refused(Reason.CORRECTION_IMPOSSIBLE, f"{other} would differ.")
    places = locate(connection, found.account, found.asset)
    if places:
        return Refused(Reason.BREAK_STILL_DIFFERS, f"{len(places)} records differ, the first: {places[0]}.")
    return None


def _let_go(connection: Connection, found: Break, *, by: str) -> None:
    """Let the account move again, unless another break of it is open: then that one is what stops it now."""
    if not is_stoppable(found.account):
        return
    others = [one for one in breaks.not_closed(connection) if one.account == found.account]
    if others:
        states.keep_blocked(connection, found.account, why=why_stopped(others[0].number), by=by)
    else:
        states.unblock(connection, [found.account], by=by)


def _reopen(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    found = breaks.find(connection, int(task.payload["break"]), lock=True)
    if found is not None and found.state == EXPLAINED:
        breaks.set_state(connection, found.number, OPEN)
        breaks.note(connection, found.number, who=caller.name, said="explanation turned down")
    return {}


EXECUTORS: Mapping[str, approvals.Executor] = {"close_break": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {"close_break": _reopen}
