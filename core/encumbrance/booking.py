"""Gathers what one change does to encumbrances and balances, and writes it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.encumbrance import store
from core.encumbrance.rules import Encumbrance, changed, fill, free_of
from core.encumbrance.store import Event
from core.ledger import store as ledger
from core.ledger.rules import AVAILABLE, FROZEN, LOCKED, PLEDGED, Place, Transfer, place_of

BUCKETS = (AVAILABLE, LOCKED, PLEDGED, FROZEN)
"""What a change of encumbrances can touch; all are locked first, in the ledger's order."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One asset of one account: what encumbers it by rank, what it holds, and whether it may be sold right now."""

    account: str
    asset: str
    alive: Sequence[Encumbrance]
    held: Mapping[Place, int]
    trading: bool

    def balance(self, bucket: str = AVAILABLE) -> int:
        """What the account has in a bucket."""
        return self.held.get(place_of(self.account, self.asset, bucket), 0)

    @property
    def free(self) -> int:
        """What no court has an earlier claim to, for whoever takes it out of the account's hands."""
        return free_of(self.balance(), self.alive)


def enter(connection: Connection, account: str, asset: str, *, taker: str | None = None) -> Ground:
    """Lock an asset of an account: its encumbrances first, then its balances, the taker's with them.

    Whether it may be sold is read last: by then no day can start to trade on what is locked here.
    """
    alive = store.alive(connection, account, asset, lock=True)
    places = [place_of(account, asset, bucket) for bucket in BUCKETS]
    held = ledger.lock_balances(connection, [*places, *([place_of(taker, asset)] if taker else ())])
    return Ground(account, asset, alive, held, accounts.may_be_sold(connection, account))


@dataclass(slots=True)
class Booking:
    """The transfers, changed encumbrances and events of one change."""

    day: date
    actor: str
    reference: str
    document: str | None = None
    transfers: list[Transfer] = field(default_factory=list)
    changed: dict[int, Encumbrance] = field(default_factory=dict)
    events: list[tuple[Encumbrance, Event]] = field(default_factory=list)

    def move(self, debit: Place, credit: Place, amount: int, kind: str) -> None:
        """Book an amount; nothing is no transfer."""
        if amount:
            self.transfers.append(Transfer(str(uuid4()), debit, credit, amount, kind, self.reference))

    def shift(self, one: Encumbrance, asset: str, amount: int, *, way: tuple[str, str], kind: str) -> None:
        """Book an amount from one bucket of the encumbered account to another."""
        debit, credit = way
        self.move(place_of(one.account, asset, debit), place_of(one.account, asset, credit), amount, kind)

    def put(self, after: Encumbrance, action: str, amount: int, **detail: Any) -> None:
        """Note what became of an encumbrance."""
        asset = detail.pop("asset", None)
        self.changed[after.number] = after
        event = Event(action, amount, self.actor, self.day, document=self.document, asset=asset, detail=detail)
        self.events.append((after, event))

    def give_free(self, ground: Ground, *, freed: int = 0) -> int:
        """Let the freezes that wait have what is free, by rank; return how much they took.

        While the account may be sold only what was freed just now is surely not with the exchange.
        """
        alive = [self.changed.get(one.number, one) for one in ground.alive]
        free = freed if ground.trading else freed + ground.balance()
        taken = 0
        for found in fill(alive, free=free):
            one = found.encumbrance
            self.shift(one, ground.asset, found.amount, way=(AVAILABLE, FROZEN), kind="JUDICIAL_FREEZE")
            self.put(changed(one, held=found.amount), "HELD", found.amount)
            taken += found.amount
        return taken

    def write(self, connection: Connection) -> None:
        """Write it all: one batch of transfers, the encumbrances, what happened to them."""
        ledger.post(connection, self.transfers, market_day=self.day)
        for after in self.changed.values():
            store.change(connection, after)
        for one, event in self.events:
            store.note(connection, one, event)
