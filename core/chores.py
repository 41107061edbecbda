"""What the settle process does beside the market days, subject by subject; and its start."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from core.api import store
from core.approvals import service as approvals
from core.audit import store as audit
from core.callers import Caller
from core.clock import store as clock
from core.day import worker
from core.day.chores import Chore
from core.emissions.obligations import service as obligations
from core.encumbrance import keeping
from core.executors import EXECUTORS, UNDOERS
from core.ledger import chain
from core.ledger.holds import service as holds
from core.ledger.holds import store as kept_holds
from core.offset import link
from core.offset.wire import OffsetRegistry
from core.ownership import successions
from core.settings import Settings, settings


def _settle_task(connection: Connection, caller: Caller, task_id: str) -> str | None:
    store.enter(connection)  # a task carried out here is a group of one: it meets no other group half way
    return approvals.settle(connection, caller, task_id, executors=EXECUTORS, undoers=UNDOERS)


def _loose(connection: Connection) -> Sequence[str]:
    return ["audit"] if audit.is_loose(connection) else []


def _seal(connection: Connection, _caller: Caller, _item: str) -> None:
    """Tell of no change: whoever changed something looks again at once, and would make a link for each few rows."""
    audit.seal(connection)


def _over(connection: Connection) -> Sequence[str]:
    return kept_holds.due(connection, clock.now(connection))


def _expire_hold(connection: Connection, caller: Caller, hold_id: str) -> str | None:
    store.enter(connection)
    over = holds.expire_hold(connection, hold_id, clock.now(connection))
    if over is None:
        return None
    detail = {"hold": hold_id, "asset": over.source.asset, "amount": over.amount, "bucket": over.bucket}
    audit.record(connection, caller=caller.name, action="hold expired", subject=over.source.owner, detail=detail)
    return over.state


def _deadlines(connection: Connection) -> Sequence[str]:
    return ["deadlines"] if obligations.deadlines_over(connection) else []


def _close_deadlines(connection: Connection, _caller: Caller, _item: str) -> int:
    return obligations.close_deadlines(connection)


def _keep_freeze(connection: Connection, caller: Caller, item: str) -> bool:
    store.enter(connection)
    return keeping.do(connection, caller, item)


def _close_account(connection: Connection, caller: Caller, number: str) -> bool:
    store.enter(connection)
    return successions.close(connection, caller, number)


def _loose_batches(connection: Connection) -> Sequence[str]:
    return ["ledger"] if chain.is_loose(connection) else []


def _link(connection: Connection, _caller: Caller, _item: str) -> None:
    chain.link_loose(connection)  # and tell of no change, for the same reason


CHORES = (
    Chore("task", approvals.due, _settle_task),
    Chore("hold", _over, _expire_hold),
    Chore("deadline", _deadlines, _close_deadlines),
    Chore("offset lot", link.timed_out, link.time_out),
    Chore("freeze", keeping.due, _keep_freeze),
    Chore("closing", successions.closings, _close_account),
    Chore("audit", _loose, _seal),
    Chore("chain", _loose_batches, _link),
)


def chores(facts: Settings) -> tuple[Chore, ...]:
    """Return what becomes due by itself in this deployment; who has no offset registry asks none."""
    if facts.ccer is None:
        return CHORES
    return (*CHORES, Chore("offset registry", link.waiting, link.deliver(OffsetRegistry.at(facts.ccer))))


def main() -> None:
    """Run the settle process of this node until SIGTERM."""
    worker.main(chores(settings()))
