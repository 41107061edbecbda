"""A freeze of all present and future holdings: the account is restricted, on top of what restricts it already."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts import store as accounts
from core.encumbrance import reading
from core.encumbrance.restricting import widest
from core.outbox import store as outbox
from core.refusals import Reason


def standing(connection: Connection, number: str) -> tuple[str, str | None]:
    found = accounts.find(connection, [number])[number]
    return found.state, found.stopped


@pytest.mark.parametrize(
    ("said", "covers"),
    [
        ((), None),
        ((None,), None),
        (("in", None), "in"),
        (("in", "in"), "in"),
        (("in", "out"), "all"),
        (("all", "in"), "all"),
    ],
)
def test_the_widest_restriction_covers_all_of_them(said: tuple[str | None, ...], covers: str | None) -> None:
    assert widest(*said) == covers


def test_the_account_is_restricted_and_set_free_again(engine: Engine, market: Any, office: Any, sound: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        number = office.registered(connection, office.freeze(connection, firm, everything="out"))
        assert standing(connection, firm) == ("RESTRICTED", "out")
        assert office.release(connection, number, 5).reason == Reason.QUANTITY_INVALID
        lifted = office.done(connection, office.release(connection, number))
        assert (lifted["state"], standing(connection, firm)) == ("RELEASED", ("OPEN", None))
        sound(connection)


def test_what_other_freezes_or_people_restrict_stays(engine: Engine, market: Any, office: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        connection.execute(text("UPDATE account SET state = 'RESTRICTED', restriction = 'in'"))
        first = office.registered(connection, office.freeze(connection, firm, everything="out"))
        assert standing(connection, firm) == ("RESTRICTED", "all")
        second = office.registered(connection, office.freeze(connection, firm, everything="all", document="F-2"))
        office.done(connection, office.release(connection, first))
        assert standing(connection, firm) == ("RESTRICTED", "all")
        office.done(connection, office.release(connection, second))
        assert standing(connection, firm) == ("RESTRICTED", "in"), "as it was before any court"


def test_a_suspended_account_is_stopped_already(engine: Engine, market: Any, office: Any, put_into: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        put_into(connection, firm, "SUSPENDED")
        number = office.registered(connection, office.freeze(connection, firm, everything="all"))
        office.done(connection, office.release(connection, number))
        assert standing(connection, firm) == ("SUSPENDED", None)


def test_later_freezes_and_pledges_get_nothing_and_a_deduction_names_its_asset(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any
) -> None:
    with engine.begin() as connection:
        firm, creditor = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        early = office.registered(connection, office.freeze(connection, firm, 120, document="F-0"))
        office.done(connection, office.release(connection, early, 50))
        number = office.registered(connection, office.freeze(connection, firm, everything="in"))
        late = office.registered(connection, office.freeze(connection, firm, 10, document="F-2"))
        assert office.pledge(connection, firm, 1).reason == Reason.INSUFFICIENT_UNITS
        assert held(connection, firm) == [{"available": 30, "frozen": 70}]
        assert office.keep(connection) == 0
        assert office.deduct(connection, number, creditor, 31, asset="CEA-2019").reason == Reason.ENCUMBRANCE_EXCEEDED
        assert office.done(connection, office.deduct(connection, number, creditor, 30, asset="CEA-2019"))["taken"] == 30
        events = reading.get(connection, office.ann, number).body["events"]
        assert [(e["action"], e["asset"], e["amount"]) for e in events][-1] == ("DEDUCTED", "CEA-2019", 30)
        assert reading.get(connection, office.ann, late).body["state"] == "WAITING"
        sound(connection)


def test_a_freeze_of_everything_ends_with_its_term_too(engine: Engine, market: Any, office: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        office.registered(connection, office.freeze(connection, firm, everything="all", to_day="2021-07-16"))
        connection.execute(text("UPDATE business_clock SET now = '2021-07-17 09:00+08'"))
        assert office.keep(connection) == 1
        assert standing(connection, firm) == ("OPEN", None)


def test_the_exchange_is_told_what_a_freeze_waits_for(engine: Engine, market: Any, office: Any, day: Any) -> None:
    with engine.begin() as connection:
        [firm] = market.open(connection, 1)
        market.allocate(connection, [(firm, 100)])
        day(connection, firm, "TRADING")
        number = office.registered(connection, office.freeze(connection, firm, 70))
        [notice] = outbox.waiting(connection, "restriction")
        said = {name: notice.payload[name] for name in ("account", "effect", "freeze")}
        freeze = {"number": number, "asset": "CEA-2019", "waiting": 70}
        assert said == {"account": firm, "effect": "none", "freeze": freeze}
