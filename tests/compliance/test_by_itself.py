"""What compliance does by itself in the settle process: deadlines, questions to the offset registry, timeouts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core.chores import CHORES, chores
from core.day.chores import Chore, Housekeeper
from core.offset import link
from core.offset import service as offset
from core.offset.wire import OffsetRegistry
from core.settings import Settings


def test_only_who_has_an_offset_registry_asks_one() -> None:
    assert chores(Settings()) == CHORES
    assert [chore.name for chore in chores(Settings(ccer="http://127.0.0.1:9"))][-1] == "offset registry"


@pytest.fixture
def keeper(world: Any, ccer: httpx.Client) -> Housekeeper:
    """The settle process' chores, with the offset registry of the test."""
    asked = Chore("offset registry", link.waiting, link.deliver(OffsetRegistry(ccer)))
    return Housekeeper(world.engine, "settle@test", (*CHORES, asked))


def until_quiet(keeper: Housekeeper) -> None:
    for _ in range(20):
        if not keeper.tick():
            return
    raise AssertionError("it never ends")


def test_a_lot_is_synced_and_used_and_another_times_out(world: Any, ccer: httpx.Client, keeper: Housekeeper) -> None:
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 100)
    lots = []
    for first, last in ((1, 5), (6, 7)):
        facts = {"account": firm, "project": "CCER-1", "first": first, "last": last}
        ccer.post("/sim/units", json=facts)
        lots.append(world.do(lambda c, facts=facts: offset.freeze(c, world.ann, facts)).body["id"])
    until_quiet(keeper)
    assert [world.lot(lot) for lot in lots] == ["SYNCED", "SYNCED"]
    world.approve(world.offset(firm, lots[0]))
    until_quiet(keeper)
    later = datetime.fromisoformat("2021-09-01T09:00:00+08:00")
    world.do(lambda c: c.execute(text("UPDATE business_clock SET now = :now"), {"now": later}))
    until_quiet(keeper)
    assert [world.lot(lot) for lot in lots] == ["USED", "RELEASED"]
    assert [world.there(lot) for lot in lots] == ["CANCELLED", "RELEASED"]


def test_a_deadline_is_carried_out_when_business_time_passes_it(world: Any, keeper: Housekeeper) -> None:
    world.year(deadline="2021-07-20")
    firm = world.firm({"CEA-2019": 100})
    world.verify(firm, 90)
    later = datetime.fromisoformat("2021-07-21T00:00:00+08:00")
    world.do(lambda c: c.execute(text("UPDATE business_clock SET now = :now"), {"now": later}))
    until_quiet(keeper)
    assert world.state(firm)["state"] == "SHORT"


def test_an_offset_registry_that_is_away_is_asked_again(world: Any, ccer: httpx.Client) -> None:
    firm = world.firm()
    facts = {"account": firm, "project": "CCER-1", "first": 1, "last": 5}
    ccer.post("/sim/units", json=facts)
    lot = world.do(lambda c: offset.freeze(c, world.ann, facts)).body["id"]
    away = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503)), base_url="http://ccer")
    asked = Chore("offset registry", link.waiting, link.deliver(OffsetRegistry(away)))
    assert not Housekeeper(world.engine, "settle@test", (asked,)).tick()
    assert world.lot(lot) == "FREEZING"
    world.deliver()
    assert world.lot(lot) == "SYNCED"
