"""Carries allocation plans out: what is due is issued, handed over, kept back or taken back in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.allocation import store
from core.allocation.booking import book
from core.allocation.deductions import store as deductions
from core.allocation.rules import Effect, Facts, Plan, work_out
from core.allocation.store import Entry, Kept
from core.allocation.uploads import read_plan
from core.approvals import service as approvals
from core.approvals.rehearsal import foreseen
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, AUTHORITY_MAKER, CHECKER, MAKER, SEES_ALL, Caller, refuse_unless
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, Place, place_of
from core.parameters import service as parameters
from core.refusals import Answer, Reason, Refused
from core.units import store as units

SUBJECTS_MAX = 1000
"""A plan of more accounts is everybody's; its task does not name them one by one."""


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose a plan; nothing is issued before a second person approves."""
    plan = _refuse_proposer(caller, body) or read_plan(body)
    if isinstance(plan, Refused):
        return plan
    effect = _work_out(connection, plan)
    if isinstance(effect, Refused):
        return effect
    number = store.insert(connection, plan, by=caller.name, at=clock.now(connection), chain=_chain_of(connection, plan))
    decides = body.get("decides", AUTHORITY_CHECKER if AUTHORITY_MAKER in caller.roles else CHECKER)
    named = plan.province is not None or len(plan.lines) <= SUBJECTS_MAX
    answer = approvals.propose(
        connection,
        caller,
        kind="allocate" if plan.is_plain and "csv" not in body else "allocate_plan",
        payload=_payload(plan, number, with_lines=plan.is_plain and "csv" not in body),
        subject=plan.issue_id,
        accounts=[line.account for line in plan.lines] if named else (),
        decides=decides,
    )
    store.set_task(connection, number, str(answer.body["id"]))
    return answer


def _refuse_proposer(caller: Caller, body: Mapping[str, Any]) -> Refused | None:
    """Staff propose any plan; a province's authority its own; only a provincial plan is decided by an authority."""
    refused = refuse_unless(caller, MAKER, AUTHORITY_MAKER)
    if refused is not None:
        return refused
    province, decides = body.get("province"), body.get("decides", CHECKER)
    if MAKER not in caller.roles and caller.province is not None and province != caller.province:
        return Refused(Reason.NOT_PERMITTED, f"Needs province {caller.province} in the plan.")
    if decides not in {CHECKER, AUTHORITY_CHECKER}:
        return Refused(Reason.MALFORMED, f"decides: {CHECKER} or {AUTHORITY_CHECKER}.")
    if decides == AUTHORITY_CHECKER and province is None:
        return Refused(Reason.MALFORMED, "decides: an authority decides a plan of one province.")
    return None


def _payload(plan: Plan, number: int, *, with_lines: bool) -> dict[str, Any]:
    """Say in the task what is proposed; a plain plan as it always was, any other without its many lines."""
    payload: dict[str, Any] = {"product": plan.vintage.product, "plan": plan.name, "plan_number": number}
    if with_lines:
        return payload | {"lines": [{"account": line.account, "tonnes": line.tonnes} for line in plan.lines]}
    said = {
        "plan_kind": plan.kind,
        "share_percent": plan.share_percent,
        "follows": plan.follows,
        "province": plan.province,
        "line_count": len(plan.lines),
        "stated_tonnes": plan.stated,
    }
    return payload | {name: value for name, value in said.items() if value is not None}


def _chain_of(connection: Connection, plan: Plan) -> int | None:
    """Return the number of the first plan of the chain; None for a plan that follows none, or none that is there."""
    before = store.find(connection, plan.follows) if plan.follows is not None else None
    return before.chain if before is not None else None


def _work_out(connection: Connection, plan: Plan, *, final: bool = False) -> Effect | Refused:
    """Judge the plan on the facts of this moment: when it is proposed, in a dry run, and when it is carried out."""
    day = market_day(clock.now(connection))
    numbers = {line.account for line in plan.lines}
    chain = _chain_of(connection, plan)
    granted, withheld = store.standing(connection, chain, numbers) if chain is not None else ({}, {})
    owed: dict[str, int] = {}
    for found in deductions.open_of(connection, numbers):
        owed[found.account] = owed.get(found.account, 0) + found.tonnes
    facts = Facts(
        accounts=accounts.find(connection, numbers),
        issued=units.issued(connection, plan.vintage),
        stock=units.tonnes_of(connection, ISSUANCE, plan.vintage),
        allocated=store.allocated(connection, plan.vintage.product),
        cap=parameters.cap_of(connection, plan.vintage, day),
        executed=store.was_executed(connection, plan) or units.was_issued(connection, plan.issue_id),
        may_issue=parameters.may_issue(connection, plan.vintage, day),
        followed=plan.follows is None or _is_executed(store.find(connection, plan.follows), plan),
        granted=granted,
        withheld=withheld,
        available=_available(connection, plan, numbers, final=final) if chain is not None else {},
        deductions=owed,
        trading=_trading(connection, numbers) if chain is not None else frozenset(),
        provinces=store.provinces(connection, numbers, day) if plan.province is not None else {},
    )
    return work_out(plan, facts)


def _trading(connection: Connection, numbers: set[str]) -> frozenset[str]:
    return frozenset(accounts.those_that_may_be_sold(connection, numbers))


def _is_executed(before: Kept | None, plan: Plan) -> bool:
    return before is not None and before.state == store.EXECUTED and before.product == plan.vintage.product


def _available(connection: Connection, plan: Plan, numbers: set[str], *, final: bool) -> dict[str, int]:
    """Return what the accounts could give back; the final look locks it."""
    places = {place_of(number, plan.vintage.product) for number in numbers}
    if final:
        return {place.owner: held for place, held in ledger.lock_balances(connection, list(places)).items()}
    held = ledger.balances(connection, sorted(numbers))
    return {b.owner: b.amount for b in held if Place(b.owner, b.asset, b.bucket) in places}


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    deductions.lock(connection)
    kept = _kept(connection, task)
    plan = store.load(connection, kept)
    effect = _work_out(
        connection, plan, final=True
    )  # again: since the proposal, accounts may have closed or the name been used
    if isinstance(effect, Refused):
        return effect
    now = clock.now(connection)
    effect = book(connection, effect, task.id)
    entries = list(_entries(connection, effect, kept))
    store.insert_entries(connection, entries, cause=kept.number, reference=task.id, at=now)
    deducted = {share.line.account: share.deducted for share in effect.shares if share.deducted}
    deductions.use(connection, deducted, plan=kept.number, reason=plan.issue_id)
    for share in effect.shares:
        if share.owed:
            reference = f"{plan.issue_id}, take back"
            deductions.add(connection, share.line.account, share.owed, "could not be taken back", reference)
    store.finish(connection, kept.number, store.EXECUTED, at=now, day=market_day(now))
    audit.record(connection, caller=caller.name, action="allocate", subject=plan.issue_id, detail=effect.body)
    return effect.body


def _kept(connection: Connection, task: Task) -> Kept:
    """Return the plan of a task; one that was proposed before plans were kept is kept now.

    Such proposals are from before revision 0007. They are valid for ten working days, so a plan's number may be taken
    for granted, here and in ``_turn_down``, in the release after the first one that brings 0007.
    """
    number = task.payload.get("plan_number")
    if number is None:
        plan = approvals.kept(task, read_plan)
        number = store.insert(connection, plan, by=task.proposed_by, at=task.proposed_at, chain=None)
        store.set_task(connection, number, task.id)
    kept = store.find(connection, number)
    if kept is None:
        raise RuntimeError(f"task {task.id} names plan {number}, which is not there")
    return kept


def _entries(connection: Connection, effect: Effect, kept: Kept) -> Iterator[Entry]:
    """Say line by line what became of it; what is withdrawn is said of the plans that withheld it, oldest first."""
    figures = ("allocated", "withheld", "deducted", "taken_back", "owed")
    for share in effect.shares:
        for figure in figures:
            if getattr(share, figure):
                yield Entry(kept.number, share.line.account, figure.upper(), getattr(share, figure))
    left = {share.line.account: share.withdrawn for share in effect.shares if share.withdrawn}
    for found in store.withheld_in_chain(connection, kept.chain, list(left)) if left else ():
        tonnes = min(found.tonnes, left[found.account])
        if tonnes:
            left[found.account] -= tonnes
            yield Entry(found.plan, found.account, "WITHDRAWN", tonnes)


def _turn_down(connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any]:
    number = task.payload.get("plan_number")
    if number is not None:
        store.finish(connection, number, store.TURNED_DOWN, at=None, day=None)
    return {}


def dry_run(connection: Connection, caller: Caller, number: int) -> Answer | Refused:
    """Return what carrying a proposed plan out would do now: the same figures that the real run books."""
    if caller.province is not None:
        return Refused(Reason.NOT_PERMITTED, "A province does not see all that a cap is shared with.")
    refused = refuse_unless(caller, *SEES_ALL)
    if refused is not None:
        return refused
    kept = store.find(connection, number)
    if kept is None:
        return Refused(Reason.PLAN_UNKNOWN)
    if kept.state != store.PROPOSED:
        return Refused(Reason.PLAN_EXECUTED if kept.state == store.EXECUTED else Reason.TASK_DECIDED, kept.name)
    effect = _work_out(connection, store.load(connection, kept))
    return effect if isinstance(effect, Refused) else foreseen("allocate_plan", effect.body, number=number)


EXECUTORS: Mapping[str, approvals.Executor] = {"allocate": _execute, "allocate_plan": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {"allocate": _turn_down, "allocate_plan": _turn_down}
