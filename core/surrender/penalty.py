"""Ends an obligation that was short at its deadline: what is missing comes off the next allocation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.accounts.rights import refuse_right
from core.allocation.deductions import store as deductions
from core.approvals import service as approvals
from core.approvals.rehearsal import rehearse
from core.approvals.rules import Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, Caller
from core.emissions.obligations import service as obligations
from core.emissions.obligations.rules import SHORT, Obligation
from core.emissions.years import store as years
from core.emissions.years.rules import YearRules, is_year
from core.refusals import Answer, Reason, Refused
from core.texts import is_plain_text


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Propose a penalty for an obligation that is short; a person of the authority decides."""
    account, year, reason = body.get("account"), body.get("year"), body.get("reason")
    if not (is_plain_text(account, 40) and is_year(year) and is_plain_text(reason, 500)):
        return Refused(Reason.MALFORMED, "account, year, and a reason in words.")
    refused = refuse_right(connection, caller, account, "maker")
    if refused is not None:
        return refused
    obligation, rules = obligations.lock(connection, account, year), years.in_force(connection, year)
    refused = _judge(obligation, rules)
    if refused is not None:
        return refused
    missing = obligation.missing(rules)
    return approvals.propose(
        connection,
        caller,
        kind="penalise",
        payload={"account": account, "year": year, "reason": reason, "missing": missing},
        subject=account,
        accounts=[account],
        decides=AUTHORITY_CHECKER,
    )


def _judge(obligation: Obligation, rules: YearRules) -> Refused | None:
    if obligation.state != SHORT:
        return Refused(Reason.NOT_SHORT, f"It is {obligation.state}.")
    waiting = obligation.pending_surrender + obligation.pending_offset
    if waiting:
        said = f"{waiting} of the {obligation.missing(rules)} t that are missing wait for a decision."
        return Refused(Reason.NOT_SHORT, said)
    return None


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    account, year = str(task.payload["account"]), int(task.payload["year"])
    obligation, rules = obligations.lock(connection, account, year), years.in_force(connection, year)
    refused = _judge(obligation, rules)  # again: it may have been met late
    if refused is not None:
        return refused
    after = obligations.penalise(connection, obligation, rules, reference=task.id)
    reason = f"short of {after.deducted} t for {year}: {task.payload['reason']}"
    deductions.add(connection, account, after.deducted, reason, f"penalty:{year}")
    outcome = {"state": after.state, "deducted": after.deducted}
    audit.record(connection, caller=caller.name, action="penalise", subject=account, detail=outcome)
    return outcome


EXECUTORS: Mapping[str, approvals.Executor] = {"penalise": _execute}


def dry_run(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what a penalty would come to; nothing of it stays."""

    def look(_outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        rules = years.in_force(connection, int(body["year"]))
        return {"obligation": obligations.facts(connection, str(body["account"]), rules)}

    return rehearse(
        connection, caller, propose=lambda: propose(connection, caller, body), executors=EXECUTORS, look=look
    )
