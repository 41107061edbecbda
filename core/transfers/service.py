"""Moves an amount between two owners, where that is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.accounts import service as accounts_service
from core.accounts import store as accounts
from core.accounts.rules import Side, vintage_of
from core.approvals.rules import MAKER, Caller, refuse_unless
from core.audit import store as audit
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import Transfer, place_of
from core.refusals import Answer, Refused
from core.transfers.rules import Order, decide_transfer, read_order
from core.units import store as units


def transfer(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, free_transfers: bool
) -> Answer | Refused:
    """Move an amount between two owners at once, in the order in which requests come.

    Both balances are locked before anything is read that decides, so that each decision sees every earlier one.
    """
    order = refuse_unless(caller, MAKER) or read_order(body)
    if isinstance(order, Refused):
        return order
    amount = _decide(connection, order, free_transfers=free_transfers)
    if isinstance(amount, Refused):
        return amount
    number, day = str(uuid4()), market_day(clock.now(connection))
    giver, taker = place_of(order.giver, order.asset), place_of(order.taker, order.asset)
    ledger.post(connection, [Transfer(number, giver, taker, amount, "TRANSFER", number)], market_day=day)
    vintage = vintage_of(order.asset)
    if vintage is not None:
        units.move(
            connection,
            giver=order.giver,
            taker=order.taker,
            vintage=vintage,
            tonnes=amount,
            type="TRANSFER",
            reference=number,
            market_day=day,
        )
    done = {
        "id": number,
        "from_account": order.giver,
        "to_account": order.taker,
        "asset": order.asset,
        "amount": amount,
        "market_day": day.isoformat(),
    }
    audit.record(connection, caller=caller.name, action="transfer", subject=order.giver, detail=done)
    return Answer(201, done)


def _decide(connection: Connection, order: Order, *, free_transfers: bool) -> int | Refused:
    giver, taker = place_of(order.giver, order.asset), place_of(order.taker, order.asset)
    held = ledger.lock_balances(connection, [giver, taker])
    known = accounts.find(connection, [order.giver, order.taker])
    return decide_transfer(
        order,
        source=Side(known.get(order.giver), held[giver]),
        target=Side(known.get(order.taker), held[taker]),
        with_exchange=accounts.with_exchange(connection, order.giver),
        known_product=held[giver] > 0 or accounts_service.is_known(connection, order.asset),
        free_transfers=free_transfers,
    )
