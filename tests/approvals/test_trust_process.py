"""What the settle process does with transfers that wait for their time."""

from __future__ import annotations

from typing import Any

from core.callers import Caller
from core.chores import CHORES
from core.day.chores import Housekeeper
from core.transfers import proposals
from core.units import store as units

ANN = Caller("ann", frozenset({"maker", "checker"}))


def test_a_delayed_transfer_is_carried_out_by_the_settle_process(office: Any) -> None:
    giver, taker = office.account(tonnes=10), office.account()
    body = {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": 4}
    task = office.write(lambda c: proposals.propose(c, ANN, body, free_transfers=True)).body["id"]
    office.approve(task)
    main, second = (Housekeeper(office.engine, f"settle@{node}", CHORES) for node in ("main-1", "second-1"))
    main.tick()
    assert office.task(task)["state"] == "DELAYED"
    office.clock("2021-07-16T12:00:00")

    assert main.tick()
    second.tick()

    assert office.task(task)["state"] == "APPROVED"
    assert sum(block.tonnes for block in office.read(lambda c: units.holdings(c, taker))) == 4


def test_a_proposal_that_expires_is_undone_by_the_settle_process(office: Any) -> None:
    giver, taker = office.account(tonnes=10), office.account()
    body = {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": 4}
    task = office.write(lambda c: proposals.propose(c, ANN, body, free_transfers=True)).body["id"]
    office.clock("2021-07-19T09:00:00")

    assert Housekeeper(office.engine, "settle@main-1", CHORES).tick()
    assert office.task(task)["state"] == "EXPIRED"
