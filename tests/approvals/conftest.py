"""A kind of task of which everything is known, people of every kind, and a small market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts.operators import store as operators
from core.accounts.rights import refuse_right
from core.accounts.rules import number_of
from core.approvals import service as approvals
from core.approvals.rules import Task
from core.callers import Caller
from core.db.transaction import Unknown, read, write
from core.executors import EXECUTORS
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, Transfer, place_of
from core.quantities import Vintage
from core.refusals import Answer, Reason, Refused
from core.units import store as units

ANN = Caller("ann", frozenset({"maker", "checker"}))
BOB = Caller("bob", frozenset({"maker", "checker"}))
EVE = Caller("eve", frozenset({"maker", "checker"}))
WORKER = Caller("settle@main-1", frozenset())


@dataclass
class Office:
    """Proposes notes, and does with them what people and workers do."""

    engine: Engine
    refuses: Reason | None = None
    """Why no note can be carried out just now."""
    done: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    serial: int = 0

    def executors(self) -> Mapping[str, approvals.Executor]:
        def carry_out(_connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any] | Refused:
            if self.refuses is not None:
                return Refused(self.refuses)
            self.done.append(task.id)
            return {"noted": True}

        return {**EXECUTORS, "note": carry_out}

    def undoers(self) -> Mapping[str, approvals.Executor]:
        def undo(_connection: Connection, _caller: Caller, task: Task) -> Mapping[str, Any]:
            self.undone.append(task.id)
            return {"released": True}

        return {"note": undo}

    def write(self, work: Any) -> Any:
        done = write(self.engine, work)
        assert not isinstance(done, Unknown)
        return done

    def read(self, work: Any) -> Any:
        return read(self.engine, work)

    def note(self, by: Caller = ANN, *, subject: str = "", **how: Any) -> str:
        named = how.get("accounts", ())
        subject = subject or (named[0] if len(named) == 1 else "test")
        proposed = self.write(
            lambda c: approvals.propose(c, by, kind="note", payload={"text": "x"}, subject=subject, **how)
        )
        return str(proposed.body["id"])

    def approve(self, task: str, by: Caller = BOB) -> Answer | Refused:
        ended: Answer | Refused = self.write(
            lambda c: approvals.approve(c, by, task, self.executors(), rights=refuse_right)
        )
        return ended

    def reject(self, task: str, by: Caller = BOB) -> Answer | Refused:
        body = {"reason": "no"}
        ended: Answer | Refused = self.write(
            lambda c: approvals.reject(c, by, task, body, self.undoers(), rights=refuse_right)
        )
        return ended

    def withdraw(self, task: str, by: Caller = ANN) -> Answer | Refused:
        ended: Answer | Refused = self.write(lambda c: approvals.withdraw(c, by, task, self.undoers()))
        return ended

    def settle(self) -> list[str | None]:
        """Do what the time has come for, as a worker does."""
        found = self.read(approvals.due)
        return [
            self.write(
                lambda c, t=task: approvals.settle(c, WORKER, t, executors=self.executors(), undoers=self.undoers())
            )
            for task in found
        ]

    def task(self, task: str, by: Caller = ANN) -> Mapping[str, Any]:
        found = self.read(lambda c: approvals.get(c, by, task, rights=refuse_right))
        assert isinstance(found, Answer), found
        return found.body

    def clock(self, moment: str) -> None:
        now = datetime.fromisoformat(f"{moment}+08:00")
        self.write(lambda c: c.execute(text("UPDATE business_clock SET now = :now"), {"now": now}))

    def holder(self, right: str, account: str) -> Caller:
        """Give a right for an account to somebody of its subject."""
        self.serial += 1
        caller = Caller(f"holder-{self.serial}", frozenset({"holder"}))
        at = datetime.fromisoformat("2021-07-15T09:00:00+08:00")
        self.write(lambda c: operators.grant(c, account, caller.name, right, at=at, by="ann"))
        return caller

    def account(self, *, tonnes: int = 0, province: str = "42", product: str = "CEA-2019") -> str:
        """Open an account that holds something."""
        self.serial += 1
        number = number_of("E", province, 3000 + self.serial)

        def work(connection: Connection) -> None:
            facts = {"number": number, "name": f"Firm {number}"}
            connection.execute(text("INSERT INTO account (number, name, state) VALUES (:number, :name, 'OPEN')"), facts)
            if tonnes:
                day = date(2021, 7, 15)
                giver, taker = place_of(ISSUANCE, product), place_of(number, product)
                ledger.post(
                    connection, [Transfer(f"a:{number}", giver, taker, tonnes, "ALLOCATE", "t")], market_day=day
                )
                vintage = Vintage.of_product(product)
                units.issue(
                    connection, issue_id=f"a:{number}", vintage=vintage, tonnes=tonnes, holder=number, market_day=day
                )

        self.write(work)
        return number


@pytest.fixture
def office(engine: Engine) -> Office:
    """The clock stands at 09:00 on Thursday, 2021-07-15."""
    return Office(engine)
