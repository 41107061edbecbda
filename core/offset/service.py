"""Offset by two registries: lots are frozen there, selected and confirmed here, cancelled there, registered here.

No transaction here waits for the other registry: what it must do is an outbox row of the same transaction, and what it
answered is a transaction of its own (``core/offset/link.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.rights import refuse_right, refuse_view, visible
from core.accounts.rules import Purpose, is_emitter, refuse_source
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, Caller
from core.clock import store as clock
from core.emissions.obligations import service as obligations
from core.emissions.obligations.rules import refuse_offset
from core.emissions.years import store as years
from core.offset import store
from core.offset.rules import (
    CANCEL,
    CONFIRMED,
    FREEZE,
    FREEZING,
    PENDING,
    RELEASE,
    RELEASED,
    RELEASING,
    SELECTED,
    SYNCED,
    Lot,
    read_application,
    read_units,
    refuse_lots,
    refuse_state,
    until_of,
)
from core.outbox import store as outbox
from core.paging import page
from core.quantities import SERIALS_PER_VINTAGE
from core.refusals import Answer, Reason, Refused

TOPIC = "ccer"
"""Outbox rows that the offset registry must hear: what to do with which lot."""


def freeze(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Have the offset registry freeze units for an account; the lot is usable once it has."""
    asked = read_units(body)
    if isinstance(asked, Refused):
        return asked
    refused = refuse_right(connection, caller, asked.account, "maker") or _refuse_account(connection, asked.account)
    if refused is not None:
        return refused
    number = store.project_number(connection, asked.project)
    low = number * SERIALS_PER_VINTAGE + asked.first
    bounds = (low, low + asked.last - asked.first + 1)
    other = store.taken(connection, bounds)
    if other is not None:
        return Refused(Reason.LOT_TAKEN)
    now = clock.now(connection)
    lot = Lot(str(uuid4()), asked.account, asked.project, asked.first, asked.last, FREEZING, until_of(now))
    store.insert(connection, lot.id, asked, bounds, at=now, until=lot.until)
    ask(connection, FREEZE, lot)
    audit.record(connection, caller=caller.name, action="freeze offset lot", subject=lot.account, detail=lot.body)
    return Answer(202, lot.body, {"Location": f"/v1/offset-lots/{lot.id}"})


def _refuse_account(connection: Connection, number: str) -> Refused | None:
    account = accounts.find(connection, [number]).get(number)
    refused = refuse_source(number, account, with_exchange=False, purpose=Purpose.COMPLIANCE)
    if refused is None and not is_emitter(number):
        return Refused(Reason.ACCOUNT_KIND, "Only key emitters offset.")
    return refused


def ask(connection: Connection, question: str, lot: Lot) -> None:
    """Write in this transaction what the offset registry must do; each question is put once per lot."""
    facts = {
        "lot": lot.id,
        "account": lot.account,
        "project": lot.project,
        "first": lot.first,
        "last": lot.last,
        "tonnes": lot.tonnes,
        "until": lot.until.astimezone(UTC).isoformat(),
    }
    outbox.put(connection, TOPIC, f"{question}:{lot.id}", {"question": question, "lot": facts})


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Apply to offset a part of a year's obligation with frozen lots; a person of the authority confirms."""
    application = read_application(body)
    if isinstance(application, Refused):
        return application
    account, year = application.account, application.year
    refused = refuse_right(connection, caller, account, "maker") or _refuse_account(connection, account)
    if refused is not None:
        return refused
    now, rules = clock.now(connection), years.in_force(connection, year)
    obligation = obligations.lock(connection, account, year)
    lots = store.find(connection, application.lots, hold=True)
    tonnes = sum(lot.tonnes for lot in lots)
    refused = refuse_lots(application, lots, now=now) or refuse_offset(obligation, tonnes, rules)
    if refused is not None:
        return refused
    number = str(uuid4())
    store.apply(connection, number, account, year, tonnes=tonnes, at=now)
    for lot in lots:
        store.move(connection, lot, SELECTED, at=now, application=number)
    obligations.change(
        connection, obligation, rules, cause="offset", reference=number, deltas={"pending_offset": tonnes}
    )
    named = [{"id": lot.id, "project": lot.project, "tonnes": lot.tonnes} for lot in lots]
    proposed = approvals.propose(
        connection,
        caller,
        kind="offset",
        payload={"account": account, "year": year, "application": number, "tonnes": tonnes, "lots": named},
        subject=account,
        accounts=[account],
        decides=AUTHORITY_CHECKER,
    )
    store.name_task(connection, number, str(proposed.body["id"]))
    return proposed


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    """Confirm: the lots are the other registry's to cancel now, and nobody's to take back here."""
    account, year, number = _named(task)
    now, rules = clock.now(connection), years.in_force(connection, year)
    store.application(connection, number, hold=True)
    obligation = obligations.lock(connection, account, year)
    lots = store.of_application(connection, number)
    tonnes = sum(lot.tonnes for lot in lots)
    for lot in lots:
        refused = refuse_state(lot, SELECTED, now=now)
        if refused is not None:
            return refused
    own = obligations.without(obligation, {"pending_offset": -tonnes})
    refused = refuse_offset(own, tonnes, rules)  # again: the emissions may have been corrected since
    if refused is not None:
        return refused
    for lot in lots:
        store.move(connection, lot, CONFIRMED, at=now)
        ask(connection, CANCEL, lot)
    store.move_application(connection, number, CONFIRMED, used=0, at=now)
    outcome = {"confirmed": tonnes, "awaiting": "cancellation in the offset registry"}
    audit.record(connection, caller=caller.name, action="confirm offset", subject=account, detail=outcome)
    return outcome


def _undo(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    """Let go of what was selected; what timed out before is let go of already."""
    account, year, number = _named(task)
    now = clock.now(connection)
    found = store.application(connection, number, hold=True)
    obligations.lock(connection, account, year)
    lots = [lot for lot in store.of_application(connection, number) if lot.state == SELECTED]
    for lot in lots:
        let_go(connection, lot, at=now, note="the application was not confirmed")
    if found is not None and found["state"] == PENDING:
        store.move_application(connection, number, RELEASED, used=0, at=now)
    outcome = {"released": sum(lot.tonnes for lot in lots)}
    audit.record(connection, caller=caller.name, action="release offset", subject=account, detail=outcome)
    return outcome


def let_go(connection: Connection, lot: Lot, *, at: datetime, note: str) -> None:
    """Release a lot that is not confirmed: here at once for the obligation, there by a question of its own."""
    if lot.state == SELECTED and lot.application is not None:
        free(connection, lot, used=False)
    store.move(connection, lot, RELEASING, at=at, note=note)
    ask(connection, RELEASE, lot)


def free(connection: Connection, lot: Lot, *, used: bool) -> None:
    """Take a lot out of what is pending in its obligation, as used or as nothing."""
    found = store.application(connection, str(lot.application))
    if found is None:
        raise RuntimeError(f"lot {lot.id} was selected for an application that is not there")
    year = int(found["year"])
    rules, obligation = years.in_force(connection, year), obligations.lock(connection, lot.account, year)
    deltas = {"pending_offset": -lot.tonnes} | ({"offset_used": lot.tonnes} if used else {})
    cause = "offset" if used else "offset released"
    obligations.change(connection, obligation, rules, cause=cause, reference=lot.id, deltas=deltas)


def release(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Let go of a lot that is not selected for anything."""
    found = store.find(connection, [UUID(str(body["lot"]))], hold=True)
    if not found:
        return Refused(Reason.LOT_UNKNOWN)
    [lot] = found
    refused = refuse_right(connection, caller, lot.account, "maker")
    if refused is not None:
        return refused
    if lot.state not in (FREEZING, SYNCED):
        return Refused(Reason.LOT_NOT_READY, f"{lot.id} is {lot.state}.")
    let_go(connection, lot, at=clock.now(connection), note=f"released by {caller.name}")
    audit.record(connection, caller=caller.name, action="release offset lot", subject=lot.account, detail=lot.body)
    return Answer(202, store.find(connection, [lot.id])[0].body, {"Location": f"/v1/offset-lots/{lot.id}"})


def get(connection: Connection, caller: Caller, number: str) -> Answer | Refused:
    """Return a lot with its history."""
    found = store.find(connection, [UUID(number)])
    if not found or refuse_view(connection, caller, found[0].account) is not None:
        return Refused(Reason.LOT_UNKNOWN)  # whoever may not see it does not learn that it is there
    return Answer(200, {**found[0].body, "history": store.history(connection, found[0].id)})


def list_lots(
    connection: Connection, caller: Caller, number: str, *, after: UUID | None, limit: int
) -> Answer | Refused:
    """Return a page of an account's lots."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    found, more = page(store.page(connection, number, after=after, limit=limit + 1), limit, lambda lot: lot.id)
    return Answer(200, {"account": number, "lots": [lot.body for lot in found], "next": more})


def lots_of(connection: Connection, number: str) -> Sequence[Lot]:
    """Return the lots of an application, locked."""
    return store.of_application(connection, number)


def _named(task: Task) -> tuple[str, int, str]:
    return str(task.payload["account"]), int(task.payload["year"]), str(task.payload["application"])


EXECUTORS: Mapping[str, approvals.Executor] = {"offset": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {"offset": _undo}
