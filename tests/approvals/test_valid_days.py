"""A proposal can be approved for the working days that its kind needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from core.accounts import service as accounts
from core.accounts.files import service as files
from core.accounts.files.rules import File, read_file
from core.refusals import Answer
from core.transfers import proposals

FIRM = {"name": "A firm", "kind": "E", "province": "42"}


def by_file(connection: Connection, market: Any) -> object:
    read = read_file(b"name,kind,province\nA firm,E,42\n")
    assert isinstance(read, File)
    return files.propose(connection, market.ann, read)


def to_a_stranger(connection: Connection, market: Any) -> object:
    giver, taker = market.open(connection, 2)
    market.allocate(connection, [(giver, 100)])
    body = {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": 1}
    return proposals.propose(connection, market.ann, body, free_transfers=True)


# Proposed on Thursday 15 July 2021 at 09:00.
KINDS: list[tuple[str, Callable[[Connection, Any], object], str]] = [
    ("open_account", lambda c, m: accounts.propose_opening(c, m.ann, FIRM), "2021-07-29"),
    ("open_accounts", lambda c, m: accounts.propose_openings(c, m.ann, {"accounts": [FIRM]}), "2021-08-12"),
    ("open_account_file", by_file, "2021-08-12"),
    ("transfer", to_a_stranger, "2021-07-19"),
]


@pytest.mark.parametrize(("kind", "propose", "until"), KINDS, ids=[row[0] for row in KINDS])
def test_a_proposal_of_each_kind_ends_after_its_own_days(
    engine: Engine, market: Any, kind: str, propose: Callable[[Connection, Any], object], until: str
) -> None:
    with engine.begin() as connection:
        proposed = propose(connection, market)
    assert isinstance(proposed, Answer), proposed
    assert proposed.body["kind"] == kind
    approval: Any = proposed.body["approval"]
    assert approval["expires_at"] == f"{until}T09:00:00+08:00"
