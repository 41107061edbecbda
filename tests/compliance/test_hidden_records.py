"""What belongs to another subject is answered as if it were not there, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from core.accounts import balance
from core.accounts import service as accounts
from core.accounts.documents import service as documents
from core.accounts.operators import service as operators
from core.accounts.rules import number_of
from core.accounts.states import service as states
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.emissions.obligations import service as obligations
from core.encumbrance import reading
from core.offset import service as offset
from core.ownership import cancellations
from core.refusals import Reason, Refused
from core.statements import service as statements
from core.surrender import service as surrender
from core.trust import service as trust

STRANGER = Caller("eve", frozenset({"holder"}))
AUDITOR = Caller("rex", frozenset({"auditor"}))
NOBODYS = number_of("E", "42", 99_990_000)
WRONG = NOBODYS[:-2] + "00"

READS: dict[str, Callable[[Connection, Caller, str], Any]] = {
    "the account": accounts.get,
    "holdings": accounts.holdings,
    "one holding": lambda c, by, n: balance.show(c, caller=by, number=n, asset="CNY"),
    "transfers": lambda c, by, n: accounts.transfers(c, by, n, after="", limit=10),
    "states": states.history,
    "operators": operators.show,
    "documents": documents.show,
    "a statement": lambda c, by, n: statements.build(c, by, n, market_day(clock.now(c))),
    "encumbrances": lambda c, by, n: reading.of_account(c, by, n, after="", limit=10),
    "certificates": lambda c, by, n: cancellations.of_account(c, by, n, after="", limit=10),
    "trusted accounts": lambda c, by, n: trust.show(c, by, n, after="", limit=10),
    "an obligation": lambda c, by, n: obligations.show(c, by, n, 2020),
    "surrenders": lambda c, by, n: surrender.list_surrenders(c, by, n, after=None, limit=10),
    "lots": lambda c, by, n: offset.list_lots(c, by, n, after=None, limit=10),
}


@pytest.mark.parametrize("read", READS)
def test_a_stranger_cannot_tell_an_account_from_none(engine: Engine, market: Any, read: str) -> None:
    with engine.begin() as connection:
        [number] = market.open(connection, 1)
        assert not isinstance(READS[read](connection, AUDITOR, number), Refused)
        for one, reason in (
            (number, Reason.ACCOUNT_UNKNOWN),
            (NOBODYS, Reason.ACCOUNT_UNKNOWN),
            (WRONG, Reason.NUMBER_INVALID),
        ):
            refused = READS[read](connection, STRANGER, one)
            assert isinstance(refused, Refused), one
            assert (refused.reason, refused.detail) == (reason, ""), one
