"""Free transfers by two people: proposed, held against the giver's own rules, carried out when they are due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.approvals import service as approvals
from core.approvals.rules import Task
from core.callers import HOLDER, MAKER, Caller
from core.refusals import Answer, Reason, Refused
from core.transfers import service
from core.transfers.rules import VALID_DAYS
from core.trust import service as trust


def propose(
    connection: Connection, caller: Caller, body: Mapping[str, Any], *, free_transfers: bool
) -> Answer | Refused:
    """Propose to move an amount; nothing is held for it until then.

    To a trusted account it is carried out on approval, to others after the delay.
    """
    would = service.rehearse(connection, caller, body, free_transfers=free_transfers)
    if isinstance(would, Refused):
        return would
    wanted = {name: body[name] for name in ("from_account", "to_account", "asset", "amount")}
    leave = _judge(connection, wanted)
    if isinstance(leave, Refused):
        return leave
    giver, taker = wanted["from_account"], wanted["to_account"]
    return approvals.propose(
        connection,
        caller,
        kind="transfer",
        payload=wanted | {"trusted": leave.trusted},
        subject=giver,
        accounts=[giver, taker],
        decides=HOLDER,
        not_before=leave.not_before,
        valid_days=VALID_DAYS,
    )


def _execute(connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    leave = _judge(connection, task.payload)
    if isinstance(leave, Refused):
        return leave
    if task.not_before is None and not leave.trusted:  # taken off the list since: the move would have to wait
        return Refused(Reason.TARGET_NOT_TRUSTED)
    proposer = Caller(task.proposed_by, frozenset({MAKER}))  # whose right to do so was judged when he proposed it
    done = service.transfer(connection, proposer, task.payload, free_transfers=True)
    return done if isinstance(done, Refused) else {"transfer": done.body}


def _judge(connection: Connection, wanted: Mapping[str, Any]) -> trust.Leave | Refused:
    return trust.judge(
        connection,
        giver=wanted["from_account"],
        taker=wanted["to_account"],
        asset=wanted["asset"],
        amount=wanted["amount"],
    )


EXECUTORS: Mapping[str, approvals.Executor] = {"transfer": _execute}
