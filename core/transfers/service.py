"""Moves amounts between owners, where that is allowed: many requests at once, as if they had come one by one."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from core.accounts import service as accounts_service
from core.accounts import store as accounts
from core.accounts.rights import refuse_right
from core.accounts.rules import Side, vintage_of
from core.audit import store as audit
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.encumbrance import claims
from core.ledger import store as ledger
from core.ledger.rules import Place, Transfer, place_of
from core.refusals import Answer, Refused
from core.transfers.rules import Order, decide_transfer, read_order
from core.units import store as units

KIND = "TRANSFER"

Asked = tuple[Caller, Mapping[str, Any]]
"""Who asks, and the body of the request."""


def transfer(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, free_transfers: bool
) -> Answer | Refused:
    """Move an amount between two owners at once: a group of one."""
    return transfer_all(connection, [(caller, body)], free_transfers=free_transfers)[0]


def transfer_all(connection: Connection, asked: Sequence[Asked], *, free_transfers: bool) -> Sequence[Answer | Refused]:
    """Answer each request in the order in which they came; write what they did in one statement a table.

    All balances are locked before anything is read that decides, and each decision sees what every earlier one did.
    """
    orders = [refuse_unless(caller, MAKER, HOLDER) or read_order(body) for caller, body in asked]
    group = _Group(connection, [order for order in orders if isinstance(order, Order)], free_transfers=free_transfers)
    ends = [
        order if isinstance(order, Refused) else group.carry_out(order, caller)
        for order, (caller, _) in zip(orders, asked, strict=True)
    ]
    group.write()
    return ends


def rehearse(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, free_transfers: bool
) -> Answer | Refused:
    """Answer as ``transfer`` would now, and write nothing."""
    order = refuse_unless(caller, MAKER, HOLDER) or read_order(body)
    if isinstance(order, Refused):
        return order
    return _Group(connection, [order], free_transfers=free_transfers).carry_out(order, caller)


class _Group:
    """The facts on which a group is decided, kept up to date in memory while it is."""

    def __init__(self, connection: Connection, orders: Collection[Order], *, free_transfers: bool) -> None:
        self._connection = connection
        self._free_transfers = free_transfers
        places = {place for order in orders for place in _sides(order)}
        found = ledger.lock(connection, places, create=False)
        self._ids = {place: number for place, (number, _) in found.items()}
        self._held = {place: balance for place, (_, balance) in found.items()}
        self._claims = claims.of_givers(connection, {(order.giver, order.asset) for order in orders})
        self._accounts = accounts.find(connection, {place.owner for place in places})
        self._with_exchange = accounts.those_with_exchange(connection, {order.giver for order in orders})
        self._day = market_day(clock.now(connection))
        self._known: dict[str, bool] = {}
        self._rights: dict[tuple[Caller, str], Refused | None] = {}
        self._made: list[tuple[Transfer, Caller, Answer]] = []

    def carry_out(self, order: Order, caller: Caller) -> Answer | Refused:
        """Decide one request and let those that follow see its effect."""
        refused = self._refuse_right(caller, order.giver)
        if refused is not None:
            return refused
        giver, taker = _sides(order)
        amount = decide_transfer(
            order,
            source=Side(self._accounts.get(order.giver), self._free(giver)),
            target=Side(self._accounts.get(order.taker), self._held.get(taker, 0)),
            with_exchange=order.giver in self._with_exchange,
            known_product=self._held.get(giver, 0) > 0 or self._is_known(order.asset),
            free_transfers=self._free_transfers,
        )
        if isinstance(amount, Refused):
            return amount
        self._held[giver] = self._held.get(giver, 0) - amount
        self._held[taker] = self._held.get(taker, 0) + amount
        number = new_id()
        done = {
            "id": number,
            "from_account": order.giver,
            "to_account": order.taker,
            "asset": order.asset,
            "amount": amount,
            "market_day": self._day.isoformat(),
        }
        answer = Answer(201, done)
        self._made.append((Transfer(number, giver, taker, amount, KIND, number), caller, answer))
        return answer

    def write(self) -> None:
        """Write what was decided: both ledgers and the trail."""
        if not self._made:
            return
        transfers = [transfer for transfer, _, _ in self._made]
        fresh = {place for transfer in transfers for place in (transfer.debit, transfer.credit)} - self._ids.keys()
        if fresh:
            made = ledger.lock(self._connection, fresh, create=True)
            self._ids |= {place: number for place, (number, _) in made.items()}
        ledger.book(self._connection, transfers, self._ids, market_day=self._day)
        units.move_all(self._connection, _moves(transfers), market_day=self._day)
        audit.record_all(
            self._connection,
            [audit.Deed(caller.name, "transfer", t.debit.owner, answer.body) for t, caller, answer in self._made],
        )

    def _free(self, giver: Place) -> int:
        return max(0, self._held.get(giver, 0) - self._claims.get((giver.owner, giver.asset), 0))

    def _is_known(self, asset: str) -> bool:
        if asset not in self._known:
            self._known[asset] = accounts_service.is_known(self._connection, asset)
        return self._known[asset]

    def _refuse_right(self, caller: Caller, account: str) -> Refused | None:
        if (caller, account) not in self._rights:
            self._rights[caller, account] = refuse_right(self._connection, caller, account, "maker")
        return self._rights[caller, account]


def _sides(order: Order) -> tuple[Place, Place]:
    return place_of(order.giver, order.asset), place_of(order.taker, order.asset)


def _moves(transfers: Sequence[Transfer]) -> list[units.Move]:
    """The same transfers for the second accounting, which knows no cash."""
    return [
        units.Move(t.debit.owner, t.credit.owner, vintage, t.amount, KIND, t.id)
        for t in transfers
        if (vintage := vintage_of(t.debit.asset)) is not None
    ]


def new_id() -> str:
    """Name a transfer: make a UUID of version 7: ids that grow with time keep the index's newest pages warm."""
    random = uuid4().int & ((1 << 76) - 1)
    return str(UUID(int=(time.time_ns() // 10**6) << 80 | 7 << 76 | random))
