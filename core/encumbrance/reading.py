"""Shows encumbrances to those who may see the account."""

from __future__ import annotations

from sqlalchemy import Connection

from core.accounts.rights import refuse_view, visible
from core.callers import Caller
from core.encumbrance import store
from core.encumbrance.rules import name_of, number_of
from core.paging import NO_CURSOR, page
from core.refusals import Answer, Reason, Refused


def get(connection: Connection, caller: Caller, name: str) -> Answer | Refused:
    """Return one encumbrance and everything that happened to it."""
    number = number_of(name)
    found = store.find(connection, number) if number is not None else None
    if found is None or refuse_view(connection, caller, found.account) is not None:
        return Refused(Reason.ENCUMBRANCE_UNKNOWN)  # whoever may not see it does not learn that it is there
    return Answer(200, {**found.body, "events": store.events(connection, found.number)})


def of_account(connection: Connection, caller: Caller, account: str, *, after: str, limit: int) -> Answer | Refused:
    """Return a page of the account's encumbrances by rank; ``next`` is the cursor of the page after."""
    start = number_of(after) if after else 0
    if start is None:
        return NO_CURSOR
    seen = visible(connection, caller, account)
    if isinstance(seen, Refused):
        return seen
    listed = store.of_account(connection, account, after=start, limit=limit + 1)
    found, more = page(listed, limit, lambda one: name_of(one.number))
    return Answer(200, {"account": account, "encumbrances": [one.body for one in found], "next": more})
