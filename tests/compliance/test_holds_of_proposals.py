"""What a proposal sets aside is a hold: it says what for, ends once, and is the same for those of before."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection

from core.approvals import service as approvals
from core.callers import CHECKER
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.holds import store as holds
from core.ledger.rules import PENDING_SURRENDER, SURRENDERED, Transfer, place_of
from core.ownership import cancellations
from core.refusals import Answer
from core.surrender import reversal

P = "CEA-2019"


def types(world: Any, account: str) -> list[str]:
    """What the account's statement says, after its allocation."""
    booked = world.look(lambda c: ledger.statement(c, account, after=(0, 0), limit=100))
    return [entry.type for entry in booked][1:]


def test_a_surrender_is_a_hold_that_ends_as_the_task_does(world: Any) -> None:
    firm = world.firm({P: 100})
    world.verify(firm, 60)
    waiting = world.surrender(firm, 50)
    hold = waiting.body["hold"]
    found = world.look(lambda c: holds.find(c, hold))
    assert (found.state, found.amount, found.bucket, found.expires_at) == ("PENDING", 50, PENDING_SURRENDER, None)
    world.reject(waiting)
    assert world.look(lambda c: holds.find(c, hold)).state == "VOIDED"
    number = world.hand_in(firm, 60)
    assert world.look(lambda c: holds.find(c, number)).state == "POSTED"
    body = {"surrender": number, "reason": "wrong year"}
    assert isinstance(world.approve(world.do(lambda c: reversal.propose(c, world.ann, body)), world.hubei), Answer)
    back = ["SURRENDER_REVERSE", "SURRENDER_REVERSE"]
    assert types(world, firm) == ["SURRENDER_HOLD", "SURRENDER_HOLD_VOID", "SURRENDER_HOLD", "SURRENDER", *back]
    entries = world.look(lambda c: ledger.statement(c, firm, after=(0, 0), limit=100))[-2:]
    assert len({entry.batch for entry in entries}) == 1, "both entries of a reversal are booked together"
    assert [entry.reverses for entry in entries] == [f"hold-post:{number}", None]


def test_a_cancellation_says_what_was_set_aside_for_it(world: Any) -> None:
    firm = world.firm({P: 100})
    body = {"account": firm, "product": P, "tonnes": 40, "beneficiary": "Marathon", "reason": "Event"}
    world.reject(world.do(lambda c: cancellations.propose(c, world.ann, body)), world.bob)
    gone = world.approve(world.do(lambda c: cancellations.propose(c, world.ann, body)), world.bob)
    assert isinstance(gone, Answer), gone
    assert types(world, firm) == ["CANCEL_HOLD", "CANCEL_HOLD_VOID", "CANCEL_HOLD", "VOLUNTARY_CANCEL"]


def of_before(world: Any, firm: str, tonnes: int) -> Any:
    """A surrender as the first release proposed it: a transfer and a task, and no row anywhere says more."""

    def work(connection: Connection) -> Any:
        number = str(uuid4())
        way = (place_of(firm, P), place_of(firm, P, PENDING_SURRENDER))
        aside = Transfer(number, *way, tonnes, "SURRENDER_HOLD", number)
        ledger.post(connection, [aside], market_day=market_day(clock.now(connection)))
        payload = {"account": firm, "product": P, "tonnes": tonnes, "year": 2020, "hold": number}
        return approvals.propose(
            connection, world.ann, kind="surrender", payload=payload, subject=firm, decides=CHECKER
        )

    return world.do(work)


@pytest.mark.parametrize("decided", ["handed in", "turned down"])
def test_units_held_for_surrender_before_there_were_holds_are_handed_in_or_released(world: Any, decided: str) -> None:
    firm = world.firm({P: 100})
    old = of_before(world, firm, 40)
    if decided == "handed in":
        assert isinstance(world.approve(old, world.bob), Answer)
        assert world.held(firm) == {(P, "available"): 60}
        assert world.serials(SURRENDERED) == ["CEA-2019-000000000001..CEA-2019-000000000040"]
    else:
        assert isinstance(world.reject(old, world.bob), Answer)
        assert world.held(firm) == {(P, "available"): 100}
    ended = world.look(lambda c: holds.find(c, old.body["hold"]))
    assert ended.state == {"handed in": "POSTED", "turned down": "VOIDED"}[decided]
