"""Carries an allocation plan out: a new issue, handed to its holders in the order of the plan's lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.allocation.rules import Plan, judge, read_plan
from core.approvals import service as approvals
from core.approvals.rules import MAKER, Caller, Task, refuse_unless
from core.audit import store as audit
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, Transfer, place_of
from core.refusals import Answer, Refused
from core.units import store as units


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose a plan; nothing is issued before a second person approves."""
    plan = refuse_unless(caller, MAKER) or read_plan(body)
    if isinstance(plan, Refused):
        return plan
    refused = _judge(connection, plan)
    if refused is not None:
        return refused
    lines = [{"account": line.account, "tonnes": line.tonnes} for line in plan.lines]
    payload = {"product": plan.vintage.product, "plan": plan.name, "lines": lines}
    return approvals.propose(connection, caller, kind="allocate", payload=payload, subject=plan.issue_id)


def _judge(connection: Connection, plan: Plan) -> Refused | None:
    return judge(
        plan,
        accounts=accounts.find(connection, {line.account for line in plan.lines}),
        issued=units.issued(connection, plan.vintage),
        executed=units.was_issued(connection, plan.issue_id),
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    plan = read_plan(task.payload)
    if isinstance(plan, Refused):
        raise TypeError(f"task {task.id} holds no plan: {plan}")
    refused = _judge(connection, plan)  # again: since the proposal, accounts may have closed or the name been used
    if refused is not None:
        return refused
    day = market_day(clock.now(connection))
    ledger.stage(connection)
    ledger.stage_all(connection, _transfers(plan, task.id))
    ledger.post_staged(connection, market_day=day)
    made = units.issue(
        connection,
        issue_id=plan.issue_id,
        vintage=plan.vintage,
        tonnes=plan.total,
        holder=ISSUANCE,
        market_day=day,
    )
    units.distribute(
        connection,
        giver=ISSUANCE,
        takers=[(line.account, line.tonnes) for line in plan.lines],
        vintage=plan.vintage,
        type="ALLOCATE",
        reference=plan.issue_id,
        market_day=day,
    )
    outcome = {"serials": str(made), "tonnes": plan.total}
    audit.record(connection, caller=caller.name, action="allocate", subject=plan.issue_id, detail=outcome)
    return outcome


def _transfers(plan: Plan, task_id: str) -> Iterator[Transfer]:
    source = place_of(ISSUANCE, plan.vintage.product)
    for n, line in enumerate(plan.lines, start=1):
        target = place_of(line.account, plan.vintage.product)
        yield Transfer(f"{task_id}/{n}", source, target, line.tonnes, "ALLOCATE", plan.issue_id)


EXECUTORS: Mapping[str, approvals.Executor] = {"allocate": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {}
