"""Who may look at an account, propose for it and decide for it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.operators import store
from core.accounts.rules import Account, check
from core.authority import store as authority
from core.callers import (
    AUTHORITIES,
    AUTHORITY_CHECKER,
    AUTHORITY_MAKER,
    CHECKER,
    HOLDER,
    MAKER,
    STAFF,
    Caller,
)
from core.clock import store as clock
from core.clock.rules import market_day
from core.refusals import Reason, Refused

BY_STAFF: Mapping[str, frozenset[str]] = {
    "view": frozenset(STAFF),
    "maker": frozenset({MAKER}),
    "checker": frozenset({CHECKER}),
}
"""The registry's own people, for every account."""

BY_AUTHORITIES: Mapping[str, frozenset[str]] = {
    "view": frozenset(AUTHORITIES),
    "maker": frozenset({AUTHORITY_MAKER}),
    "checker": frozenset({AUTHORITY_CHECKER}),
}


def refuse_right(connection: Connection, caller: Caller, account: str, right: str) -> Refused | None:
    """Refuse a caller who may not do this (view, maker or checker) for this account, whatever else he may do.

    Staff pass by their role, authorities for the firms they answer for, a holder by the account's list of operators,
    where a maker or a checker may view as well.
    """
    if caller.roles & BY_STAFF[right]:
        return None
    if caller.roles & BY_AUTHORITIES[right] and _answers_for(connection, caller, account):
        return None
    if HOLDER in caller.roles and right in store.rights_of(connection, account, caller.name):
        return None
    return Refused(Reason.NOT_PERMITTED, f"Needs the right {right} for account {account}.")


def refuse_view(connection: Connection, caller: Caller, account: str) -> Refused | None:
    """Refuse to show an account to somebody of another subject.

    A province's people need no check here: the database shows them their own firms only.
    """
    if HOLDER not in caller.roles or caller.roles & BY_STAFF["view"]:
        return None
    return refuse_right(connection, caller, account, "view")


def visible(connection: Connection, caller: Caller, number: str) -> Account | Refused:
    """Return an account that the caller may look at.

    One that is another subject's is refused as one that is not there, so that nobody learns which numbers exist. The
    registry's own accounts are there for its people; what only subjects have, they do not have.
    """
    if not check(number):
        return Refused(Reason.NUMBER_INVALID)
    found = accounts.find(connection, [number]).get(number)
    if found is None or refuse_view(connection, caller, number) is not None:
        return Refused(Reason.ACCOUNT_UNKNOWN)
    return found


def _answers_for(connection: Connection, caller: Caller, account: str) -> bool:
    if caller.province is None:
        return True
    today = market_day(clock.now(connection))
    return authority.responsible(connection, account, today) == caller.province
