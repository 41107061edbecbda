"""Whatever people do about encumbrances, in whatever order, nobody's ownership changes but by what takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from core.encumbrance import store
from core.ledger import store as ledger
from core.ledger.rules import CANCELLED
from core.ownership import cancellations
from core.refusals import Answer, Refused

HOLDING = ("pledge", "freeze", "release", "keep", "day")
TAKING = ("realise", "deduct", "transfer", "cancel")

STEPS = st.lists(
    st.tuples(
        st.sampled_from((*HOLDING, *TAKING)),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 70),
        st.sampled_from(["approve", "approve", "reject"]),
    ),
    min_size=3,
    max_size=14,
)


def owned(connection: Connection, numbers: list[str]) -> dict[str, int]:
    """What everybody owns, however it is held."""
    found = dict.fromkeys([*numbers, CANCELLED], 0)
    for b in ledger.balances(connection, list(found)):
        found[b.owner] += b.amount
    return found


def in_force(connection: Connection, numbers: list[str], kind: str, nth: int) -> str:
    """Name one of the encumbrances of a kind that hold something, or one that is not there."""
    found = [one for number in numbers for one in store.of_account(connection, number, after=0, limit=100)]
    alive = [one.name for one in found if one.kind == kind and one.held and one.state != "PROPOSED"]
    return alive[nth % len(alive)] if alive else "ENC-99999999"


@dataclass
class Play:
    """Carries out steps on a market that trades or does not."""

    market: Any
    office: Any
    day: Any
    numbers: list[str]
    trading: bool = False
    steps: int = 0

    def ask(self, connection: Connection, kind: str, a: int, b: int, amount: int) -> Answer | Refused | None:
        """Do a step at once, or propose it."""
        self.steps += 1
        giver, taker, office = self.numbers[a], self.numbers[b], self.office
        if kind == "pledge":
            return office.pledge(connection, giver, amount, document=f"{self.steps}", creditor_account=taker)
        if kind == "freeze":
            return office.freeze(connection, giver, amount, document=f"{self.steps}")
        if kind == "release":
            found = in_force(connection, self.numbers, "PLEDGE" if a else "FREEZE", b)
            return office.release(connection, found, amount)
        if kind in {"realise", "deduct"}:
            found = in_force(connection, self.numbers, "PLEDGE" if kind == "realise" else "FREEZE", a)
            return getattr(office, kind)(connection, found, taker, amount, instruction="sell")
        if kind == "cancel":
            body = {"account": giver, "product": "CEA-2019", "tonnes": amount, "beneficiary": "x", "reason": "y"}
            return cancellations.propose(connection, office.ann, body)
        self._do(connection, kind, giver, taker, amount)
        return None

    def _do(self, connection: Connection, kind: str, giver: str, taker: str, amount: int) -> None:
        if kind == "transfer":
            self.market.transfer(connection, giver, taker, amount)
        elif kind == "keep":
            self.office.keep(connection)
        else:
            self.trading = not self.trading
            for number in self.numbers:
                self.day(connection, number, "TRADING" if self.trading else "DELIVERED")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_holds_change_no_ownership_and_takings_change_exactly_what_they_state(
    engine: Engine, market: Any, office: Any, sound: Any, day: Any, steps: list[tuple[str, int, int, int, str]]
) -> None:
    with engine.connect() as connection:
        connection.begin()
        numbers = market.open(connection, 3)
        market.allocate(connection, [(number, 100) for number in numbers])
        play = Play(market, office, day, numbers)
        for kind, a, b, amount, decision in steps:
            before, taken = owned(connection, numbers), 0
            proposed = play.ask(connection, kind, a, b, amount)
            if isinstance(proposed, Answer):
                ended = (office.decide if decision == "approve" else office.reject)(connection, proposed)
                taken = amount if isinstance(ended, Answer) and decision == "approve" and kind in TAKING else 0
            after = owned(connection, numbers)
            changed = [after[number] - before[number] for number in after if after[number] != before[number]]
            assert sum(after.values()) == 300
            assert kind == "transfer" or sorted(changed) == ([-taken, taken] if taken else [])
            sound(connection)
        connection.rollback()
