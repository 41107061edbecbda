"""A province sees the compliance of its own firms only: in lists, single records, histories and totals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.authority.service import as_seen_by
from core.callers import Caller
from core.carryover import service as carryover
from core.db.transaction import read
from core.emissions import service as emissions
from core.emissions.obligations import service as obligations
from core.offset import service as offset
from core.refusals import Answer, Reason, Refused
from core.surrender import service as surrender


@pytest.fixture
def firms(world: Any) -> tuple[str, str, dict[str, str]]:
    """A firm in each of two provinces, both with something of everything."""
    here, there = world.firm({"CEA-2019": 100}), world.firm({"CEA-2019": 100}, province="31")
    kept = {}
    for n, firm in enumerate((here, there)):
        world.verify(firm, 100)
        kept[f"{firm} surrender"] = world.hand_in(firm, 10)
        kept[f"{firm} lot"] = world.freeze(firm, 5, first=1 + 10 * n)
    return here, there, kept


def reads(firm: str, kept: dict[str, str]) -> dict[str, Callable[..., Any]]:
    return {
        "obligation": lambda c, who: obligations.show(c, who, firm, 2020),
        "account": lambda c, who: obligations.list_account(c, who, firm, after=0, limit=10),
        "history": lambda c, who: obligations.history(c, who, firm, 2020, after=0, limit=10),
        "emissions": lambda c, who: emissions.list_versions(c, who, firm, after="", limit=10),
        "surrender": lambda c, who: surrender.get(c, who, kept[f"{firm} surrender"]),
        "surrenders": lambda c, who: surrender.list_surrenders(c, who, firm, after=None, limit=10),
        "lot": lambda c, who: offset.get(c, who, kept[f"{firm} lot"]),
        "lots": lambda c, who: offset.list_lots(c, who, firm, after=None, limit=10),
        "carry-overs": lambda c, who: carryover.list_carry_overs(c, who, firm, after=None, limit=10),
    }


def test_a_province_reads_its_own_firms_and_nothing_of_others(world: Any, firms: Any) -> None:
    here, there, kept = firms
    for name, own in reads(here, kept).items():
        answer = read(world.engine, as_seen_by(world.hubei, lambda c, own=own: own(c, world.hubei)))
        assert isinstance(answer, Answer), (name, answer)
    for name, foreign in reads(there, kept).items():
        answer = read(world.engine, as_seen_by(world.hubei, lambda c, foreign=foreign: foreign(c, world.hubei)))
        assert answer.reason in {Reason.ACCOUNT_UNKNOWN, Reason.SURRENDER_UNKNOWN, Reason.LOT_UNKNOWN}, (name, answer)
        everybody = read(world.engine, lambda c, foreign=foreign: foreign(c, world.ministry))
        assert isinstance(everybody, Answer), name


def test_a_years_list_is_cut_to_the_province(world: Any, firms: Any) -> None:
    here, there, _ = firms

    def listed(who: Any) -> list[str]:
        def work(connection: Any) -> Any:
            return obligations.list_year(connection, who, 2020, state="", after="", limit=10)

        answer = read(world.engine, as_seen_by(who, work))
        return [one["account"] for one in answer.body["obligations"]]

    assert listed(world.hubei) == [here]
    assert listed(world.shanghai) == [there]
    assert sorted(listed(world.ministry)) == sorted([here, there])


def test_a_holder_lists_no_year(world: Any) -> None:
    holder = Caller("holder", frozenset({"holder"}))
    refused = world.look(lambda c: obligations.list_year(c, holder, 2020, state="", after="", limit=10))
    assert refused.reason == Reason.NOT_PERMITTED


def test_a_stranger_does_not_learn_that_a_surrender_or_a_lot_is_there(world: Any, firms: Any) -> None:
    here, _, kept = firms
    stranger = Caller("eve", frozenset({"holder"}))
    for name, reason in (("surrender", Reason.SURRENDER_UNKNOWN), ("lot", Reason.LOT_UNKNOWN)):
        foreign = reads(here, kept)[name]
        refused = read(world.engine, lambda c, foreign=foreign: foreign(c, stranger))
        assert isinstance(refused, Refused), name
        assert refused.reason is reason
