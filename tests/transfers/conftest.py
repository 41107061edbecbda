"""A market of a few accounts on a real database, and requests as the API queues them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts import service as accounts
from core.allocation import service as allocation
from core.api import strict
from core.api.group import Write, decide
from core.api.routes.holdings import TRANSFER
from core.approvals import service as approvals
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.executors import EXECUTORS
from core.ledger import store as ledger
from core.ledger.rules import BANK, Transfer, place_of
from core.refusals import Answer
from core.units import store as units

ANN, BOB = (Caller(name, frozenset({"maker", "checker"})) for name in ("ann", "bob"))


@dataclass(frozen=True)
class Town:
    """Some accounts with money and units, and what can be asked and seen there."""

    engine: Engine
    accounts: list[str]

    def ask(self, key: str, giver: str, taker: str, asset: str, amount: object, caller: Caller = ANN) -> Write:
        body = {"from_account": giver, "to_account": taker, "asset": asset, "amount": amount}
        command = TRANSFER[True]
        return Write(
            caller=caller.name,
            route="POST /v1/transfers",
            key=key,
            fingerprint=strict.fingerprint("POST", "/v1/transfers", body),
            run=lambda connection: command.run(connection, caller, body),
            run_all=command.run_all,
            asked=(caller, body),
            places=command.places(body),
        )

    def decide(self, group: Sequence[Write]) -> list[Answer]:
        with self.engine.begin() as connection:
            return decide(connection, group)

    def balances(self) -> dict[tuple[str, str], int]:
        with self.engine.begin() as connection:
            return {(b.owner, b.asset): b.amount for b in ledger.balances(connection, self.accounts)}

    def blocks(self) -> dict[str, list[str]]:
        with self.engine.begin() as connection:
            return {account: [str(block) for block in units.holdings(connection, account)] for account in self.accounts}

    def moves(self) -> list[tuple[Any, ...]]:
        """Which serials changed hands, in their order."""
        asked = text("SELECT serials::text, giver, taker, type FROM unit_move ORDER BY id")
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(asked)]

    def faults(self) -> list[object]:
        """What ledger, units and chain do not agree on."""
        with self.engine.begin() as connection:
            tonnes = {(holder, f"CEA-{year}"): n for (holder, year), n in units.totals(connection).items()}
            held = {(b.owner, b.asset): b.amount for b in ledger.balances(connection, self.accounts)}
            unequal = [place for place, n in held.items() if place[1] != "CNY" and tonnes.get(place, 0) != n]
            unequal += [place for place, n in tonnes.items() if held.get(place, 0) != n]
            return [*unequal, *ledger.drifted(connection), *ledger.verify_chain(connection)]


def build(engine: Engine, *, size: int, fen: int, tonnes: int) -> Town:
    """Open accounts; every second one gets units of a vintage, all get cash."""
    with engine.begin() as connection:
        lines = [{"name": f"Firm {n}", "kind": "E", "province": "42"} for n in range(size)]
        opened = _approved(connection, accounts.propose_openings(connection, ANN, {"accounts": lines}))
        numbers = [account["number"] for account in opened["accounts"]]
        day = market_day(clock.now(connection))
        cash = [
            Transfer(f"d-{n}", place_of(BANK, "CNY"), place_of(n, "CNY"), fen, "DEPOSIT", "test") for n in numbers[1:]
        ]
        ledger.post(connection, cash, market_day=day)
        for year in (2019, 2020):
            given = [{"account": number, "tonnes": tonnes} for number in numbers[year % 2 :: 2]]
            body = {"product": f"CEA-{year}", "plan": f"plan {year}", "lines": given}
            _approved(connection, allocation.propose(connection, ANN, body))
    return Town(engine, numbers)


def _approved(connection: Connection, proposed: object) -> Any:
    assert isinstance(proposed, Answer), proposed
    done = approvals.approve(connection, BOB, str(proposed.body["id"]), EXECUTORS)
    assert isinstance(done, Answer), done
    return done.body


@pytest.fixture
def town(engine: Engine) -> Town:
    """Five accounts; the first has no cash place, and each has units of one vintage only."""
    return build(engine, size=5, fen=100, tonnes=60)
