"""What a court's freeze waits for is free for nobody, from its proposal on, before any worker has held it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from core.carryover import service as carryover
from core.ownership import cancellations
from core.refusals import Answer, Reason, Refused
from core.surrender import service as surrender
from core.transfers import store as singles

RULE = {
    "name": "power",
    "vintages": [2019],
    "to_vintage": 2024,
    "sold_from": "2021-07-01",
    "sold_until": "2021-12-31",
    "apply_until": "2021-12-31",
    "reason": "plan",
}


def pledge(connection: Connection, market: Any, office: Any, firm: str, _other: str, tonnes: int) -> Answer | Refused:
    return office.pledge(connection, firm, tonnes, document=f"P-{tonnes}")  # type: ignore[no-any-return]


def cancel(connection: Connection, market: Any, office: Any, firm: str, _other: str, tonnes: int) -> Answer | Refused:
    body = {"account": firm, "product": "CEA-2019", "tonnes": tonnes, "beneficiary": "Marathon", "reason": "Event"}
    return cancellations.propose(connection, market.ann, body)


def transfer(connection: Connection, market: Any, office: Any, firm: str, other: str, tonnes: int) -> Answer | Refused:
    return market.transfer(connection, firm, other, tonnes)  # type: ignore[no-any-return]


def hand_in(connection: Connection, market: Any, office: Any, firm: str, _other: str, tonnes: int) -> Answer | Refused:
    return surrender.propose(
        connection, market.ann, {"account": firm, "product": "CEA-2019", "tonnes": tonnes, "year": 2020}
    )


def carry(connection: Connection, market: Any, office: Any, firm: str, _other: str, tonnes: int) -> Answer | Refused:
    return carryover.propose(connection, market.ann, {"account": firm, "product": "CEA-2019", "tonnes": tonnes})


Flow = Callable[[Connection, Any, Any, str, str, int], Answer | Refused]
FLOWS: dict[str, Flow] = {
    "pledge": pledge,
    "cancellation": cancel,
    "transfer": transfer,
    "surrender": hand_in,
    "carry-over": carry,
}
COMPLYING = {"surrender", "carry-over"}


def scene(connection: Connection, market: Any) -> tuple[str, str]:
    """Two firms of which the second holds 100 t, and a rule by which they may be carried over."""
    firm, other = market.open(connection, 2)
    market.allocate(connection, [(other, 100)])
    assert isinstance(market.approve(connection, carryover.propose_rule(connection, market.ann, RULE)), Answer)
    return firm, other


@pytest.mark.parametrize("state", ["PROPOSED", "WAITING"])
@pytest.mark.parametrize("flow", FLOWS)
def test_what_has_come_and_a_freeze_waits_for_is_the_courts_before_it_is_held(
    engine: Engine, market: Any, office: Any, held: Any, sound: Any, flow: str, state: str
) -> None:
    with engine.begin() as connection:
        firm, other = scene(connection, market)
        proposed = office.freeze(connection, firm, 60)
        if state == "WAITING":
            office.registered(connection, proposed)
        market.allocate(connection, [(firm, 100)], plan="second")
        asked = FLOWS[flow](connection, market, office, firm, other, 41)
        assert isinstance(asked, Refused), asked
        assert asked.reason == Reason.INSUFFICIENT_UNITS
        assert isinstance(FLOWS[flow](connection, market, office, firm, other, 40), Answer)
        if state == "PROPOSED":
            office.registered(connection, proposed)
        office.keep(connection)
        assert held(connection, firm)[0]["frozen"] == 60
        sound(connection)


@pytest.mark.parametrize("restricts", ["in", "out", "all"])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_freeze_of_everything_that_is_proposed_claims_what_its_restriction_would_stop(
    engine: Engine, market: Any, office: Any, flow: str, restricts: str
) -> None:
    with engine.begin() as connection:
        firm, other = scene(connection, market)
        market.allocate(connection, [(firm, 100)], plan="second")
        assert isinstance(office.freeze(connection, firm, everything=restricts), Answer)
        asked = FLOWS[flow](connection, market, office, firm, other, 1)
        goes_on = restricts != "all" if flow in COMPLYING else restricts == "in" and flow == "transfer"
        assert isinstance(asked, Answer) == goes_on, asked


def test_a_transfer_by_itself_is_left_to_the_ordinary_way_while_a_freeze_waits(
    engine: Engine, dsn: str, market: Any, office: Any
) -> None:
    with engine.begin() as connection:
        firm, other = scene(connection, market)
        market.allocate(connection, [(firm, 100)], plan="second")

    def asked(number: str) -> Any:
        with psycopg.connect(dsn, autocommit=True) as driver:
            return singles.plainly(
                driver,
                caller="ann",
                key=number,
                fingerprint=b"f",
                id=number,
                giver=firm,
                taker=other,
                asset="CEA-2019",
                amount=1,
            )

    assert asked("first") is not None
    with engine.begin() as connection:
        assert isinstance(office.freeze(connection, firm, 200), Answer)
        market.allocate(connection, [(firm, 100)], plan="third")
    assert asked("second") is None


def test_the_question_what_givers_owe_to_courts_is_answered_by_the_index_of_waiting_freezes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        from core.encumbrance.store import CLAIMS  # noqa: PLC0415  # beside what it is explained by

        plan = connection.execute(text(f"EXPLAIN {CLAIMS.text}"), {"accounts": ["a", "b"]}).scalars()
        assert "encumbrance_claiming" in "\n".join(plan)
