"""Takes verified emissions by two people of the authority; every confirmed figure is an obligation at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.accounts.rights import visible
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, AUTHORITY_MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.emissions import store
from core.emissions.obligations import service as obligations
from core.emissions.obligations import store as obligation_store
from core.emissions.obligations.rules import Event, Obligation, changed
from core.emissions.rules import Known, Upload, accounts_of, judge, read_upload
from core.emissions.years import store as years
from core.paging import page, read_cursor
from core.refusals import Answer, Refused


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Upload verified emissions as a person of the authority; another person of it confirms them."""
    upload = refuse_unless(caller, AUTHORITY_MAKER) or read_upload(body)
    if isinstance(upload, Refused):
        return upload
    refused = judge(upload, _known(connection, upload, caller.province), this_year=_today(connection).year)
    if refused is not None:
        return refused
    lines = [
        {"account": line.account, "tonnes": line.tonnes} | ({"reason": line.reason} if line.reason else {})
        for line in upload.lines
    ]
    return approvals.propose(
        connection,
        caller,
        kind="emissions",
        payload={"year": upload.year, "lines": lines, "province": caller.province},
        subject=f"emissions {upload.year}",
        accounts=accounts_of(upload),
        decides=AUTHORITY_CHECKER,
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    upload, at = approvals.kept(task, read_upload), clock.now(connection)
    obligation_store.lock(connection, accounts_of(upload), upload.year)
    known = _known(connection, upload, task.payload.get("province"))
    refused = judge(upload, known, this_year=_today(connection).year)  # again: others may have corrected them since
    if refused is not None:
        return refused
    obligation_store.ensure(connection, accounts_of(upload), upload.year, at=at)
    held = obligation_store.lock(connection, accounts_of(upload), upload.year)
    lines = [(line, known[line.account].version + 1) for line in upload.lines]
    store.insert(connection, upload.year, lines, task=task.id, by=(task.proposed_by, caller.name), at=at)
    rules, today = years.in_force(connection, upload.year), market_day(at)
    events = []
    for line, version in lines:
        before = held[line.account]
        due = max(0, line.tonnes + _taken_over(before, known[line.account]))
        after = changed(replace(before, due=due), rules, today, {})
        cause = "emissions verified" if version == 1 else "emissions corrected"
        events.append(Event(before, after, cause, task.id))
    obligations.put(connection, events)
    outcome = {"confirmed": len(lines), "tonnes": sum(line.tonnes for line, _ in lines)}
    audit.record(connection, caller=caller.name, action="emissions", subject=f"emissions {upload.year}", detail=outcome)
    return outcome


def _taken_over(before: Obligation, known: Known) -> int:
    """Return by how much an obligation differs from the firm's own emissions: a merger moved what was not met yet."""
    return 0 if before.due is None else before.due - (known.tonnes or 0)


def _known(connection: Connection, upload: Upload, province: str | None) -> Mapping[str, Known]:
    return store.known(connection, accounts_of(upload), upload.year, province=province, today=_today(connection))


def _today(connection: Connection) -> date:
    return market_day(clock.now(connection))


def list_versions(connection: Connection, caller: Caller, number: str, *, after: str, limit: int) -> Answer | Refused:
    """Return a page of an account's verified emissions, with who corrected what and why."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    place = read_cursor(after, 2)
    if isinstance(place, Refused):
        return place
    listed = store.versions(connection, number, after=(place[0], place[1]), limit=limit + 1)
    found, more = page(listed, limit, lambda one: f"{one['year']}-{one['version']}")
    return Answer(200, {"account": number, "emissions": found, "next": more})


EXECUTORS: Mapping[str, approvals.Executor] = {"emissions": _execute}
