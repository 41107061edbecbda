"""Keeps what accounts owe for a year, carries deadlines out, and shows how far everybody is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.accounts.rights import visible
from core.accounts.rules import vintage_of
from core.audit import store as audit
from core.callers import SEES_ALL, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.emissions.obligations import store
from core.emissions.obligations.rules import PENALISED, STATES, Event, Obligation, changed
from core.emissions.years import store as years
from core.emissions.years.rules import YearRules
from core.ledger import store as ledger
from core.ledger.rules import AVAILABLE
from core.paging import page
from core.refusals import Answer, Reason, Refused

EVENTS_MAX = 200
"""Events that the view of one obligation shows; the rest is a page of the history."""
BY_WORKER = "deadline"


def lock(connection: Connection, account: str, year: int) -> Obligation:
    """Return an account's obligation of a year and let nobody else change it until this transaction ends.

    It is locked before any balance: that is the order of everybody who changes both. One that is not there yet has
    no limit that somebody could go beyond; ``change`` makes it.
    """
    return store.lock(connection, [account], year).get(account) or Obligation(account, year)


def change(
    connection: Connection,
    obligation: Obligation,
    rules: YearRules,
    *,
    cause: str,
    reference: str,
    deltas: Mapping[str, int],
) -> Obligation:
    """Change figures of a locked obligation and judge its state; what is merely pending leaves no event."""
    now = clock.now(connection)
    account, year = obligation.account, obligation.year
    store.ensure(connection, [account], year, at=now)
    before = store.lock(connection, [account], year)[account]  # again: if it was not there, another may have made it
    after = changed(before, rules, market_day(now), deltas)
    store.write(connection, [after], at=now)
    if after.state != before.state or not all(name.startswith("pending") for name in deltas):
        store.record(connection, [Event(before, after, cause, reference)], at=now)
    return after


def without(obligation: Obligation, deltas: Mapping[str, int]) -> Obligation:
    """Return the obligation as if some figures differed by so much; its state stays."""
    return replace(obligation, **{name: getattr(obligation, name) + delta for name, delta in deltas.items()})


def penalise(connection: Connection, obligation: Obligation, rules: YearRules, *, reference: str) -> Obligation:
    """End a locked obligation that is short with a penalty: what is missing is to come off the next allocation."""
    missing = obligation.missing(rules)
    after = replace(obligation, state=PENALISED, deducted=missing)
    put(connection, [Event(obligation, after, "penalty", reference)])
    return after


def put(connection: Connection, changes: Sequence[Event]) -> None:
    """Write many locked obligations that changed, with their history."""
    now = clock.now(connection)
    if changes:
        store.write(connection, [event.after for event in changes], at=now)
        store.record(connection, changes, at=now)


def judge_year(connection: Connection, rules: YearRules, *, cause: str, reference: str, everybody: bool = False) -> int:
    """Judge every obligation of a year by its rules; return how many changed their state.

    ``everybody`` asks all open emitters, so that who never reported is seen.
    """
    now = clock.now(connection)
    found = store.lock_year(connection, rules.year, emitters_at=now if everybody else None)
    today = market_day(now)
    judged = [(before, changed(before, rules, today, {})) for before in found]
    events = [Event(before, after, cause, reference) for before, after in judged if before.state != after.state]
    put(connection, events)
    return len(events)


def deadlines_over(connection: Connection) -> bool:
    """Tell whether a deadline is over and was not carried out yet."""
    return bool(years.due(connection, market_day(clock.now(connection))))


def close_deadlines(connection: Connection) -> int:
    """Carry out every deadline that is over and was not carried out yet; return how many years that were."""
    now = clock.now(connection)
    over = years.due(connection, market_day(now))
    for found in over:
        years.lock(connection, found.year)
        if found not in years.due(connection, market_day(now)):
            continue  # another worker was faster, or the rules changed meanwhile
        reference = f"deadline:{found.year}:{found.deadline}"
        judged = judge_year(connection, found, cause="deadline", reference=reference, everybody=True)
        years.close(connection, found, at=now)
        detail = {"deadline": str(found.deadline), "obligations_changed": judged}
        audit.record(connection, caller=BY_WORKER, action="deadline", subject=str(found.year), detail=detail)
    return len(over)


def show(connection: Connection, caller: Caller, number: str, year: int) -> Answer | Refused:
    """Return an obligation with the days left, what could be handed in, what will be short, and its history."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    rules = years.in_force(connection, year)
    body = facts(connection, number, rules)
    events = store.history(connection, number, year, after=0, limit=EVENTS_MAX)
    return Answer(200, {**body, "history": events, "rules": rules.body})


def facts(connection: Connection, number: str, rules: YearRules) -> dict[str, Any]:
    """Return an account's obligation of a year as callers read it; also of a year in which it has none."""
    today = market_day(clock.now(connection))
    found = store.find(connection, number, rules.year)
    if found is None:
        found = Obligation(number, rules.year)
    usable = _usable(connection, number, rules)
    left = found.missing(rules) - found.pending_surrender - found.pending_offset
    return {
        **found.facts(rules),
        "deadline": rules.deadline.isoformat() if rules.deadline is not None else None,
        "days_left": _days_left(rules, today),
        "usable": usable,
        "shortage": max(0, left - usable),
        "warning": _warning(found, rules, today, usable),
    }


def _usable(connection: Connection, number: str, rules: YearRules) -> int:
    held = [b for b in ledger.balances(connection, [number]) if b.bucket == AVAILABLE and b.amount]
    dated = [(vintage_of(balance.asset), balance.amount) for balance in held]
    return sum(amount for vintage, amount in dated if vintage is not None and rules.counts(vintage.year))


def _days_left(rules: YearRules, today: date) -> int | None:
    return None if rules.deadline is None else (rules.deadline - today).days


def _warning(found: Obligation, rules: YearRules, today: date, usable: int) -> str | None:
    """Say in a sentence what will go wrong if nobody acts."""
    left = max(0, found.missing(rules) - found.pending_surrender - found.pending_offset)
    if found.due is None or left == 0:
        return None
    days = _days_left(rules, today)
    when = "" if days is None else f" within {days} days" if days >= 0 else f"; the deadline was {-days} days ago"
    if left > usable:
        return f"{left} t are still to be handed in{when}, and the account holds {left - usable} t too few for it."
    return f"{left} t are still to be handed in{when}; the account holds enough."


def list_account(connection: Connection, caller: Caller, number: str, *, after: int, limit: int) -> Answer | Refused:
    """Return an account's obligations over the years, and in one letter how it stands over all of them."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    found = store.of_account(connection, number, after=after, limit=limit + 1)
    shown, more = page(found, limit, lambda one: one.year)
    today = market_day(clock.now(connection))
    listed = []
    for one in shown:
        rules = years.in_force(connection, one.year)
        listed.append({**one.facts(rules), "deadline": rules.deadline.isoformat() if rules.deadline else None})
        listed[-1]["days_left"] = _days_left(rules, today)
    return Answer(200, {"account": number, "standing": standing(found), "obligations": listed, "next": more})


def standing(obligations: Sequence[Obligation]) -> str:
    """Say how an account stands over the years: the worst counts, a year without data before all."""
    states = {obligation.state for obligation in obligations}
    for worst in ("MISSING_DATA", "PENALISED", "SHORT", "PART", "OPEN", "MET"):
        if worst in states:
            return worst
    return "NONE"


def list_year(
    connection: Connection, caller: Caller, year: int, *, state: str, after: str, limit: int
) -> Answer | Refused:
    """Return a page of a year's obligations: the registry's people see all, a province its own firms."""
    refused = refuse_unless(caller, *SEES_ALL)
    if refused is not None:
        return refused
    if state and state not in STATES:
        return Refused(Reason.MALFORMED, f"state: one of {', '.join(STATES)}.")
    rules = years.in_force(connection, year)
    listed = store.of_year(connection, year, state=state, after=after, limit=limit + 1)
    found, more = page(listed, limit, lambda one: one.account)
    return Answer(200, {"year": year, "obligations": [one.facts(rules) for one in found], "next": more})


def history(
    connection: Connection, caller: Caller, number: str, year: int, *, after: int, limit: int
) -> Answer | Refused:
    """Return a page of what happened to an obligation."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    listed = store.history(connection, number, year, after=after, limit=limit + 1)
    found, more = page(listed, limit, lambda one: one["id"])
    return Answer(200, {"account": number, "year": year, "history": found, "next": more})
