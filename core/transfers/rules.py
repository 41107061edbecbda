"""What a free transfer must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.accounts.rules import Side, is_registry, refuse_source, refuse_target
from core.ledger.rules import fits, is_amount
from core.quantities import CASH
from core.refusals import Reason, Refused
from core.texts import is_plain_text

VALID_DAYS = 2
"""Working days for which a proposed transfer can be approved: a price that was agreed ages."""


@dataclass(frozen=True, slots=True)
class Order:
    """A free transfer as asked for; the quantity is not judged yet."""

    giver: str
    taker: str
    asset: str
    amount: object


def read_order(body: Mapping[str, Any]) -> Order | Refused:
    """Read a free transfer; whether it may be is decided on the facts, by ``decide_transfer``."""
    giver, taker, asset = body.get("from_account"), body.get("to_account"), body.get("asset")
    if not (is_plain_text(giver, 40) and is_plain_text(taker, 40) and is_plain_text(asset, 40)):
        return Refused(Reason.MALFORMED, "from_account, to_account and asset are texts.")
    return Order(giver, taker, asset, body.get("amount"))


def decide_transfer(
    order: Order, *, source: Side, target: Side, with_exchange: bool, known_product: bool, free_transfers: bool
) -> int | Refused:
    """Return the amount that may move, or the first reason why not."""
    refused = refuse_source(order.giver, source.account, with_exchange=with_exchange)
    if refused is not None:
        return refused
    if not free_transfers:
        return Refused(Reason.TRANSFER_CLOSED)
    refused = refuse_target(order.taker, target.account)
    if refused is not None:
        return refused
    if order.giver == order.taker:
        return Refused(Reason.TARGET_IS_SOURCE)
    if is_registry(order.giver) or is_registry(order.taker):
        return Refused(Reason.ACCOUNT_KIND, "The registry's own accounts take no part in free transfers.")
    return _decide_amount(order, source.balance, target.balance, known_product=known_product)


def _decide_amount(order: Order, has: int, target_has: int, *, known_product: bool) -> int | Refused:
    if not is_amount(order.amount) or not fits(target_has, order.amount):
        return Refused(Reason.QUANTITY_INVALID)
    if not known_product:
        return Refused(Reason.PRODUCT_UNKNOWN)
    if order.amount > has:
        reason = Reason.INSUFFICIENT_CASH if order.asset == CASH else Reason.INSUFFICIENT_UNITS
        return Refused(reason, f"Available: {has}.")
    return order.amount
