"""A small market made through the services themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine

from core.accounts import service as accounts
from core.allocation import service as allocation
from core.approvals import service as approvals
from core.approvals.rules import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import BANK, Transfer, place_of
from core.refusals import Answer, Refused
from core.surrender import service as surrender
from core.transfers import service as transfers

EXECUTORS = {**accounts.EXECUTORS, **allocation.EXECUTORS, **surrender.EXECUTORS}
UNDOERS = {**accounts.UNDOERS, **allocation.UNDOERS, **surrender.UNDOERS}


@dataclass(frozen=True)
class Market:
    """Two people and what they do on a connection."""

    ann: Caller
    bob: Caller

    def approve(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.approve(connection, self.bob, str(proposed.body["id"]), EXECUTORS)

    def reject(self, connection: Connection, proposed: Answer | Refused) -> Answer | Refused:
        assert isinstance(proposed, Answer), proposed
        return approvals.reject(connection, self.bob, str(proposed.body["id"]), {"reason": "no"}, UNDOERS)

    def open(self, connection: Connection, count: int, kind: str = "E") -> list[str]:
        lines = [{"name": f"Firm {n}", "kind": kind, "province": "42"} for n in range(count)]
        done = self.approve(connection, accounts.propose_openings(connection, self.ann, {"accounts": lines}))
        assert isinstance(done, Answer), done
        return [account["number"] for account in done.body["accounts"]]

    def allocate(
        self, connection: Connection, lines: Sequence[tuple[str, int]], plan: str = "first", product: str = "CEA-2019"
    ) -> None:
        body = {"product": product, "plan": plan, "lines": [{"account": a, "tonnes": t} for a, t in lines]}
        done = self.approve(connection, allocation.propose(connection, self.ann, body))
        assert isinstance(done, Answer), done

    def deposit(self, connection: Connection, account: str, fen: int) -> None:
        source, target = place_of(BANK, "CNY"), place_of(account, "CNY")
        day = market_day(clock.now(connection))
        ledger.post(connection, [Transfer(f"d-{account}", source, target, fen, "DEPOSIT", "test")], market_day=day)

    def transfer(
        self, connection: Connection, giver: object, taker: object, amount: object, asset: object = "CEA-2019"
    ) -> Answer | Refused:
        body = {"from_account": giver, "to_account": taker, "asset": asset, "amount": amount}
        return transfers.transfer(connection, self.ann, body, free_transfers=True)


@pytest.fixture
def market(engine: Engine) -> Market:
    """Ann proposes, Bob approves."""
    both = frozenset({"maker", "checker"})
    return Market(Caller("ann", both), Caller("bob", both))
