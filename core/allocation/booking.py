"""Writes the effect of a plan into both accountings: what comes back, what is new, what goes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from core.allocation.rules import ADJUST, FINAL, FULL, PRE, TAKE_BACK, Effect, Share
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, WITHHELD, Transfer, place_of
from core.quantities import SerialRange
from core.units import store as units

TYPES = {
    FULL: "ALLOCATE",
    PRE: "PRE_ALLOCATE",
    FINAL: "ALLOCATE_ADJUST",
    ADJUST: "ALLOCATE_ADJUST",
    TAKE_BACK: "ALLOCATE_TAKE_BACK",
}
"""Type of what goes out to accounts, or comes back from them, by the kind of plan."""


def book(connection: Connection, effect: Effect, task_id: str) -> Effect:
    """Book everything that the effect says, in the caller's transaction; return it with the serials it really got."""
    day = market_day(clock.now(connection))
    ledger.stage(connection)
    ledger.stage_all(connection, _transfers(effect, task_id))
    ledger.post_staged(connection, market_day=day)
    # The ledger's locks first, the units' after them: the order that every writer of both keeps.
    _collect(connection, effect, day)
    made = _issue(connection, effect, day)
    _hand_out(connection, effect, day)
    return replace(effect, serials=made)


def _transfers(effect: Effect, task_id: str) -> Iterator[Transfer]:
    plan = effect.plan
    product, reference, kind = plan.vintage.product, plan.issue_id, TYPES[plan.kind]
    source, kept_back = place_of(ISSUANCE, product), place_of(WITHHELD, product)
    for n, share in enumerate(effect.shares, start=1):
        own, number = place_of(share.line.account, product), f"{task_id}/{n}"
        if share.withdrawn:
            yield Transfer(f"{number}/kept", kept_back, source, share.withdrawn, "ALLOCATE_WITHDRAW", reference)
        if share.taken_back:
            yield Transfer(number, own, source, share.taken_back, kind, reference)
        if share.allocated:
            yield Transfer(number, source, own, share.allocated, kind, reference)
        if share.withheld:
            yield Transfer(number, source, kept_back, share.withheld, "ALLOCATE_WITHHOLD", reference)


def _collect(connection: Connection, effect: Effect, day: date) -> None:
    back = {share.line.account: share.taken_back for share in effect.shares if share.taken_back}
    withdrawn = effect.sum_of("withdrawn")
    if withdrawn:
        back[WITHHELD] = withdrawn
    if back:
        units.collect(
            connection,
            givers=back,
            taker=ISSUANCE,
            vintage=effect.plan.vintage,
            type=TYPES[effect.plan.kind],
            reference=effect.plan.issue_id,
            market_day=day,
        )


def _issue(connection: Connection, effect: Effect, day: date) -> SerialRange | None:
    if effect.serials is None:
        return None
    return units.issue(
        connection,
        issue_id=effect.plan.issue_id,
        vintage=effect.plan.vintage,
        tonnes=effect.serials.tonnes,
        holder=ISSUANCE,
        market_day=day,
    )


def _hand_out(connection: Connection, effect: Effect, day: date) -> None:
    takers = [taker for share in effect.shares for taker in _takers(share)]
    if takers:
        units.distribute(
            connection,
            giver=ISSUANCE,
            takers=takers,
            vintage=effect.plan.vintage,
            type=TYPES[effect.plan.kind],
            reference=effect.plan.issue_id,
            market_day=day,
        )


def _takers(share: Share) -> Iterator[tuple[str, int]]:
    if share.allocated:
        yield share.line.account, share.allocated
    if share.withheld:
        yield WITHHELD, share.withheld
