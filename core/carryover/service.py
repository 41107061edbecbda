"""Carries units over: set aside on application, then cancelled in their vintage and issued anew in a later one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from core.accounts import store as accounts
from core.accounts.balance import held
from core.accounts.rights import refuse_right, visible
from core.accounts.rules import Purpose, Side, refuse_source
from core.approvals import service as approvals
from core.approvals.rehearsal import rehearse
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, MAKER, Caller, refuse_unless
from core.carryover import store
from core.carryover.rules import (
    DONE,
    RELEASED,
    Application,
    RuleSet,
    Standing,
    decide,
    read_application,
    read_rule,
    refuse_by_rule,
    refuse_rule,
    rule_for,
)
from core.clock import store as clock
from core.clock.rules import market_day
from core.encumbrance import claims
from core.encumbrance.rules import LETS_COMPLY
from core.ledger import store as ledger
from core.ledger.holds import service as holds
from core.ledger.holds.rules import Hold
from core.ledger.rules import CANCELLED, ISSUANCE, RESTRICTED, Transfer, place_of
from core.paging import page
from core.quantities import Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units

KIND = "CARRY_OVER"
"""Begins the types of what is booked and moved for a carry-over."""


def propose_rule(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose a rule set, a first or a changed one."""
    read = refuse_unless(caller, MAKER) or read_rule(body)
    if isinstance(read, Refused):
        return read
    rule, reason = read
    refused = refuse_rule(rule, store.rules(connection))
    if refused is not None:
        return refused
    payload = {**rule.body, "reason": reason}
    del payload["version"]  # it is counted when the rule set is laid down
    return approvals.propose(
        connection, caller, kind="carry_over_rule", payload=payload, subject=f"carry-over rule {rule.name}"
    )


def _lay_down(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    rule, reason = approvals.kept(task, read_rule)
    store.lock_rules(connection)
    known = store.rules(connection)
    refused = refuse_rule(rule, known)  # again: another rule set may have taken a vintage
    if refused is not None:
        return refused
    version = 1 + max((other.version for other in known if other.name == rule.name), default=0)
    rule = replace(rule, version=version)
    store.insert_rule(connection, rule, reason, by=(task.proposed_by, caller.name), at=clock.now(connection))
    audit.record(connection, caller=caller.name, action="carry-over rule", subject=rule.name, detail=rule.body)
    return {"version": version}


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Apply to carry units over; they are set aside at once, and a person of the authority decides."""
    application = read_application(body)
    if isinstance(application, Refused):
        return application
    refused = refuse_right(connection, caller, application.account, "maker")
    if refused is not None:
        return refused
    store.lock_account(connection, application.account)
    rule = rule_for(application.vintage, store.rules(connection))
    standing = standing_of(connection, application.account, rule) if rule is not None else Standing(0, 0)
    decided = _decide(connection, application, rule, standing)
    if isinstance(decided, Refused):
        return decided
    tonnes, rule = decided
    now, number = clock.now(connection), str(uuid4())
    target = Vintage(rule.to_vintage).product
    source = place_of(application.account, application.product)
    wanted = Hold(number, source, RESTRICTED, tonnes, None, _reference(number), market_day(now), kind=KIND)
    made = holds.hold(connection, wanted)
    if isinstance(made, Refused):
        return made
    facts = {
        "account": application.account,
        "rule": rule.name,
        "version": rule.version,
        "from_product": application.product,
        "to_product": target,
        "tonnes": tonnes,
        "net_sold": standing.net_sold,
        "limit_t": rule.limit(standing.net_sold),
    }
    store.insert(connection, number, facts, at=now)
    proposed = approvals.propose(
        connection,
        caller,
        kind="carry_over",
        payload={
            "account": application.account,
            "product": application.product,
            "to_product": target,
            "tonnes": tonnes,
            "rule": rule.name,
            "application": number,
        },
        subject=application.account,
        accounts=[application.account],
        decides=AUTHORITY_CHECKER,
    )
    store.name_task(connection, number, str(proposed.body["id"]))
    return proposed


def standing_of(connection: Connection, account: str, rule: RuleSet, *, but: str | None = None) -> Standing:
    """Return what an account sold, net, and has carried over or asked for, but for one application."""
    sold = store.net_sold(connection, account, rule)
    return Standing(sold, store.carried(connection, account, rule.name, but=but))


def _decide(
    connection: Connection, application: Application, rule: RuleSet | None, standing: Standing
) -> tuple[int, RuleSet] | Refused:
    aside = place_of(application.account, application.product, RESTRICTED)
    has = ledger.lock_balances(connection, [place_of(application.account, application.product), aside])
    free = claims.free(connection, application.account, application.product, lets=LETS_COMPLY)
    return decide(
        application,
        source=Side(accounts.find(connection, [application.account]).get(application.account), free),
        set_aside=has[aside],
        trading=accounts.may_be_sold(connection, application.account),
        rule=rule,
        standing=standing,
        today=market_day(clock.now(connection)),
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    application, number = approvals.kept(task, read_application), str(task.payload["application"])
    store.lock_account(connection, application.account)
    kept = store.lock(connection, number)
    refused = _refuse_now(connection, application, kept)
    if refused is not None:
        return refused
    now, target = clock.now(connection), Vintage.of_product(kept["to_product"])
    day, account, tonnes = market_day(now), application.account, int(kept["tonnes"])
    gone = place_of(CANCELLED, application.product)
    source, free = place_of(ISSUANCE, target.product), place_of(account, target.product)
    issue = Transfer(f"{task.id}/issue", source, free, tonnes, "CARRY_OVER_ISSUE", _reference(number))
    done = holds.post_hold(connection, number, gone, now=now, kind="CARRY_OVER_CANCEL", linked=[issue])
    if isinstance(done, Refused):
        return done
    cancelled = units.move(
        connection,
        giver=account,
        taker=CANCELLED,
        vintage=Vintage.of_product(application.product),
        tonnes=tonnes,
        type="CARRY_OVER_CANCEL",
        reference=_reference(number),
        market_day=day,
    )
    issued = units.issue(
        connection, issue_id=_reference(number), vintage=target, tonnes=tonnes, holder=account, market_day=day
    )
    serials = [block.body for block in cancelled]
    store.end(connection, number, DONE, at=now, cancelled=serials, issued=issued.body)
    outcome = {"carried_over": tonnes, "cancelled": serials, "issued": issued.body}
    audit.record(connection, caller=caller.name, action="carry over", subject=account, detail=outcome)
    return outcome


def _refuse_now(connection: Connection, application: Application, kept: Mapping[str, Any]) -> Refused | None:
    """Refuse what was right when it was proposed and no longer is; it was applied for in time."""
    account = accounts.find(connection, [application.account]).get(application.account)
    refused = refuse_source(application.account, account, with_exchange=False, purpose=Purpose.COMPLIANCE)
    if refused is not None:
        return refused
    rule = rule_for(application.vintage, store.rules(connection))
    if rule is None or Vintage(rule.to_vintage).product != kept["to_product"]:
        return Refused(Reason.CARRY_OVER_UNRULED, f"Not any more into {kept['to_product']}.")
    standing = standing_of(connection, application.account, rule, but=kept["id"])
    return refuse_by_rule(application.tonnes, rule, standing, today=None)


def _release(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    application, now = approvals.kept(task, read_application), clock.now(connection)
    number = str(task.payload["application"])
    done = holds.void_hold(connection, number, now=now)
    if isinstance(done, Refused):
        return done
    store.end(connection, number, RELEASED, at=now)
    outcome = {"released": application.tonnes}
    audit.record(connection, caller=caller.name, action="release hold", subject=application.account, detail=outcome)
    return outcome


def dry_run(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what a carry-over would come to, on the same data and by the same code; nothing of it stays."""

    def look(_outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        account = str(body["account"])
        return {"holdings": held(connection, account), "limits": limits(connection, account)}

    return rehearse(
        connection, caller, propose=lambda: propose(connection, caller, body), executors=EXECUTORS, look=look
    )


def limits(connection: Connection, account: str) -> list[dict[str, Any]]:
    """Return what an account may carry over by each rule set, and how that is worked out."""
    found = [(rule, standing_of(connection, account, rule)) for rule in store.rules(connection)]
    return [
        {
            "rule": rule.name,
            "vintages": list(rule.vintages),
            "to_vintage": rule.to_vintage,
            "net_sold": standing.net_sold,
            "limit_t": rule.limit(standing.net_sold),
            "carried": standing.carried,
            "left": standing.left(rule),
            "apply_until": rule.apply_until.isoformat(),
        }
        for rule, standing in found
    ]


def list_carry_overs(
    connection: Connection, caller: Caller, number: str, *, after: UUID | None, limit: int
) -> Answer | Refused:
    """Return a page of an account's carry-overs, and what it may still carry over."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    found, more = page(store.page(connection, number, after=after, limit=limit + 1), limit, lambda one: one["id"])
    listed = {"account": number, "limits": limits(connection, number), "carry_overs": found, "next": more}
    return Answer(200, listed)


def list_rules(connection: Connection, _caller: Caller) -> Answer:
    """Return the rule sets in force."""
    return Answer(200, {"rules": [rule.body for rule in store.rules(connection)]})


def _reference(number: str) -> str:
    """Name an application in both accountings: what is set aside, cancelled and issued for it."""
    return f"carry-over:{number}"


EXECUTORS: Mapping[str, approvals.Executor] = {"carry_over": _execute, "carry_over_rule": _lay_down}
UNDOERS: Mapping[str, approvals.Executor] = {"carry_over": _release}
