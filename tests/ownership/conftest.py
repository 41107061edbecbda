"""People who change ownership by law, and a look at what both accountings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from core.approvals import service as approvals
from core.callers import Caller
from core.encumbrance import endings, service
from core.ownership import cancellations, successions
from core.refusals import Answer, Refused

EXECUTORS = {**service.EXECUTORS, **endings.EXECUTORS, **cancellations.EXECUTORS, **successions.EXECUTORS}
UNDOERS = {**service.UNDOERS, **cancellations.UNDOERS}


@dataclass(frozen=True)
class Notary:
    """Ann proposes, Bob checks, Cai and Dan are of the province's authority."""

    ann: Caller
    bob: Caller
    cai: Caller
    dan: Caller

    def cancel(self, connection: Connection, account: Any, tonnes: Any = 40, **more: Any) -> Answer | Refused:
        body = {
            "account": account,
            "product": "CEA-2019",
            "tonnes": tonnes,
            "beneficiary": "Marathon",
            "reason": "Event",
        }
        return cancellations.propose(connection, self.ann, body | more)

    def succeed(self, connection: Connection, kind: str, account: Any, **more: Any) -> Answer | Refused:
        body = {"kind": kind, "account": account, "document": "Doc 1"} | more
        foreseen = successions.try_out(connection, self.ann, body)
        proposed = successions.propose(connection, self.ann, body)
        if isinstance(foreseen, Refused) or isinstance(proposed, Refused):
            assert foreseen == proposed, "the dry run says what the real run says"
        else:
            assert (foreseen.body["kind"], foreseen.body["outcome"]) == (kind, proposed.body["plan"])
        return proposed

    def approve(self, connection: Connection, proposed: Answer | Refused, by: Caller | None = None) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.approve(connection, by or self.bob, str(proposed.body["id"]), EXECUTORS)

    def done(self, connection: Connection, proposed: Answer | Refused) -> dict[str, Any]:
        """Approve by as many people as are needed and return the outcome."""
        assert isinstance(proposed, Answer), proposed
        people = [self.cai, self.dan] if proposed.body["kind"] in successions.EXECUTORS else [self.bob]
        for person in people:
            decided = self.approve(connection, proposed, person)
            assert isinstance(decided, Answer), decided
        outcome: dict[str, Any] = decided.body["outcome"]
        return outcome

    def reject(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.reject(connection, self.bob, str(proposed.body["id"]), {"reason": "no"}, UNDOERS)

    def encumber(self, connection: Connection, kind: str, account: str, quantity: int, **more: Any) -> str:
        """Register a pledge or freeze and return its number."""
        body = {"account": account, "asset": "CEA-2019", "amount": quantity, "document": "E-1"} | more
        if kind == "pledge":
            proposed = service.propose_pledge(connection, self.ann, {"creditor": "A bank"} | body)
        else:
            proposed = service.propose_freeze(connection, self.ann, {"court": "A court"} | body)
        return str(self.done(connection, proposed)["encumbrance"]["number"])


@pytest.fixture
def notary(engine: Engine) -> Notary:
    both, authority = frozenset({"maker", "checker"}), frozenset({"authority_checker"})
    return Notary(
        Caller("ann", both), Caller("bob", both), Caller("cai", authority, "42"), Caller("dan", authority, "42")
    )
