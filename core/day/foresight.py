"""What a change of the market's rules would do: worked out before anybody decides, from the rules it would make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from core.approvals.rehearsal import foreseen
from core.callers import MAKER, Caller, refuse_unless
from core.clock.calendar import Calendar, CalendarError
from core.day import store
from core.day.rulebook import closes_of, shown
from core.exchange.foresight import store as foresight
from core.exchange.rules import Market
from core.exchange.store import APPL_ID
from core.parameters import service as parameters
from core.parameters.changes import Known, Proposal, body_of
from core.parameters.rules import MarketRules, exceptions_of, in_force
from core.refusals import Answer, Reason, Refused

DAYS_SHOWN = 10
TRADES_SHOWN = 100


def dry_run(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Show what the same body would do as a proposal that is approved at once; nothing is kept."""
    checked = refuse_unless(caller, MAKER) or parameters.read_checked(connection, body)
    if isinstance(checked, Refused):
        return checked
    proposal, known = checked
    before, after = (
        Calendar(exceptions_of(versions)) for versions in (known.versions, [*known.versions, *proposal.changes])
    )
    days = sorted({_trading_day_from(after, day) for day in _rule_days(proposal)})
    outcome = {
        "changes": _changes(proposal, known),
        "days": [_day(connection, proposal, known, day) for day in days],
        "trading_days": _trading_days(proposal, known, before, after),
        "trades": _trades(connection, proposal, known, days[-1]) if days else None,
    }
    return foreseen(parameters.KIND, outcome)


def _rule_days(proposal: Proposal) -> list[date]:
    """Return the days from which anything but the calendar changes."""
    return sorted({change.effective_from for change in proposal.changes if change.kind != "calendar"})


def _trading_day_from(calendar: Calendar, day: date) -> date:
    try:
        return calendar.next_trading_day(day - timedelta(days=1))
    except CalendarError:
        return day  # its year is not known yet: its rules can be told all the same


def _changes(proposal: Proposal, known: Known) -> list[dict[str, Any]]:
    found = []
    for change in proposal.changes:
        current = in_force(known.versions, change.effective_from).get(change.key)
        found.append(body_of(change) | {"value_before": None if current is None else dict(current.value)})
    return found


def _day(connection: Connection, proposal: Proposal, known: Known, day: date) -> dict[str, Any]:
    """Tell one day's rules with its limits as they are and as they would be, and who holds what comes or goes."""
    sides = parameters.rules_with(known, proposal, day)
    before, after = (shown(rules, closes_of(connection, day, rules)) for rules in sides)
    came = sorted(set(after["products"]) - set(before["products"]))
    went = sorted(set(before["products"]) - set(after["products"]))
    return {
        "day": day.isoformat(),
        "before": before,
        "after": after,
        "products": {"added": came, "removed": went},
        "sectors": {
            "added": sorted(set(after["sectors"]) - set(before["sectors"])),
            "removed": sorted(set(before["sectors"]) - set(after["sectors"])),
        },
        "holders": store.holders(connection, [*came, *went]),
    }


def _trading_days(proposal: Proposal, known: Known, before: Calendar, after: Calendar) -> dict[str, Any]:
    """List the next trading days as they are and as they would be, from before the first date that changes."""
    dates = [change.effective_from for change in proposal.changes if change.kind == "calendar"]
    start = max(known.today, min(dates) - timedelta(days=1)) if dates else known.today
    return {"after": start.isoformat(), "now": _next_days(before, start), "then": _next_days(after, start)}


def _next_days(calendar: Calendar, start: date) -> list[str]:
    found: list[str] = []
    try:
        while len(found) < DAYS_SHOWN:
            start = calendar.next_trading_day(start)
            found.append(start.isoformat())
    except CalendarError:
        pass  # as far as the holidays are known
    return found


def _trades(connection: Connection, proposal: Proposal, known: Known, day: date) -> dict[str, Any] | None:
    """Hold the trades of the last day that had any against the rules as they are and as they would be."""
    last = foresight.last_traded(connection)
    if last is None:
        return None
    closes = {product.product: product.previous_close_fen for product in store.products(connection, last)}
    before, after = (
        foresight.foresee(connection, _market(rules, last, closes), limit=TRADES_SHOWN)
        for rules in parameters.rules_with(known, proposal, day)
    )
    return {
        "day": last.isoformat(),
        "accepted": after.accepted,
        "refused_now": _by_code(before),
        "refused_then": _by_code(after),
        "first_refused": after.first,
    }


def _market(rules: MarketRules, last: date, closes: Mapping[str, int]) -> Market:
    traded = {product: close for product, close in closes.items() if product in rules.products}
    return Market.of(replace(rules, day=last), APPL_ID, traded)


def _by_code(found: foresight.Foreseen) -> list[dict[str, Any]]:
    sentences = {reason.code: reason.sentence for reason in Reason}
    return [
        {"code": code, "sentence": sentences[code], "trades": trades, "tonnes": tonnes}
        for code, (trades, tonnes) in sorted(found.refused.items())
    ]
