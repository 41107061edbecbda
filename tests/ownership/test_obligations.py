"""What a firm that is merged away still owes is owed by the firm that goes on; a later correction forgets nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, text

from core.approvals import service as approvals
from core.callers import Caller
from core.emissions import service as emissions
from core.emissions.obligations import store as obligations
from core.refusals import Answer

MAKER = Caller("min", frozenset({"authority_maker"}), "42")


def verified(connection: Connection, notary: Any, lines: dict[str, int], **more: Any) -> None:
    said = [{"account": account, "tonnes": tonnes} | more for account, tonnes in lines.items()]
    proposed = emissions.propose(connection, MAKER, {"year": 2020, "lines": said})
    assert isinstance(proposed, Answer), proposed
    done = approvals.approve(connection, notary.cai, str(proposed.body["id"]), emissions.EXECUTORS)
    assert isinstance(done, Answer), done


def due(connection: Connection, *numbers: str) -> list[tuple[int | None, str]]:
    found = [obligations.find(connection, number, 2020) for number in numbers]
    return [(one.due, one.state) for one in found if one is not None]


def test_what_is_not_met_goes_along_and_is_kept_when_emissions_are_corrected(
    engine: Engine, market: Any, notary: Any
) -> None:
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        market.allocate(connection, [(firm, 100), (into, 10)])
        verified(connection, notary, {firm: 80, into: 50})
        outcome = notary.done(connection, notary.succeed(connection, "merger", firm, into_account=into))["succession"]
        assert outcome["obligations"] == [{"year": 2020, "tonnes": 80, "to_account": into}]
        assert due(connection, firm, into) == [(0, "MET"), (130, "OPEN")]
        verified(connection, notary, {into: 45}, reason="Meter 3 was read twice")
        assert due(connection, into) == [(125, "OPEN")]
        told = connection.execute(
            text("SELECT cause FROM compliance_event WHERE account = :a ORDER BY id"), {"a": into}
        )
        assert list(told.scalars()) == ["emissions verified", "succession", "emissions corrected"]


def test_a_firm_without_emissions_of_its_own_takes_over_what_is_owed(engine: Engine, market: Any, notary: Any) -> None:
    with engine.begin() as connection:
        firm, into = market.open(connection, 2)
        verified(connection, notary, {firm: 80})
        notary.done(connection, notary.succeed(connection, "merger", firm, into_account=into))
        assert due(connection, firm, into) == [(0, "MET"), (80, "OPEN")]
        verified(connection, notary, {into: 5})
        assert due(connection, into) == [(85, "OPEN")]
