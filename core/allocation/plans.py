"""Answers what plans there are, what became of their lines, and what each province got.

Plans are nobody's business but the registry's and the authorities'; a province sees its own firms only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.allocation import store
from core.allocation.deductions import store as deductions
from core.callers import SEES_ALL, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.paging import page
from core.refusals import Answer, Reason, Refused


def show(connection: Connection, caller: Caller, number: int) -> Answer | Refused:
    """Return a plan, how far it is, and what it did in all; a province is told of its own firms."""
    found = refuse_unless(caller, *SEES_ALL) or store.find(connection, number)
    if isinstance(found, Refused) or found is None:
        return found or Refused(Reason.PLAN_UNKNOWN)
    figures = _sums(store.totals(connection, number, market_day(clock.now(connection))))
    return Answer(200, {**found.body, "done": figures})


def list_plans(connection: Connection, caller: Caller, *, after: int, limit: int) -> Answer | Refused:
    """Return a page of plans in the order in which they were proposed."""
    refused = refuse_unless(caller, *SEES_ALL)
    if refused is not None:
        return refused
    found, more = page(store.page(connection, after=after, limit=limit + 1), limit, lambda plan: plan.number)
    return Answer(200, {"plans": [plan.body for plan in found], "next": more})


def lines(connection: Connection, caller: Caller, number: int, *, after: int, limit: int) -> Answer | Refused:
    """Return a page of a plan's lines with what became of each."""
    found = refuse_unless(caller, *SEES_ALL) or store.find(connection, number)
    if isinstance(found, Refused) or found is None:
        return found or Refused(Reason.PLAN_UNKNOWN)
    rows = store.page_of_lines(connection, number, after=after, limit=limit + 1)
    listed, more = page(rows, limit, lambda row: row["line"])
    return Answer(200, {"number": number, "lines": listed, "next": more})


def totals(connection: Connection, caller: Caller, number: int) -> Answer | Refused:
    """Return a plan's totals by province, whose sums are the plan's."""
    found = refuse_unless(caller, *SEES_ALL) or store.find(connection, number)
    if isinstance(found, Refused) or found is None:
        return found or Refused(Reason.PLAN_UNKNOWN)
    by_province = store.totals(connection, number, market_day(clock.now(connection)))
    rows = [{"product": found.product, **row} for row in by_province]
    return Answer(200, {"number": number, "product": found.product, "provinces": rows, "total": _sums(by_province)})


def _sums(rows: list[dict[str, Any]]) -> Mapping[str, int]:
    names = ("lines", "tonnes", "allocated", "withheld", "waiting", "deducted", "taken_back", "withdrawn", "owed")
    return {name: sum(row[name] for row in rows) for name in names}


def deductions_of(connection: Connection, caller: Caller, account: str, *, after: int, limit: int) -> Answer | Refused:
    """Return what the account's next allocations are less by, and how it was worked off."""
    found = accounts.get(connection, caller, account)
    if isinstance(found, Refused):
        return found
    rows = deductions.history(connection, account, after=after, limit=limit + 1)
    listed, more = page(rows, limit, lambda row: row["id"])
    return Answer(200, {"account": account, "deductions": listed, "next": more})
