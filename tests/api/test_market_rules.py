"""The market's rules over HTTP: shown, tried out, proposed, decided, and never a fault for any input."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

DAY = "2021-07-16"
TICK = {"kind": "tick", "name": "price", "value": {"fen": 5}, "effective_from": "2021-07-19"}
CLOSED = {"kind": "calendar", "name": "2021-07-19", "value": {"open": False, "why": "typhoon"}}


def body(*changes: Any, **more: Any) -> dict[str, Any]:
    return {"changes": list(changes), "why": "a test"} | more


async def try_out(api: Any, asked: Any) -> Any:
    """Send a dry run, which needs no key."""
    headers = {"Authorization": f"Bearer {api.token('a', 'maker')}"}
    return await api.http.post("/v1/parameters/dry-run", json=asked, headers=headers)


async def test_a_change_is_tried_out_proposed_decided_and_shown(api: Any) -> None:
    tried = (await try_out(api, body(TICK, CLOSED))).json()["outcome"]
    before = (await api.get("/v1/market-rules/2021-07-20")).json()

    proposed = await api.post("/v1/parameters", body(TICK, CLOSED), by="ann")
    assert proposed.status_code == 202, proposed.text
    decided = await api.approve(proposed.json()["id"])
    assert decided.status_code == 200, decided.text

    after = (await api.get("/v1/market-rules/2021-07-20")).json()
    assert [(day["day"], day["before"], day["after"]) for day in tried["days"]] == [("2021-07-20", before, after)]
    assert (before["tick_fen"], after["tick_fen"]) == (1, 5)
    assert tried["trading_days"]["now"][:3] == ["2021-07-19", "2021-07-20", "2021-07-21"]
    assert tried["trading_days"]["then"][:2] == ["2021-07-20", "2021-07-21"]
    monday = (await api.get("/v1/market-rules/2021-07-19")).json()
    assert (monday["trading_day"], monday["closed_because"]) == (False, "2021-07-19 is no trading day.")
    held = (await api.get("/v1/parameters?kind=tick&day=2021-07-19")).json()["parameters"]
    assert [(one["version"], one["value"], one["proposed_by"], one["decided_by"]) for one in held] == [
        (2, {"fen": 5}, "ann", "second")
    ]


async def test_versions_come_in_pages(api: Any) -> None:
    whole, after = [], ""
    while after is not None:
        page = (await api.get("/v1/parameters", params={"limit": 7, "after": after})).json()
        whole += [(one["kind"], one["name"], one["version"]) for one in page["parameters"]]
        after = page["next"]

    assert len(whole) == len(set(whole)) == 20
    assert whole == sorted(whole)


async def test_a_day_opens_without_naming_products(api: Any) -> None:
    number = await api.account("Firm")
    plan = {"product": "CEA-2019", "plan": "first", "lines": [{"account": number, "tonnes": 7}]}
    await api.approve((await api.post("/v1/allocations", plan)).json()["id"])

    opened = await api.post("/v1/days", {"day": DAY, "cumulative_t": 0, "cumulative_fen": 0})

    assert opened.status_code == 201, opened.text
    limits = (await api.get(f"/v1/market-rules/{DAY}")).json()["limits"]
    assert [(one["mode"], one["low_fen"], one["high_fen"]) for one in limits] == [
        ("block", 3360, 6240), ("listed", 4320, 5280),
    ]  # fmt: skip


REFUSED: list[tuple[Any, int, str]] = [
    (body(TICK | {"effective_from": "2021-07-14"}), 422, "8025"),
    (body(TICK | {"value": {"fen": 1}}), 409, "8027"),
    (body(TICK, TICK), 422, "8024"),
    (body(TICK | {"kind": "colour"}), 422, "8021"),
    (body(TICK | {"kind": "\x00"}), 422, "8001"),
    (body(TICK | {"name": "../x"}), 422, "8022"),
    (body(TICK | {"value": {"fen": 1.5}}), 422, "8023"),
    (body(TICK | {"value": {"fen": 10**40}}), 422, "8023"),
    (body(TICK | {"value": {"fen": [[[[{}]]]]}}), 422, "8023"),
    (body(TICK | {"value": {"\x00": 1}}), 422, "8001"),
    (body(CLOSED | {"value": {"open": False, "why": "\x00"}}), 422, "8001"),
    (body(CLOSED | {"name": "2021-02-30"}), 422, "8022"),
    (body(TICK | {"effective_from": "2021-7-19"}), 422, "8001"),
    (body(TICK | {"effective_from": None}), 422, "8001"),
    (body(TICK | {"effective_from": 20210719}), 422, "8001"),
    (body(TICK | {"value": 5}), 422, "8001"),
    (body(TICK | {"note": "x"}), 422, "8001"),
    (body(), 422, "8001"),
    (body(*[TICK] * 101), 422, "8001"),
    (body(TICK, why=" "), 422, "8001"),
    (body(TICK, why="x" * 501), 422, "8001"),
    ([], 422, "8001"),
    ("text", 422, "8001"),
]


@pytest.mark.parametrize(("asked", "status", "code"), REFUSED)
async def test_what_is_wrong_has_a_code_for_the_proposal_and_the_dry_run(
    api: Any, asked: Any, status: int, code: str
) -> None:
    proposed, tried = await api.post("/v1/parameters", asked), await try_out(api, asked)

    for answer in (proposed, tried):
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["next"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/market-rules/1990-01-01", 200), ("/v1/market-rules/2099-12-31", 200),
        ("/v1/market-rules/9999-12-31", 200),
        ("/v1/market-rules/2021-13-01", 422), ("/v1/market-rules/x", 422), ("/v1/parameters?kind=colour", 422),
        ("/v1/parameters?after=x", 422), ("/v1/parameters?after=limit:listed:999999999", 200),
        ("/v1/parameters?day=0001-01-01", 200), ("/v1/parameters?day=x", 422), ("/v1/parameters?limit=0", 422),
    ],
)  # fmt: skip
async def test_odd_reads_are_answered_or_refused(api: Any, path: str, status: int) -> None:
    answer = await api.get(path)
    assert answer.status_code == status, answer.text


async def test_a_dry_run_is_for_those_who_may_propose(api: Any) -> None:
    for role in ("checker", "operator", "auditor"):
        headers = {"Authorization": f"Bearer {api.token('a', role)}"}
        answer = await api.http.post("/v1/parameters/dry-run", json=body(TICK), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "9001")
