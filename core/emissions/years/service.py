"""Changes the rules of a compliance year by two people; every obligation of the year is judged anew at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.emissions.obligations import service as obligations
from core.emissions.years import store
from core.emissions.years.rules import read_change
from core.paging import page
from core.refusals import Answer, Refused


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose the rules of a year, its first or changed ones."""
    change = refuse_unless(caller, MAKER) or read_change(body)
    if isinstance(change, Refused):
        return change
    payload = {**change.rules.body, "reason": change.reason}
    del payload["version"]  # it is counted when the change is carried out
    return approvals.propose(
        connection, caller, kind="compliance_year", payload=payload, subject=f"compliance year {change.rules.year}"
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any]:
    change = approvals.kept(task, read_change)
    year, at = change.rules.year, clock.now(connection)
    store.lock(connection, year)
    version = store.in_force(connection, year).version + 1
    store.insert(connection, change, version=version, by=(task.proposed_by, caller.name), at=at)
    rules = replace(change.rules, version=version)
    judged = obligations.judge_year(connection, rules, cause="rules of the year", reference=task.id)
    outcome = {"version": version, "obligations_changed": judged}
    audit.record(connection, caller=caller.name, action="compliance year", subject=str(year), detail=rules.body)
    return outcome


def show(connection: Connection, _caller: Caller, year: int) -> Answer:
    """Return the rules of a year."""
    return Answer(200, store.in_force(connection, year).body)


def list_years(connection: Connection, _caller: Caller, *, after: int, limit: int) -> Answer:
    """Return a page of years for which rules were laid down."""
    found, more = page(store.page(connection, after=after, limit=limit + 1), limit, lambda rules: rules.year)
    return Answer(200, {"years": [rules.body for rules in found], "next": more})


EXECUTORS: Mapping[str, approvals.Executor] = {"compliance_year": _execute}
