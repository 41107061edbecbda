"""An office that registers pledges and carries out court orders, and a look at what both accountings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.approvals import service as approvals
from core.callers import Caller
from core.encumbrance import endings, keeping, service
from core.ownership import cancellations
from core.refusals import Answer, Refused

EXECUTORS = {**service.EXECUTORS, **endings.EXECUTORS, **cancellations.EXECUTORS}
UNDOERS = {**service.UNDOERS, **cancellations.UNDOERS}
WORKER = Caller("settle@test", frozenset())


@dataclass(frozen=True)
class Office:
    """Two people, and what they do about encumbrances on a connection."""

    ann: Caller
    bob: Caller

    def pledge(self, connection: Connection, account: str, amount: Any = 40, **more: Any) -> Answer | Refused:
        body = {"account": account, "asset": "CEA-2019", "amount": amount, "creditor": "A bank", "document": "P-1"}
        return service.propose_pledge(connection, self.ann, body | more)

    def freeze(self, connection: Connection, account: str, amount: Any = 40, **more: Any) -> Answer | Refused:
        body = {"account": account, "asset": "CEA-2019", "amount": amount, "court": "A court", "document": "F-1"}
        body |= more
        if "everything" in more:
            body = {k: v for k, v in body.items() if k not in ("asset", "amount")}
        return service.propose_freeze(connection, self.ann, body)

    def release(self, connection: Connection, number: Any, amount: Any = None, **more: Any) -> Answer | Refused:
        body = {"encumbrance": number, "document": "R-1"} | ({"amount": amount} if amount is not None else {})
        return endings.propose_release(connection, self.ann, body | more)

    def realise(self, connection: Connection, number: Any, to: Any, amount: Any, **more: Any) -> Answer | Refused:
        body = {"encumbrance": number, "document": "R-2", "to_account": to, "amount": amount}
        return endings.propose_realisation(connection, self.ann, body | more)

    def deduct(self, connection: Connection, number: Any, to: Any, amount: Any, **more: Any) -> Answer | Refused:
        body = {"encumbrance": number, "document": "D-1", "to_account": to, "amount": amount}
        return endings.propose_deduction(connection, self.ann, body | more)

    def decide(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        """Approve as the second person."""
        assert isinstance(proposed, Answer), proposed
        return approvals.approve(connection, self.bob, str(proposed.body["id"]), EXECUTORS)

    def reject(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.reject(connection, self.bob, str(proposed.body["id"]), {"reason": "no"}, UNDOERS)

    def done(self, connection: Connection, proposed: Answer | Refused) -> dict[str, Any]:
        """Approve and return the outcome."""
        decided = self.decide(connection, proposed)
        assert isinstance(decided, Answer), decided
        outcome: dict[str, Any] = decided.body["outcome"]
        return outcome

    def registered(self, connection: Connection, proposed: Answer | Refused) -> str:
        """Approve a pledge or freeze and return its number."""
        return str(self.done(connection, proposed)["encumbrance"]["number"])

    def keep(self, connection: Connection) -> int:
        """Let the settle process do what is due."""
        return sum(keeping.do(connection, WORKER, item) for item in keeping.due(connection))


@pytest.fixture
def office(engine: Engine) -> Office:
    both = frozenset({"maker", "checker"})
    return Office(Caller("ann", both), Caller("bob", both))


DAY = """
INSERT INTO market_day VALUES ('2021-07-16', :state, 0, 0, NULL, '[]') ON CONFLICT (day) DO UPDATE SET state = :state
"""


def set_day(connection: Connection, account: str, state: str, *, asset: str = "CEA-2019", amount: int = 100) -> None:
    for statement in (
        DAY,
        "INSERT INTO opening VALUES ('2021-07-16', 1, 1, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING",
        "INSERT INTO opening_position VALUES ('2021-07-16', 1, :account, :asset, :amount) ON CONFLICT DO NOTHING",
    ):
        connection.execute(text(statement), {"state": state, "account": account, "asset": asset, "amount": amount})


@pytest.fixture
def day() -> Any:
    """Put an account into the opening data of a market day in a state."""
    return set_day


def set_state(connection: Connection, account: str, state: str = "RESTRICTED") -> None:
    facts = {"number": account, "state": state}
    connection.execute(text("UPDATE account SET state = :state WHERE number = :number"), facts)


@pytest.fixture
def put_into() -> Any:
    """Put an account into a state, as if two people had."""
    return set_state
