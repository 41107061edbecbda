"""Proposals, lists of them, and the audit trail as an HTTP client meets them."""

from __future__ import annotations

from typing import Any

import pytest

from core.refusals import Reason

pytestmark = pytest.mark.anyio

ONE = {"name": "Example", "kind": "E", "province": "42"}


async def test_a_proposal_is_listed_withdrawn_and_told_in_the_trail(api: Any) -> None:
    task = (await api.post("/v1/accounts", ONE, by="a")).json()["id"]
    waiting = (await api.get("/v1/tasks?state=AWAITING_APPROVAL&kind=open_account")).json()
    assert [found["id"] for found in waiting["tasks"]] == [task]
    assert waiting["tasks"][0]["approval"]["expires_at"] == "2021-07-29T09:00:00+08:00"

    other = await api.post(f"/v1/tasks/{task}/withdraw", by="b")
    assert (other.status_code, other.json()["code"]) == (403, Reason.NOT_PERMITTED.code)
    withdrawn = await api.post(f"/v1/tasks/{task}/withdraw", by="a")

    assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "WITHDRAWN")
    assert (await api.get("/v1/tasks?state=AWAITING_APPROVAL")).json()["tasks"] == []
    trail = (await api.get(f"/v1/audit?subject={task}")).json()
    assert [(event["caller"], event["action"]) for event in trail["events"]] == [("a", "withdrawn")]


async def test_a_transfer_to_an_account_that_is_not_trusted_waits_a_working_day(api: Any) -> None:
    giver, taker = await api.funded("giver", 500), await api.account("taker")
    body = {"from_account": giver, "to_account": taker, "asset": "CNY", "amount": 200}
    proposed = (await api.post("/v1/transfer-proposals", body, by="a")).json()
    assert proposed["approval"]["not_before"] == "2021-07-16T12:00:00+08:00"

    delayed = (await api.post(f"/v1/tasks/{proposed['id']}/approve", by="b")).json()
    assert (delayed["state"], await api.cash(taker)) == ("DELAYED", 0)
    cancelled = (await api.post(f"/v1/tasks/{proposed['id']}/reject", {"reason": "Not ours"}, by="b")).json()
    assert (cancelled["state"], cancelled["outcome"]) == ("CANCELLED", {"reason": "Not ours"})


async def test_an_account_limits_itself(api: Any) -> None:
    giver, taker = await api.funded("giver", 500), await api.account("taker")
    limits = await api.post(f"/v1/accounts/{giver}/limits", {"fen_max": 100}, by="a")
    await api.approve(limits.json()["id"])
    listed = await api.post(f"/v1/accounts/{giver}/trusted", {"trusted": taker}, by="a")
    await api.approve(listed.json()["id"])

    shown = (await api.get(f"/v1/accounts/{giver}/trusted")).json()
    assert shown["limits"] == {"tonnes_max": None, "fen_max": 100, "trusted_only": False}
    assert [entry["account"] for entry in shown["trusted"]] == [taker]
    body = {"from_account": giver, "to_account": taker, "asset": "CNY", "amount": 101}
    over = await api.post("/v1/transfer-proposals", body)
    assert (over.status_code, over.json()["code"]) == (422, Reason.OVER_OWN_LIMIT.code)
    removed = await api.post(f"/v1/accounts/{giver}/trusted/{taker}/remove")
    assert (removed.status_code, removed.json()["trusted"]) == (200, taker)


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("/v1/audit", ("maker", "checker", "bank", "probe", "holder", "authority_checker")),
        ("/v1/tasks", ("bank", "probe")),
    ],
)
async def test_some_lists_are_for_some_roles(api: Any, path: str, roles: tuple[str, ...]) -> None:
    refused = await api.get(path, roles=roles)

    assert (refused.status_code, refused.json()["code"]) == (403, Reason.NOT_PERMITTED.code)


@pytest.mark.parametrize("role", ["maker", "checker", "operator", "auditor", "holder", "authority_maker"])
async def test_a_listing_pages_on(api: Any, role: str) -> None:
    made = [(await api.post("/v1/accounts", ONE, by="a")).json()["id"] for _ in range(3)]
    page = (await api.get("/v1/tasks?limit=2", by="a", roles=(role,))).json()
    rest = (await api.get(f"/v1/tasks?limit=2&after={page['next']}", by="a", roles=(role,))).json()

    assert [task["id"] for task in page["tasks"] + rest["tasks"]] == made
    assert rest["next"] is None
