"""Encumbrances and changes of ownership over HTTP, and what the registry makes known to anybody."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def funded(api: Any, count: int) -> list[str]:
    numbers = [await api.account(f"Firm {n}") for n in range(count)]
    lines = [{"account": number, "tonnes": 100} for number in numbers]
    asked = await api.post("/v1/allocations", {"product": "CEA-2019", "plan": "first", "lines": lines})
    assert (await api.approve(asked.json()["id"])).status_code == 200, asked.text
    return numbers


async def done(api: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
    asked = await api.post(path, body)
    assert asked.status_code == 202, asked.text
    decided = await api.approve(asked.json()["id"])
    assert decided.status_code == 200, decided.text
    outcome: dict[str, Any] = decided.json()["outcome"]
    return outcome


async def test_a_pledge_is_made_released_and_read(api: Any) -> None:
    firm, creditor = await funded(api, 2)
    body = {"account": firm, "asset": "CEA-2019", "amount": 40, "creditor": "A bank", "document": "P-1"}
    made = await done(
        api, "/v1/pledges", body | {"creditor_account": creditor, "from_day": "2021-07-01", "to_day": "2030-01-01"}
    )
    number = made["encumbrance"]["number"]
    assert made["encumbrance"]["from_day"] == "2021-07-01"
    assert (await done(api, f"/v1/encumbrances/{number}/release", {"document": "R-1", "amount": 10}))["left"] == 30
    realised = await done(
        api, f"/v1/encumbrances/{number}/realise", {"document": "R-2", "to_account": creditor, "amount": 30}
    )
    assert realised["state"] == "REALISED"
    shown = (await api.get(f"/v1/encumbrances/{number}")).json()
    assert [event["action"] for event in shown["events"]] == ["PROPOSED", "REGISTERED", "RELEASED", "REALISED"]
    listed = (await api.get(f"/v1/accounts/{firm}/encumbrances")).json()
    assert [one["number"] for one in listed["encumbrances"]] == [number]
    assert (await api.get("/v1/encumbrances/ENC-00000009")).json()["code"] == "1020"
    assert (await api.get("/v1/accounts/E42-00000009-29/encumbrances")).status_code == 404
    assert (await api.get(f"/v1/accounts/{firm}/encumbrances?after=x")).json()["code"] == "8001"


async def test_a_deduction_is_known_to_anybody_and_nothing_else_is(api: Any) -> None:
    firm, creditor = await funded(api, 2)
    body = {"account": firm, "asset": "CEA-2019", "amount": 40, "court": "A court", "document": "F-1"}
    number = (await done(api, "/v1/freezes", body))["encumbrance"]["number"]
    taken = {"document": "D-1", "to_account": creditor, "amount": 25}
    assert (await done(api, f"/v1/encumbrances/{number}/deduct", taken))["notice"] == 1
    open_to_all = await api.http.get("/v1/notices")
    assert (open_to_all.status_code, open_to_all.json()["notices"][0]["facts"]["amount"]) == (200, 25)
    assert (await api.http.get("/v1/notices/1")).json()["number"] == 1
    assert (await api.http.get("/v1/notices/2")).json()["code"] == "3022"
    assert (await api.http.get("/v1/notices/x")).status_code == 422
    for closed in (
        f"/v1/encumbrances/{number}",
        f"/v1/accounts/{firm}/certificates",
        "/v1/noticesx",
        "/v1/certificates",
    ):
        assert (await api.http.get(closed)).status_code == 401, closed


async def test_everything_is_frozen_through_the_account_and_lifted_again(api: Any) -> None:
    firm, creditor = await funded(api, 2)
    body = {"account": firm, "everything": "all", "court": "A court", "document": "F-1"}
    number = (await done(api, "/v1/freezes", body))["encumbrance"]["number"]
    assert (await api.get(f"/v1/accounts/{firm}")).json()["state"] == "RESTRICTED"
    deduct = f"/v1/encumbrances/{number}/deduct"
    taken = {"document": "D-1", "to_account": creditor, "amount": 25}
    assert (await api.post(deduct, taken)).json()["code"] == "3002", "which asset?"
    assert (await done(api, deduct, taken | {"asset": "CEA-2019"}))["taken"] == 25
    await done(api, f"/v1/encumbrances/{number}/release", {"document": "R-1"})
    assert (await api.get(f"/v1/accounts/{firm}")).json()["state"] == "OPEN"


async def test_a_certificate_is_known_to_anybody(api: Any) -> None:
    [firm] = await funded(api, 1)
    body = {"account": firm, "product": "CEA-2019", "tonnes": 5, "beneficiary": "A race", "reason": "An event"}
    number = (await done(api, "/v1/cancellations", body))["certificate"]
    shown = (await api.http.get(f"/v1/certificates/{number}")).json()
    assert hashlib.sha256(shown["document"].encode()).hexdigest() == shown["sha256"]
    assert (await api.http.get("/v1/certificates/VC-00000009")).json()["code"] == "3023"
    assert len((await api.get(f"/v1/accounts/{firm}/certificates")).json()["certificates"]) == 1


async def test_a_merger_is_foreseen_without_a_key_and_decided_by_the_authority(api: Any) -> None:
    firm, into = await funded(api, 2)
    body = {"kind": "merger", "account": firm, "into_account": into, "document": "M-1", "parts": None}
    roles = {"headers": {"Authorization": f"Bearer {api.token('ann', 'maker')}"}}
    foreseen = await api.http.post("/v1/successions/dry-run", json=body, **roles)
    assert (foreseen.status_code, len(foreseen.json()["outcome"]["movements"])) == (200, 1), foreseen.text
    asked = await api.post("/v1/successions", body)
    assert asked.json()["plan"]["movements"] == foreseen.json()["outcome"]["movements"]
    for person in ("cai", "dan"):
        decided = await api.post(f"/v1/tasks/{asked.json()['id']}/approve", by=person, roles=("authority_checker",))
        assert decided.status_code == 200, decided.text
    number = decided.json()["outcome"]["succession"]["number"]
    assert (await api.get(f"/v1/successions/{number}")).json()["closed"] is True
    assert (await api.get("/v1/successions/SUC-00000009")).json()["code"] == "3024"


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/pledges", {"asset": "CEA-2019", "amount": 40, "creditor": "A bank", "document": "P-1"}),
        ("/v1/pledges", {"asset": "CEA-2019", "amount": 4_000, "creditor": "A bank", "document": "P-1"}),
        ("/v1/freezes", {"asset": "CEA-2019", "amount": 4_000, "court": "A court", "document": "F-1"}),
        ("/v1/freezes", {"everything": "out", "court": "A court", "document": "F-1"}),
        ("/v1/cancellations", {"product": "CEA-2019", "tonnes": 5, "beneficiary": "Marathon", "reason": "Event"}),
        ("/v1/cancellations", {"product": "CEA-2019", "tonnes": 0, "beneficiary": "Marathon", "reason": "Event"}),
    ],
)
async def test_a_dry_run_says_what_the_real_run_then_does_and_leaves_nothing(
    api: Any, path: str, more: dict[str, Any]
) -> None:
    (firm,) = await funded(api, 1)
    body = {"account": firm, **more}
    before = (await api.get(f"/v1/accounts/{firm}/holdings")).json()
    foreseen = await api.post(f"{path}/dry-run", body)
    assert (await api.get(f"/v1/accounts/{firm}/holdings")).json() == before
    proposed = await api.post(path, body)
    if proposed.status_code != 202:
        told = (foreseen.status_code, foreseen.json()["code"], foreseen.json().get("detail"))
        assert told == (proposed.status_code, proposed.json()["code"], proposed.json().get("detail"))
        return
    outcome = (await api.approve(proposed.json()["id"])).json()["outcome"]
    assert foreseen.json()["outcome"] == outcome
    after = (await api.get(f"/v1/accounts/{firm}/holdings")).json()["holdings"]
    assert foreseen.json()["holdings"] == [one for one in after if one["amount"]]
