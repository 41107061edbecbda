"""Plans, releases, reconciliation and serial numbers over HTTP: good answers, refusals, and no fault for any input."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

STAFF = ("maker", "checker", "operator", "auditor")


async def read(api: Any, path: str, roles: tuple[str, ...] = STAFF) -> Any:
    return await api.http.get(path, headers={"Authorization": f"Bearer {api.token('reader', *roles)}"})


async def upload(api: Any, raw: bytes, query: str, media_type: str = "text/csv") -> Any:
    headers = {"Authorization": f"Bearer {api.token('somebody', 'maker')}", "Idempotency-Key": f"csv-{next(api.keys)}"}
    return await api.http.post(
        f"/v1/allocations/csv?{query}", content=raw, headers=headers | {"Content-Type": media_type}
    )


async def test_a_plan_goes_from_file_to_totals_and_serials(api: Any) -> None:
    one, two = await api.account("One"), await api.account("Two", province="31")
    raw = f"account,tonnes,withheld\n{one},70,\n{two},30,under review\n".encode()
    proposed = await upload(api, raw, "product=CEA-2019&plan=first")
    assert proposed.status_code == 202, proposed.text
    plan = proposed.json()["plan_number"]
    dry = (await api.post(f"/v1/allocations/{plan}/dry-run")).json()
    done = (await api.approve(proposed.json()["id"])).json()["outcome"]
    assert dry == {"dry_run": True, "kind": "allocate_plan", "outcome": done, "number": plan}
    assert (done["tonnes"], done["withheld"]) == (100, 30)
    assert (await api.post(f"/v1/allocations/{plan}/dry-run")).json()["code"] == "7003"
    assert (await api.post("/v1/allocations/99/dry-run")).json()["code"] == "7005"

    totals = (await read(api, f"/v1/allocations/{plan}/totals")).json()
    assert [(row["province"], row["tonnes"], row["waiting"]) for row in totals["provinces"]] == [
        ("31", 30, 30), ("42", 70, 0),
    ]  # fmt: skip
    body = {"accounts": [two], "reason": "verified"}
    released = await api.post(f"/v1/allocations/{plan}/release", body)
    assert released.status_code == 202, released.text
    assert (await api.approve(released.json()["id"])).json()["outcome"] == {"released": 30}
    lines = (await read(api, f"/v1/allocations/{plan}/lines?after=2&limit=1")).json()
    assert (lines["lines"][0]["account"], lines["next"]) == (two, None)
    assert (await read(api, "/v1/allocations")).json()["plans"][0]["state"] == "EXECUTED"

    life = (await read(api, "/v1/serials/CEA-2019-000000000071")).json()
    assert life["holder"] == two
    assert [move["type"] for move in life["moves"]] == ["ISSUE", "ALLOCATE", "ALLOCATE_RELEASE"]
    held = (await read(api, f"/v1/accounts/{one}/serials?day=2021-07-15")).json()
    assert (held["tonnes"], held["serials"][0]["last"]) == (70, "CEA-2019-000000000070")
    assert (await read(api, f"/v1/accounts/{one}/serials?day=2021-07-14")).json()["tonnes"] == 0
    assert len((await read(api, f"/v1/accounts/{one}/unit-moves")).json()["moves"]) == 1
    assert (await read(api, f"/v1/accounts/{one}/deductions")).json()["deductions"] == []


async def test_operators_reconcile_and_everybody_else_is_told_no(api: Any) -> None:
    ran = await api.post("/v1/reconciliations", {"histories": True})
    assert (ran.status_code, ran.json()["agreed"]) == (201, True)
    assert (await api.post("/v1/reconciliations", roles=("maker",))).json()["code"] == "9001"
    assert (await read(api, "/v1/reconciliations")).json()["runs"][0]["cause"] == "demand"
    assert (await read(api, "/v1/reconciliation-breaks?state=OPEN")).json() == {"breaks": [], "next": None}
    assert (await read(api, "/v1/reconciliation-breaks?state=BAD")).json()["code"] == "8001"
    assert (await read(api, "/v1/reconciliation-breaks/7")).json()["code"] == "6002"
    closing = await api.post("/v1/reconciliation-breaks/7/close", {"explanation": "why"})
    assert closing.json()["code"] == "6002"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/allocations/1", "7005"),
        ("/v1/allocations/1/lines", "7005"),
        ("/v1/allocations/1/totals", "7005"),
        ("/v1/allocations/0", "8001"),
        ("/v1/allocations/9223372036854775808", "8001"),
        ("/v1/allocations/x", "8001"),
        ("/v1/allocations?limit=0", "8001"),
        ("/v1/allocations?after=-1", "8001"),
        ("/v1/serials/CEA-2019-000000000001", "3006"),
        ("/v1/serials/CEA-1066-000000000001", "3006"),
        ("/v1/serials/nonsense", "8001"),
        ("/v1/serials/CNY", "3006"),
        ("/v1/accounts/E42-00009999-99/serials?day=2021-07-15", "2004"),
        ("/v1/accounts/E42-00009999-11/serials", "8001"),
        ("/v1/accounts/E42-00001001-60/serials?day=0001-01-01", "2006"),
        ("/v1/accounts/E42-00001001-60/unit-moves", "2006"),
        ("/v1/accounts/E42-00001001-60/deductions", "2006"),
    ],
)
async def test_a_read_is_refused_with_its_code(api: Any, path: str, code: str) -> None:
    answer = await read(api, path)
    assert (answer.json()["code"], answer.headers["content-type"]) == (code, "application/problem+json")


@pytest.mark.parametrize("path", ["/v1/allocations", "/v1/reconciliations", "/v1/serials/CEA-2019-000000000001"])
async def test_holders_do_not_read_what_concerns_everybody(api: Any, path: str) -> None:
    assert (await read(api, path, ("holder",))).json()["code"] == "9001"


NASTY_FILES = (
    b"", b"\x00", b"\xff\xfe\x00", b"account,tonnes", b"account,tonnes\n\n\n", b'"', b'account,tonnes\n"', b"," * 5000,
    b"account,tonnes\n" + b"\xf0\x9f\x92\xa9,1\n", b"account,tonnes\n" + b"9" * 200_000 + b",1\n",
    "account,tonnes\n\u202eE42-00001001-60,1\n".encode(), b"account,tonnes\nE42-00001001-60,\x0c1\n",
    b"account,tonnes\r\nE42-00001001-60,9223372036854775808\r\n", b"account,tonnes\nE42-00001001-60,-0\n",
)  # fmt: skip


@pytest.mark.parametrize("raw", NASTY_FILES, ids=range(len(NASTY_FILES)))
async def test_no_file_makes_a_fault(api: Any, raw: bytes) -> None:
    answer = await upload(api, raw, "product=CEA-2019&plan=p")
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert answer.json()["code"] != "8009"


@pytest.mark.parametrize(
    "query",
    [
        "", "product=CEA-2019", "product=%00&plan=p", "product=CEA-2019&plan=%00", "product=CEA-2019&plan=p&follows=0",
        "product=CEA-2019&plan=p&share_percent=x", "product=CEA-2019&plan=p&kind=%F0%9F%92%A9",
        "product=CEA-2019&plan=p&kind=pre", "product=CEA-2019&plan=p&province=%00",
        "product=CEA-2019&plan=p&decides=%00", "product=CEA-2019&plan=p&kind=final&follows=9223372036854775807",
    ],
)  # fmt: skip
async def test_no_frame_makes_a_fault(api: Any, query: str) -> None:
    answer = await upload(api, b"account,tonnes\nE42-00001001-60,1\n", query)
    assert 400 <= answer.status_code < 500, answer.text[:300]
    wrong_type = await upload(api, b"{}", "product=CEA-2019&plan=p", "application/json")
    assert wrong_type.json()["code"] == "8001"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/allocations/1/release", {"accounts": ["\x00"], "reason": "r"}),
        ("/v1/allocations/1/release", {"accounts": ["x", "x"], "reason": "r"}),
        ("/v1/allocations/1/release", {"accounts": [], "reason": "r"}),
        ("/v1/allocations/1/release", {"accounts": ["x"], "reason": ""}),
        ("/v1/allocations/1/release", {"accounts": [7], "reason": "r"}),
        ("/v1/allocations", {"product": "CEA-2019", "plan": "p", "lines": [{"account": "x", "tonnes": 10**30}]}),
        ("/v1/allocations", {"product": "CEA-2019", "plan": "p", "lines": [], "follows": 10**30}),
        ("/v1/allocations", {"product": "CEA-2019", "plan": "p", "lines": [], "kind": "\u202e"}),
        ("/v1/reconciliations", {"histories": "yes"}),
        ("/v1/reconciliation-breaks/1/close", {"explanation": "e", "correction": {"side": "x", "other_account": ""}}),
        ("/v1/reconciliation-breaks/1/close", {"explanation": ["e"]}),
    ],
)
async def test_no_body_makes_a_fault(api: Any, path: str, body: Any) -> None:
    answer = await api.post(path, body)
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert answer.json()["code"] != "8009"
