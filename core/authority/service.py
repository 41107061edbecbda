"""Moves a firm from one province to another on a stated day, and shows each authority its own firms only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core.approvals import service as approvals
from core.approvals.rules import Task
from core.audit import store as audit
from core.authority import store
from core.authority.rules import Move, Tenure, read_move, refuse_move, refuse_mover
from core.callers import AUTHORITY_CHECKER, AUTHORITY_MAKER, MAKER, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.db.errors import is_forbidden
from core.refusals import Answer, Reason, Refused

T = TypeVar("T")


def as_seen_by(caller: Caller, work: Callable[[Connection], T]) -> Callable[[Connection], T | Refused]:
    """Make a read see what its caller may see; only a province sees less than everything.

    What the database hides is not there for the read; what it forbids altogether becomes a refusal.
    """
    if caller.province is None:
        return work
    province = caller.province

    def seen(connection: Connection) -> T | Refused:
        store.see_as(connection, province)
        try:
            return work(connection)
        except DBAPIError as error:
            if is_forbidden(error):
                return Refused(Reason.NOT_PERMITTED, "A province's authority does not see this.")
            raise

    return seen


def propose_move(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose that another province answers for a firm from a day ahead; the ministry decides."""
    move = refuse_unless(caller, MAKER, AUTHORITY_MAKER) or refuse_mover(caller) or read_move(body)
    if isinstance(move, Refused):
        return move
    refused = _judge(connection, move)
    if refused is not None:
        return refused
    payload = {
        "account": move.account,
        "province": move.province,
        "from_day": move.from_day.isoformat(),
        "reason": move.reason,
    }
    return approvals.propose(
        connection,
        caller,
        kind="move_province",
        payload=payload,
        subject=move.account,
        accounts=[move.account],
        decides=AUTHORITY_CHECKER,
    )


def _judge(connection: Connection, move: Move) -> Refused | None:
    today = market_day(clock.now(connection))
    return refuse_move(move, history=store.history(connection, move.account), today=today)


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    move = approvals.kept(task, read_move)
    refused = refuse_mover(caller) or _judge(connection, move)  # again: another was decided meanwhile?
    if refused is not None:
        return refused
    tenure = Tenure(move.account, move.province, move.from_day)
    store.insert(connection, tenure, reason=move.reason, proposed_by=task.proposed_by, decided_by=caller.name)
    audit.record(connection, caller=caller.name, action="move province", subject=move.account, detail=tenure.body)
    return {}


def history(connection: Connection, _caller: Caller, account: str) -> Answer | Refused:
    """Return which province answered for the account since when."""
    found = store.history(connection, account)
    if found is None:
        return Refused(Reason.ACCOUNT_UNKNOWN)
    return Answer(200, {"account": account, "tenures": [tenure.body for tenure in found]})


EXECUTORS: Mapping[str, approvals.Executor] = {"move_province": _execute}
