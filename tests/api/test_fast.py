"""The short way of transfers and balances gives the answers of the ordinary way, to everything that can be sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.refusals import Reason

pytestmark = pytest.mark.anyio

ORDINARY = {"Prefer": "wait=40"}
"""Whoever asks for something special is served by the framework: so the same request can be sent both ways."""


def seen(answer: Any) -> tuple[int, dict[str, str], Any]:
    """Everything of an answer but the id and the time that are drawn for it."""
    headers = {name: value for name, value in answer.headers.items() if name not in {"date", "content-length"}}
    body = answer.json()
    return answer.status_code, headers, {name: value for name, value in body.items() if name != "id"}


GOOD = {"from_account": "{a}", "to_account": "{b}", "asset": "CNY", "amount": 1}
BODIES: list[Any] = [
    GOOD,
    {**GOOD, "amount": 10**6},
    {**GOOD, "amount": 0},
    {**GOOD, "amount": -1},
    {**GOOD, "amount": 2**63},
    {**GOOD, "amount": 10**40},
    {**GOOD, "amount": 1.0},
    {**GOOD, "amount": True},
    {**GOOD, "amount": "1"},
    {**GOOD, "amount": None},
    {**GOOD, "asset": "CEA-2019"},
    {**GOOD, "asset": "CEA-2099"},
    {**GOOD, "asset": "x" * 41},
    {**GOOD, "asset": "x" * 501},
    {**GOOD, "asset": ""},
    {**GOOD, "asset": " \u3000"},
    {**GOOD, "to_account": "{a}"},
    {**GOOD, "to_account": "nobody"},
    {**GOOD, "from_account": "S00-00000005-41"},
    {**GOOD, "from_account": ["{a}"]},
    {**GOOD, "more": 1},
    {name: value for name, value in GOOD.items() if name != "asset"},
    [],
    "text",
    None,
]
RAW = [
    b"",
    b"{",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"from_account":"a","from_account":"a"}',
    b'{"amount":NaN}',
    b'{"asset":"\\ud800"}',
    b"[" * 3000,
    b'{"amount":' + b"9" * 5000 + b"}",
]


async def test_every_body_gets_the_same_answer_both_ways(api: Any) -> None:
    a, b = await api.funded("A", 1000), await api.account("B")
    for body in BODIES:
        raw = json.dumps(body).replace("{a}", a).replace("{b}", b).encode()
        await same(api, raw)
    for raw in RAW:
        await same(api, raw)


async def same(api: Any, raw: bytes, **headers: str) -> None:
    kind = {"content-type": "application/json", **headers}
    short = await api.post("/v1/transfers", content=raw, headers=dict(kind))
    ordinary = await api.post("/v1/transfers", content=raw, headers=kind | ORDINARY)
    assert seen(short) == seen(ordinary), raw[:100]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "text/plain"},
        {"content-type": "application/vnd.api+json"},
        {"Idempotency-Key": "k" * 201},
        {"Idempotency-Key": "with space"},
    ],
)
async def test_every_header_gets_the_same_answer_both_ways(api: Any, headers: dict[str, str]) -> None:
    a, b = await api.funded("A", 1000), await api.account("B")
    await same(api, json.dumps({**GOOD, "from_account": a, "to_account": b}).encode(), **headers)


async def test_callers_without_a_role_or_a_token_are_told_the_same(api: Any) -> None:
    raw = json.dumps(GOOD).encode()
    kind = {"content-type": "application/json"}
    for roles in ((), ("auditor",), ("authority_maker",), ("holder",)):
        short = await api.post("/v1/transfers", content=raw, headers=dict(kind), roles=roles)
        ordinary = await api.post("/v1/transfers", content=raw, headers=kind | ORDINARY, roles=roles)
        assert seen(short) == seen(ordinary), roles
    nobody = await api.http.post("/v1/transfers", content=raw, headers=kind | {"Idempotency-Key": "k"})
    assert (nobody.status_code, nobody.json()["code"]) == (401, Reason.NOT_AUTHENTICATED.code)


async def test_a_key_is_the_same_key_on_both_ways(api: Any) -> None:
    a, b = await api.funded("A", 1000), await api.account("B")
    body = {**GOOD, "from_account": a, "to_account": b}
    first = await api.post("/v1/transfers", body, key="one")
    repeated = await api.post("/v1/transfers", body, key="one", headers=dict(ORDINARY))
    again = await api.post("/v1/transfers", body, key="one")
    other = await api.post("/v1/transfers", {**body, "amount": 2}, key="one")

    assert first.json() == repeated.json() == again.json()
    assert seen(repeated) == seen(again)
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["code"] == Reason.KEY_REUSED.code
    assert await api.cash(a) == 999


async def test_a_balance_is_the_same_both_ways(api: Any) -> None:
    a = await api.funded("A", 1000)
    applied = (await api.post("/v1/accounts", {"name": "B", "kind": "E", "province": "42"})).json()["account"]["number"]
    paths = [(a, "CNY"), (a, "CEA-2019"), (a, "CEA-9999"), (a, "x"), (applied, "CNY"),
             ("E42-99999999-00", "CNY"), ("nobody", "CNY"), ("E42-00000009-11", "CNY")]  # fmt: skip
    for number, asset in paths:
        path = f"/v1/accounts/{number}/holdings/{asset}"
        short, ordinary = await api.get(path), await api.get(path, headers=dict(ORDINARY))
        assert seen(short) == seen(ordinary), path
    shown = (await api.get(f"/v1/accounts/{a}/holdings/CNY")).json()
    assert shown == {"account": a, "asset": "CNY", "amounts": {"available": 1000}, "total": 1000}


async def test_both_ways_are_described_and_counted_under_one_name(api: Any) -> None:
    a, b = await api.funded("A", 1000), await api.account("B")
    await api.post("/v1/transfers", {**GOOD, "from_account": a, "to_account": b})
    await api.get(f"/v1/accounts/{a}/holdings/CNY")
    metrics = (await api.http.get("/metrics")).text
    paths = (await api.http.get("/openapi.json")).json()["paths"]

    for method, path, status in [
        ("POST", "/v1/transfers", 201),
        ("GET", "/v1/accounts/{number}/holdings/{asset}", 200),
    ]:
        assert f'registry_requests_total{{method="{method}",route="{path}",status="{status}"}}' in metrics
        assert method.lower() in paths[path]
