"""Takes a surrender back within its time: the same units return, by linked reversing entries, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.rights import refuse_right
from core.accounts.rules import Purpose, refuse_target
from core.approvals import service as approvals
from core.approvals.rules import EITHER, Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.emissions.obligations import service as obligations
from core.emissions.years import store as years
from core.ledger.holds import service as holds
from core.ledger.rules import SURRENDERED
from core.refusals import Answer, Reason, Refused
from core.surrender import store
from core.surrender.rules import REVERSED, Surrender, read_reversal, refuse_reversal
from core.units import store as units


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose to take a surrender back; a second person, of the authority where it decided, does it."""
    asked = read_reversal(body)
    if isinstance(asked, Refused):
        return asked
    number, reason = asked
    found = store.find(connection, number)
    if found is None:
        return Refused(Reason.SURRENDER_UNKNOWN)
    refused = refuse_right(connection, caller, found.account, "maker") or _judge(connection, found)
    if refused is not None:
        return refused
    facts = {"account": found.account, "product": found.product, "tonnes": found.tonnes, "year": found.year}
    return approvals.propose(
        connection,
        caller,
        kind="reverse_surrender",
        payload={"surrender": found.id, "reason": reason, **facts},
        subject=found.account,
        accounts=[found.account],
        decides=AUTHORITY_CHECKER if found.authority else EITHER,
    )


def _judge(connection: Connection, found: Surrender) -> Refused | None:
    account = accounts.find(connection, [found.account]).get(found.account)
    return refuse_reversal(
        found,
        now=clock.now(connection),
        obligation=obligations.lock(connection, found.account, found.year),
        target=refuse_target(found.account, account, purpose=Purpose.COMPLIANCE),
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    found = store.find(connection, UUID(str(task.payload["surrender"])), hold=True)
    if found is None or found.task is None:
        raise TypeError(f"task {task.id} names no surrender")
    refused = _judge(connection, found)  # again: the time may be over by now, or another reversal was faster
    if refused is not None:
        return refused
    day = market_day(clock.now(connection))
    taken_back = holds.take_back(connection, found.id, reference=task.id, kind="SURRENDER_REVERSE", market_day=day)
    if isinstance(taken_back, Refused):
        return taken_back
    units.move_serials(
        connection,
        found.blocks,
        giver=SURRENDERED,
        taker=found.account,
        type="SURRENDER_REVERSE",
        reference=task.id,
        market_day=day,
    )
    rules = years.in_force(connection, found.year)
    obligation = obligations.lock(connection, found.account, found.year)
    obligations.change(
        connection,
        obligation,
        rules,
        cause="surrender reversed",
        reference=task.id,
        deltas={"surrendered": -found.tonnes},
    )
    store.move(connection, found.id, REVERSED)
    outcome = {"reversed": found.tonnes, "serials": [block.body for block in found.blocks]}
    audit.record(connection, caller=caller.name, action="reverse surrender", subject=found.account, detail=outcome)
    return outcome


EXECUTORS: Mapping[str, approvals.Executor] = {"reverse_surrender": _execute}
