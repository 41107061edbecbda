"""What the edge does for the ledger: alarms over keys, amounts near the largest number, seals."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, text

from core.ledger import store
from core.ledger.seals import service as seals

pytestmark = pytest.mark.anyio

MOST = 2**63 - 1
ALARMS = "registry_same_key_other_content_total"


def alarms(kind: str) -> float:
    return REGISTRY.get_sample_value(ALARMS, {"kind": kind}) or 0.0


def audited(engine: Engine) -> list[Any]:
    rows = (
        "SELECT caller, subject, detail ->> 'kind', detail ->> 'where' FROM audit_event WHERE action LIKE 'same key%'"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(rows))]


def notice(account: str, *fen: int, message: str = "M-1") -> dict[str, object]:
    return {"bank": "B001", "message_id": message, "entries": [{"account": account, "amount_fen": f} for f in fen]}


async def test_the_same_key_with_other_content_is_an_alarm(api: Any, engine: Engine) -> None:
    before = alarms("request")
    body = {"name": "One", "kind": "E", "province": "42"}
    await api.post("/v1/accounts", body, key="k", by="ann")
    same = await api.post("/v1/accounts", body, key="k", by="ann")
    other = await api.post("/v1/accounts", body | {"name": "Two"}, key="k", by="ann")

    assert same.status_code == 202
    assert (other.status_code, other.json()["code"]) == (422, "9002")
    assert alarms("request") == before + 1
    assert audited(engine) == [("ann", "k", "request", "POST /v1/accounts")]


async def test_the_same_message_of_a_bank_with_other_content_is_an_alarm(api: Any, engine: Engine) -> None:
    account = await api.account("One")
    before = alarms("bank_notice")
    await api.post("/v1/deposits", notice(account, 5), by="bank")
    same = await api.post("/v1/deposits", notice(account, 5), by="bank")
    other = await api.post("/v1/deposits", notice(account, 6), by="bank")

    assert same.status_code == 201
    assert (other.status_code, other.json()["code"]) == (422, "9002")
    assert alarms("bank_notice") == before + 1
    assert audited(engine) == [("bank", "M-1", "bank_notice", "B001")]
    assert await api.cash(account) == 5


TOO_MUCH = [[MOST, MOST], [MOST, 1], [2**62, 2**62], [MOST] * 5]


@pytest.mark.parametrize("fen", TOO_MUCH)
async def test_a_deposit_of_more_than_can_be_written_is_refused_and_its_message_can_still_be_booked(
    api: Any, engine: Engine, fen: list[int]
) -> None:
    account = await api.account("One")
    refused = await api.post("/v1/deposits", notice(account, *fen))

    assert (refused.status_code, refused.json()["code"]) == (422, "3001")
    assert await api.cash(account) == 0
    booked = await api.post("/v1/deposits", notice(account, MOST))
    assert booked.status_code == 201, booked.text
    assert await api.cash(account) == MOST
    with engine.connect() as connection:
        assert store.verify_chain(connection) == []


async def test_no_account_can_take_in_what_the_banks_can_no_longer_give(api: Any) -> None:
    """All cash there is is what the banks' counter-account is below zero: it ends where numbers end."""
    full, other = await api.account("One"), await api.account("Two")
    assert (await api.post("/v1/deposits", notice(full, MOST))).status_code == 201

    refused = await api.post("/v1/deposits", notice(other, 1, message="M-2"))
    assert (refused.status_code, refused.json()["code"]) == (422, "3001")
    body = {"from_account": full, "to_account": other, "asset": "CNY", "amount": MOST}
    assert (await api.post("/v1/transfers", body)).status_code == 201
    assert await api.cash(other) == MOST


async def test_what_is_beyond_a_row_is_refused_before_anything_else(api: Any) -> None:
    account = await api.account("One")
    for fen in (2**63, 10**30, -1, 0):
        refused = await api.post("/v1/deposits", notice(account, fen))
        assert refused.status_code == 422, refused.text
        body = {"from_account": account, "to_account": account, "asset": "CNY", "amount": fen}
        assert (await api.post("/v1/transfers", body)).status_code == 422
        plan = {"product": "CEA-2019", "plan": f"p{fen}", "lines": [{"account": account, "tonnes": fen}]}
        assert (await api.post("/v1/allocations", plan)).status_code == 422


async def test_the_seal_of_a_reported_day_is_shown_with_the_key_that_checks_it(api: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        sealed = seals.seal_day(connection, date(2021, 7, 16), None)

    shown = await api.get("/v1/days/2021-07-16/seal")
    unknown = await api.get("/v1/days/2021-07-19/seal")

    assert shown.status_code == 200
    assert shown.json()["hash"] == sealed.hash.hex()
    assert (shown.json()["signature"], shown.json()["public_key"]) == (None, None)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "8002")


async def test_a_statement_shows_what_was_booked_together_and_what_takes_back_what(api: Any, dsn: str) -> None:
    account = await api.funded("One", 250)
    shown = (await api.get(f"/v1/accounts/{account}/transfers")).json()["transfers"]
    with psycopg.connect(dsn) as connection:
        seq = connection.execute("SELECT seq FROM ledger_batch").fetchone()
    assert [(t["batch"], t["reverses"], t["reference"]) for t in shown] == [(*(seq or ()), None, shown[0]["reference"])]
