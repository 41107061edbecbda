"""Lets a second person hold an application's documents against their list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.documents import store
from core.accounts.documents.rules import Document, refuse_review
from core.accounts.documents.store import Review
from core.accounts.rights import visible
from core.accounts.rules import APPLIED, check, doubts_of
from core.approvals import store as tasks
from core.approvals.rules import AWAITING, Task
from core.approvals.store import Wanted
from core.audit import store as audit
from core.callers import CHECKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.parameters import service as parameters
from core.refusals import Answer, Reason, Refused
from core.texts import is_plain_text

OPENING = "open_account"


def review(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Confirm, as somebody else than the proposer, that every document of the list is there and right."""
    number = str(body.get("account"))
    refused = refuse_unless(caller, CHECKER)
    if refused is not None:
        return refused
    account = accounts.lock(connection, [number]).get(number) if check(number) else None
    if account is None:
        return Refused(Reason.ACCOUNT_UNKNOWN)
    task = _opening_task(connection, number)
    if account.state != APPLIED or task is None:
        return Refused(Reason.STATE_CHANGE_FORBIDDEN, f"It is {account.state}.")
    if task.proposed_by == caller.name:
        return Refused(Reason.SAME_PERSON)
    listed = store.listed(connection, number)
    remarks = body.get("remarks") or "none"
    refused = refuse_review(body.get("documents"), listed=listed, reviewed=store.review(connection, number) is not None)
    if refused is None and not is_plain_text(remarks, 500):
        refused = Refused(Reason.MALFORMED, "remarks: one line.")
    if refused is not None:
        return refused
    done = Review(caller.name, remarks, clock.now(connection))
    store.keep_review(connection, number, done, documents=len(listed))
    detail = {"task": task.id, "documents": [one.sha256 for one in listed], "remarks": remarks}
    audit.record(connection, caller=caller.name, action="review documents", subject=number, detail=detail)
    return Answer(200, _shown(connection, number, listed, done))


def _opening_task(connection: Connection, number: str) -> Task | None:
    wanted = Wanted(state=AWAITING, kind=OPENING, account=number)
    return next(iter(tasks.page(connection, wanted, after=0, limit=1)), None)


def show(connection: Connection, caller: Caller, number: str) -> Answer | Refused:
    """Return an application's documents, what a reviewer should look at twice, and the review."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    return Answer(200, _shown(connection, number, store.listed(connection, number), store.review(connection, number)))


def _shown(connection: Connection, number: str, listed: list[Document], done: Review | None) -> dict[str, Any]:
    account = accounts.find(connection, [number])[number]
    sectors = parameters.sectors(connection, market_day(clock.now(connection)))
    return {
        "account": number,
        "documents": [one.body for one in listed],
        "doubts": doubts_of(account, sectors=sectors),
        "review": done.body if done is not None else None,
    }


def refuse_unreviewed(connection: Connection, number: str) -> Refused | None:
    """Refuse to open an account that has documents which nobody has confirmed."""
    if store.listed(connection, number) and store.review(connection, number) is None:
        return Refused(Reason.DOCUMENTS_NOT_REVIEWED, number)
    return None
