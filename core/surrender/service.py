"""Surrender in two steps: held on application, handed in when the authority's person approves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.accounts.balance import held
from core.accounts.rights import refuse_right, refuse_view, visible
from core.accounts.rules import Purpose, Side, refuse_source
from core.approvals import service as approvals
from core.approvals.rehearsal import rehearse
from core.approvals.rules import EITHER, Task
from core.audit import store as audit
from core.callers import AUTHORITY_CHECKER, Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.emissions.obligations import service as obligations
from core.emissions.obligations.rules import Obligation
from core.emissions.years import store as years
from core.emissions.years.rules import YearRules
from core.encumbrance import claims
from core.encumbrance.rules import LETS_COMPLY
from core.ledger import store as ledger
from core.ledger.holds import service as holds
from core.ledger.holds import store as kept_holds
from core.ledger.holds.rules import Hold
from core.ledger.rules import PENDING_SURRENDER, SURRENDERED, Place, place_of
from core.paging import page
from core.refusals import Answer, Reason, Refused
from core.surrender import store
from core.surrender.rules import (
    PENDING,
    RELEASED,
    Application,
    Surrender,
    decide,
    read_application,
    refuse_for_year,
)
from core.units import store as units

KIND = "SURRENDER"
"""Begins the types of what is booked and moved for a surrender."""


def propose(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Apply to hand units in; they are held at once and handed in on approval.

    Once the exchange trades on the account's opening data, its units may be sold at any moment: then it must wait.
    Before trading starts it need not: the exchange is then sent a new version of the opening data before it opens.
    """
    application = read_application(body)
    if isinstance(application, Refused):
        return application
    refused = refuse_right(connection, caller, application.account, "maker")
    if refused is not None:
        return refused
    rules = years.in_force(connection, application.year)
    obligation = obligations.lock(connection, application.account, application.year)
    tonnes = _decide(connection, application, rules, obligation)
    if isinstance(tonnes, Refused):
        return tonnes
    now, number = clock.now(connection), str(uuid4())
    wanted = Hold(number, _available(application), PENDING_SURRENDER, tonnes, None, number, market_day(now), kind=KIND)
    made = holds.hold(connection, wanted)
    if isinstance(made, Refused):
        return made
    obligations.change(
        connection, obligation, rules, cause="surrender", reference=number, deltas={"pending_surrender": tonnes}
    )
    authority = rules.authority or obligation.due is not None
    payload = {
        "account": application.account,
        "product": application.product,
        "tonnes": tonnes,
        "year": application.year,
        "hold": number,
    }
    proposed = approvals.propose(
        connection,
        caller,
        kind="surrender",
        payload=payload,
        subject=application.account,
        accounts=[application.account],
        decides=AUTHORITY_CHECKER if authority else EITHER,
    )
    kept = Surrender(
        id=number,
        account=application.account,
        year=application.year,
        product=application.product,
        tonnes=tonnes,
        state=PENDING,
        authority=authority,
        applied_at=now,
        task=str(proposed.body["id"]),
    )
    store.insert(connection, kept)
    return proposed


def _decide(
    connection: Connection, application: Application, rules: YearRules, obligation: Obligation
) -> int | Refused:
    available, pending = _available(application), _pending(application)
    has = ledger.lock_balances(connection, [available, pending])
    free = claims.free(connection, application.account, application.product, lets=LETS_COMPLY)
    found = accounts_store.find(connection, [application.account])
    return decide(
        application,
        source=Side(found.get(application.account), free),
        pending=has[pending],
        trading=accounts_store.may_be_sold(connection, application.account),
        known_product=has[available] > 0 or accounts.is_known(connection, application.product),
        rules=rules,
        obligation=obligation,
    )


def _execute(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    application, now = approvals.kept(task, read_application), clock.now(connection)
    if application.vintage is None:
        raise TypeError(f"task {task.id} names no product")
    kept = store.find(connection, str(task.payload["hold"]), hold=True)
    rules = years.in_force(connection, application.year)
    obligation = obligations.lock(connection, application.account, application.year)
    refused = _refuse_now(connection, application, rules, obligation, counted=kept is not None)
    if refused is not None:
        return refused
    number, taker = _hold_of(connection, task), place_of(SURRENDERED, application.product)
    done = holds.post_hold(connection, number, taker, now=now)
    if isinstance(done, Refused):
        return done
    moved = units.move(
        connection,
        giver=application.account,
        taker=SURRENDERED,
        vintage=application.vintage,
        tonnes=application.tonnes,
        type=KIND,
        reference=number,
        market_day=market_day(now),
    )
    _count(connection, task, application, rules, obligation, kept)
    if kept is not None:
        store.done(connection, kept.id, at=now, until=rules.reversible_until(now), serials=moved)
    outcome = {"surrendered": application.tonnes, "serials": [str(block) for block in moved]}
    audit.record(connection, caller=caller.name, action="surrender", subject=application.account, detail=outcome)
    return outcome


def _refuse_now(
    connection: Connection, application: Application, rules: YearRules, obligation: Obligation, *, counted: bool
) -> Refused | None:
    """Refuse what was right when it was proposed and no longer is: the account, the year's rules, the amount due."""
    account = accounts_store.find(connection, [application.account]).get(application.account)
    refused = refuse_source(application.account, account, with_exchange=False, purpose=Purpose.COMPLIANCE)
    if refused is not None:
        return refused
    own = {"pending_surrender": -application.tonnes if counted else 0}
    return refuse_for_year(application, obligations.without(obligation, own), rules)


def _count(
    connection: Connection,
    task: Task,
    application: Application,
    rules: YearRules,
    obligation: Obligation,
    kept: Surrender | None,
) -> None:
    """Count what was handed in; a proposal from before obligations were kept is not pending in one.

    Such proposals are from before revision 0008. They are valid for ten working days, so ``kept`` may be taken for
    granted, here and where it is looked up, in the release after the first one that brings 0008.
    """
    deltas = {"surrendered": application.tonnes}
    if kept is not None:
        deltas["pending_surrender"] = -application.tonnes
    obligations.change(connection, obligation, rules, cause="surrender", reference=task.id, deltas=deltas)


def _release(connection: Connection, caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
    application = approvals.kept(task, read_application)
    kept = store.find(connection, str(task.payload["hold"]), hold=True)
    done = holds.void_hold(connection, _hold_of(connection, task), now=clock.now(connection))
    if isinstance(done, Refused):
        return done
    if kept is not None:
        rules = years.in_force(connection, application.year)
        obligation = obligations.lock(connection, application.account, application.year)
        free = {"pending_surrender": -application.tonnes}
        obligations.change(connection, obligation, rules, cause="released", reference=task.id, deltas=free)
        store.move(connection, kept.id, RELEASED)
    outcome = {"released": application.tonnes}
    audit.record(connection, caller=caller.name, action="release hold", subject=application.account, detail=outcome)
    return outcome


def dry_run(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Tell what a surrender would come to, on the same data and by the same code; nothing of it stays."""

    def look(_outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        return after(connection, str(body["account"]), int(body["year"]))

    return rehearse(
        connection, caller, propose=lambda: propose(connection, caller, body), executors=EXECUTORS, look=look
    )


def after(connection: Connection, account: str, year: int) -> dict[str, Any]:
    """Return an account's obligation of a year and its balances, as a dry run shows them."""
    return {
        "obligation": obligations.facts(connection, account, years.in_force(connection, year)),
        "holdings": held(connection, account),
    }


def get(connection: Connection, caller: Caller, number: str) -> Answer | Refused:
    """Return a surrender with the serials that were handed in, and until when it can be reversed."""
    found = store.find(connection, UUID(number))
    if found is None or refuse_view(connection, caller, found.account) is not None:
        return Refused(Reason.SURRENDER_UNKNOWN)  # whoever may not see it does not learn that it is there
    return Answer(200, found.body)


def list_surrenders(
    connection: Connection, caller: Caller, number: str, *, after: UUID | None, limit: int
) -> Answer | Refused:
    """Return a page of an account's surrenders, oldest first."""
    account = visible(connection, caller, number)
    if isinstance(account, Refused):
        return account
    found, more = page(store.page(connection, number, after=after, limit=limit + 1), limit, lambda one: one.id)
    return Answer(200, {"account": number, "surrenders": [one.body for one in found], "next": more})


def _available(application: Application) -> Place:
    return place_of(application.account, application.product)


def _pending(application: Application) -> Place:
    return place_of(application.account, application.product, PENDING_SURRENDER)


def _hold_of(connection: Connection, task: Task) -> str:
    """Name the task's hold; of a proposal from before holds were kept it is kept now."""
    number = str(task.payload["hold"])
    kept_holds.adopt(connection, number, KIND)
    return number


EXECUTORS: Mapping[str, approvals.Executor] = {"surrender": _execute}
UNDOERS: Mapping[str, approvals.Executor] = {"surrender": _release}
