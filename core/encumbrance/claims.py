"""What is free of what an account holds: one answer for all who dispose of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from core.encumbrance import store
from core.encumbrance.rules import LETS_GO, Encumbrance, claimed, free_of
from core.ledger import store as ledger
from core.ledger.rules import place_of


def free(connection: Connection, account: str, asset: str, *, lets: Collection[str]) -> int:
    """Lock what is available of an asset and return how much of it no court's freeze has a claim to.

    A court's freeze goes first, before surrender and carrying over too, although nothing is held for it yet. ``lets``
    names how a freeze of everything may restrict the account and yet let this go on. The claims are read behind the
    lock: whoever makes one has had it.
    """
    place = place_of(account, asset)
    balance = ledger.lock_balances(connection, [place])[place]
    return free_of(balance, store.alive(connection, account, asset), lets=lets)


def of_givers(connection: Connection, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """Return what courts have a claim to, by account and asset, of those who transfer; nothing is left out.

    One question for all of them, of an index that holds only freezes that wait: in most moments it is empty.
    """
    claims = store.claims(connection, {account for account, _ in wanted})
    if not claims:
        return {}
    return {(account, asset): claimed(_bearing(claims, account, asset), lets=LETS_GO) for account, asset in wanted}


def _bearing(claims: Collection[Encumbrance], account: str, asset: str) -> list[Encumbrance]:
    return [one for one in claims if one.account == account and one.asset in (asset, None)]
