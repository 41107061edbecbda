"""Answers what an account holds of one asset: the read that downstream asks most often, in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from core.accounts import service, store
from core.accounts.rights import refuse_view
from core.accounts.rules import check
from core.callers import Caller
from core.ledger import store as ledger
from core.refusals import Answer, Reason, Refused


def show(connection: Connection, *, caller: Caller, number: str, asset: str) -> Answer | Refused:
    """Return the amounts by bucket; that account and asset exist is looked up only where there are none."""
    if not check(number):
        return Refused(Reason.NUMBER_INVALID)
    if refuse_view(connection, caller, number) is not None:
        return Refused(Reason.ACCOUNT_UNKNOWN)
    amounts = ledger.balance(connection, number, asset)
    if not amounts:
        if not store.find(connection, [number]):
            return Refused(Reason.ACCOUNT_UNKNOWN)
        if not service.is_known(connection, asset):
            return Refused(Reason.PRODUCT_UNKNOWN)
    return Answer(200, {"account": number, "asset": asset, "amounts": amounts, "total": sum(amounts.values())})


def held(connection: Connection, number: str) -> Sequence[Mapping[str, Any]]:
    """Return all that an account has by asset and bucket, as a dry run shows it."""
    found = [one for one in ledger.balances(connection, [number]) if one.amount]
    return [{"asset": one.asset, "bucket": one.bucket, "amount": one.amount} for one in found]
