"""A province sees the encumbrances, certificates and successions of its own firms, enforced by the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text

from core.authority.service import as_seen_by
from core.callers import Caller
from core.encumbrance import notices, reading
from core.refusals import Reason


def test_a_province_sees_its_own_firms_encumbrances_and_public_notices_only(
    engine: Engine, market: Any, office: Any
) -> None:
    with engine.begin() as connection:
        firm, creditor = market.open(connection, 2)
        market.allocate(connection, [(firm, 100)])
        number = office.registered(connection, office.freeze(connection, firm, 40))
        office.done(connection, office.deduct(connection, number, creditor, 25))
    own = Caller("hubei", frozenset({"authority_checker"}), "42")
    other = Caller("shanghai", frozenset({"authority_checker"}), "31")
    for caller, sees in ((own, True), (other, False)):
        with engine.begin() as connection:
            found = as_seen_by(caller, lambda c, who=caller: reading.get(c, who, number))(connection)
            assert (getattr(found, "status", None) == 200) is sees
            assert sees or found.reason == Reason.ENCUMBRANCE_UNKNOWN
            assert connection.execute(text("SELECT count(*) FROM encumbrance_event")).scalar_one() == (3 if sees else 0)
        with engine.begin() as connection:
            listed = as_seen_by(
                caller, lambda c, who=caller: reading.of_account(c, who, firm, after="", limit=9)
            )(connection)  # fmt: skip
            assert (getattr(listed, "status", None) == 200) is sees
        with engine.begin() as connection:
            page = as_seen_by(caller, lambda c: notices.page(c, after=0, limit=9))(connection)
            assert len(page.body["notices"]) == 1
