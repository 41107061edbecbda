"""What a firm that ends still owes for its emissions is owed by who comes after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from core.clock import store as clock
from core.clock.rules import market_day
from core.emissions.obligations import service as obligations
from core.emissions.obligations import store
from core.emissions.obligations.rules import PENALISED, Event, Obligation, changed
from core.emissions.years import store as years

YEARS_MAX = 200


def owed(connection: Connection, giver: str, taker: str) -> list[tuple[Obligation, Obligation]]:
    """Lock, year by year, what the giver has not met yet, and the taker's obligation beside it.

    Obligations are locked before balances: that is the order of everybody who changes both.
    """
    found = store.of_account(connection, giver, after=0, limit=YEARS_MAX)
    pairs = []
    for one in sorted(found, key=lambda obligation: obligation.year):
        both = store.lock(connection, [giver, taker], one.year)
        mine = both[giver]
        if mine.state != PENALISED and mine.missing(years.in_force(connection, one.year)):
            pairs.append((mine, both.get(taker) or Obligation(taker, one.year)))
    return pairs


def move(
    connection: Connection, pairs: Sequence[tuple[Obligation, Obligation]], *, reference: str
) -> list[dict[str, Any]]:
    """Let the takers owe what is missing; the giver is left with what it has met."""
    moved = []
    now = clock.now(connection)
    for mine, theirs in pairs:
        rules = years.in_force(connection, mine.year)
        missing = mine.missing(rules)
        store.ensure(connection, [theirs.account], mine.year, at=now)
        after = [replace(mine, due=(mine.due or 0) - missing), replace(theirs, due=(theirs.due or 0) + missing)]
        judged = [changed(one, rules, market_day(now), {}) for one in after]
        events = [Event(b, a, "succession", reference) for b, a in zip((mine, theirs), judged, strict=True)]
        obligations.put(connection, events)
        moved.append({"year": mine.year, "tonnes": missing, "to_account": theirs.account})
    return moved
