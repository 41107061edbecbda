"""Opens accounts by four eyes and answers what they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from core.accounts import store
from core.accounts.documents import store as documents
from core.accounts.documents.rules import read_documents
from core.accounts.documents.service import refuse_unreviewed
from core.accounts.operators import store as operator_store
from core.accounts.rights import BY_STAFF, visible
from core.accounts.rules import (
    BANKS,
    LINES_MAX,
    OPEN,
    OPENINGS_VALID_DAYS,
    Account,
    check,
    doubts_of,
    judge_batch,
    read_application,
    vintage_of,
)
from core.accounts.search import store as search
from core.accounts.search.rules import read_wanted
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.callers import HOLDER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.paging import page, read_cursor
from core.parameters import service as parameters
from core.quantities import CASH
from core.refusals import Answer, Reason, Refused
from core.units import store as units

PAGE_MAX = 1000


def propose_opening(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, banks: Collection[str] = BANKS
) -> Answer | Refused:
    """Apply for one account; it gets its number now and opens when a second person approves.

    Documents that are listed with the application must be confirmed by a reviewer before.
    """
    papers = read_documents(body.get("documents"), today=market_day(clock.now(connection)))
    if isinstance(papers, Refused):
        return refuse_unless(caller, MAKER) or papers
    applied = _apply(connection, caller, [body], banks)
    if isinstance(applied, Refused):
        return replace(applied, detail=applied.errors[0].detail, errors=()) if applied.errors else applied
    account = applied[0]
    documents.keep(connection, account.number, papers)
    said = {"documents": [one.body for one in papers]} if papers else {}
    sectors = parameters.sectors(connection, market_day(clock.now(connection)))
    return approvals.propose(
        connection,
        caller,
        kind="open_account",
        payload={"account": account.body, "doubts": doubts_of(account, sectors=sectors), **said},
        subject=account.number,
        accounts=[account.number],
    )


def propose_openings(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, banks: Collection[str] = BANKS
) -> Answer | Refused:
    """Apply for many accounts in one task: all or none, and every wrong line is named."""
    lines = body.get("accounts")
    if not isinstance(lines, list) or not 0 < len(lines) <= LINES_MAX:
        return Refused(Reason.MALFORMED, f"accounts: a list of 1 to {LINES_MAX} applications.")
    applied = _apply(connection, caller, lines, banks)
    if isinstance(applied, Refused):
        return applied
    payload = {"accounts": [account.body for account in applied]}
    subject = f"{applied[0].number} and {len(applied) - 1} more"
    return approvals.propose(
        connection,
        caller,
        kind="open_accounts",
        payload=payload,
        subject=subject,
        valid_days=OPENINGS_VALID_DAYS,
    )


def _apply(connection: Connection, caller: Caller, lines: list[Any], banks: Collection[str]) -> list[Account] | Refused:
    refused = refuse_unless(caller, MAKER)
    if refused is not None:
        return refused
    read = [
        read_application(line, banks=banks) if isinstance(line, Mapping) else Refused(Reason.MALFORMED, "An object.")
        for line in lines
    ]
    codes = {a.credit_code for a in read if not isinstance(a, Refused) and a.credit_code is not None}
    store.lock_numbers(connection)
    judged = judge_batch(read, taken=store.taken_codes(connection, codes))
    if isinstance(judged, Refused):
        return judged
    return store.apply(connection, judged, at=clock.now(connection))


def _proposed(task: Task) -> list[dict[str, Any]]:
    return list(task.payload["accounts"]) if "accounts" in task.payload else [task.payload["account"]]


def _with_state(task: Task, state: str) -> dict[str, Any]:
    accounts = [{**account, "state": state} for account in _proposed(task)]
    return {"accounts": accounts} if "accounts" in task.payload else {"account": accounts[0]}


def _open(connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    numbers = [account["number"] for account in _proposed(task)]
    refused = refuse_unreviewed(connection, numbers[0]) if "account" in task.payload else None
    if refused is not None:
        return refused
    if store.open_accounts(connection, numbers, at=clock.now(connection)) != len(numbers):
        raise RuntimeError(f"task {task.id} proposed accounts that are no longer applied for")
    return _with_state(task, OPEN)


def _turn_down(connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any]:
    store.turn_down(connection, [account["number"] for account in _proposed(task)])
    return _with_state(task, "REJECTED")


EXECUTORS: Mapping[str, approvals.Executor] = {
    "open_account": _open,
    "open_accounts": _open,
}
UNDOERS: Mapping[str, approvals.Executor] = {
    "open_account": _turn_down,
    "open_accounts": _turn_down,
}


def get(connection: Connection, caller: Caller, number: str) -> Answer | Refused:
    """Return one account."""
    found = visible(connection, caller, number)
    return found if isinstance(found, Refused) else Answer(200, found.body)


def holdings(connection: Connection, caller: Caller, number: str) -> Answer | Refused:
    """Return what an account holds, by both accountings: amounts by bucket, and serials."""
    found = visible(connection, caller, number)
    if isinstance(found, Refused):
        return found
    held = [{"asset": b.asset, "bucket": b.bucket, "amount": b.amount} for b in ledger.balances(connection, [number])]
    serials = [block.body for block in units.holdings(connection, number)]
    return Answer(200, {"account": number, "holdings": held, "serials": serials})


def list_accounts(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Return a page of the accounts that are wanted, in order of number; ``next`` is the cursor of the page after.

    Somebody of a subject sees the accounts that he serves; a province's people see what the database shows them.
    """
    after, limit = body.get("after") or "", body.get("limit", 100)
    if isinstance(limit, str) and limit.isascii() and limit.isdigit():
        limit = int(limit[:9])
    if type(limit) is not int or not 0 < limit <= PAGE_MAX:
        return Refused(Reason.MALFORMED, f"limit: 1 to {PAGE_MAX}.")
    if not isinstance(after, str) or (after and not check(after)):
        return Refused(Reason.MALFORMED, "after: an account number.")
    wanted = read_wanted(body)
    if isinstance(wanted, Refused):
        return wanted
    if HOLDER in caller.roles and not caller.roles & BY_STAFF["view"]:
        wanted = replace(wanted, of=operator_store.accounts_of(connection, caller.name))
    listed = search.page(connection, wanted, after=after, limit=limit + 1, indexed=caller.province is None)
    found, more = page(listed, limit, lambda account: account.number)
    return Answer(200, {"accounts": [account.body for account in found], "next": more})


def transfers(connection: Connection, caller: Caller, number: str, *, after: str, limit: int) -> Answer | Refused:
    """Return a page of the account's transfers in the order of booking; ``next`` is the cursor of the page after."""
    found = visible(connection, caller, number)
    if isinstance(found, Refused):
        return found
    place = read_cursor(after, 2)
    if isinstance(place, Refused):
        return place
    rows = ledger.statement(connection, number, after=(place[0], place[1]), limit=limit + 1)
    booked, more = page(rows, limit, lambda entry: f"{entry.batch}-{entry.position}")
    listed = [
        {
            "id": entry.id,
            "from_account": entry.giver,
            "to_account": entry.taker,
            "asset": entry.asset,
            "amount": entry.amount,
            "type": entry.type,
            "reference": entry.reference,
            "batch": entry.batch,
            "reverses": entry.reverses,
            "market_day": entry.market_day.isoformat(),
        }
        for entry in booked
    ]
    return Answer(200, {"account": number, "transfers": listed, "next": more})


def is_known(connection: Connection, asset: str) -> bool:
    """Tell whether the asset is cash or a product of which units were issued."""
    vintage = vintage_of(asset)
    return asset == CASH or (vintage is not None and units.issued(connection, vintage) > 0)
