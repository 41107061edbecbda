"""Which service carries out which write: the table that the queue replays from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from core.accounts import service as accounts
from core.allocation import service as allocation
from core.api import store
from core.approvals import service as approvals
from core.approvals.rules import Caller
from core.bank import service as bank
from core.clock import store as clock
from core.clock.rules import decide_move, market_time
from core.day import service as day
from core.ledger.rules import Place, place_of
from core.refusals import Answer, Reason, Refused
from core.surrender import service as surrender

Body = Mapping[str, Any]
Service = Callable[[Connection, Caller, Body], Answer | Refused]

EXECUTORS: Mapping[str, approvals.Executor] = {**accounts.EXECUTORS, **allocation.EXECUTORS, **surrender.EXECUTORS}
UNDOERS: Mapping[str, approvals.Executor] = {**accounts.UNDOERS, **allocation.UNDOERS, **surrender.UNDOERS}


def _no_places(_body: Body) -> Sequence[Place]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """One kind of write."""

    run: Service
    places: Callable[[Body], Sequence[Place]] = _no_places
    alone: bool = False
    """It books balances that its body does not name, or very many."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Every kind of write of this deployment."""

    open_account: Command
    open_accounts: Command
    approve: Command
    reject: Command
    allocate: Command
    transfer: Command
    surrender: Command
    deposit: Command
    open_day: Command
    move_clock: Command
    beat: Command


def commands(*, playground: bool) -> Commands:
    """Build the table."""
    return Commands(
        open_account=Command(accounts.propose_opening),
        open_accounts=Command(accounts.propose_openings, alone=True),
        approve=Command(_approve, alone=True),
        reject=Command(_reject, alone=True),
        allocate=Command(allocation.propose, alone=True),
        transfer=Command(partial(accounts.transfer, free_transfers=playground), places=_both_sides),
        surrender=Command(surrender.propose, alone=True),
        deposit=Command(bank.record_deposits, alone=True),
        open_day=Command(day.open_day, alone=True),
        move_clock=Command(partial(_move_clock, allowed=playground)),
        beat=Command(_beat),
    )


def _both_sides(body: Body) -> Sequence[Place]:
    return [place_of(body[side], body["asset"]) for side in ("from_account", "to_account")]


def _approve(connection: Connection, caller: Caller, body: Body) -> Answer | Refused:
    return approvals.approve(connection, caller, body["task"], EXECUTORS)


def _reject(connection: Connection, caller: Caller, body: Body) -> Answer | Refused:
    return approvals.reject(connection, caller, body["task"], body, UNDOERS)


def _move_clock(connection: Connection, caller: Caller, body: Body, *, allowed: bool) -> Answer | Refused:
    if not allowed:
        return Refused(Reason.NOT_PERMITTED, "The clock is moved over the API in the playground only.")
    moved = decide_move(now=clock.lock(connection), to=datetime.fromisoformat(body["now"]))
    if isinstance(moved, Refused):
        return moved
    clock.move(connection, to=moved, by=caller.name)
    return Answer(200, show_clock(connection))


def show_clock(connection: Connection) -> dict[str, object]:
    """Return business time as callers read it, in the market's zone."""
    moment = market_time(clock.now(connection))
    return {"now": moment.isoformat(), "market_day": moment.date().isoformat()}


def _beat(connection: Connection, _caller: Caller, body: Body) -> Answer:
    store.beat(connection, probe=body["probe"], n=body["n"])
    return Answer(201, {"probe": body["probe"], "n": body["n"]})
