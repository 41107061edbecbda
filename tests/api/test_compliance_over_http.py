"""Compliance as an HTTP client meets it: a year from its rules to its reversal, and whatever a client may send."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from core.refusals import Reason

pytestmark = pytest.mark.anyio

UP, DOWN = ("authority_maker",), ("authority_checker",)
NOBODY = "00000000-0000-4000-8000-000000000000"
RULES = {"year": 2020, "deadline": "2021-12-31", "vintages": [2019], "reason": "plan"}
NASTY = (
    None, True, 0, -1, 1.5, 2**63, 10**400, "", " ", "x" * 600, "a\x00b", "１２", "NaN", "\u202e", [], {}, [None],
    [0], [10**40], ["x"], "2021-02-30", "9999-12-31", NOBODY, "E42-00001001-60",
)  # fmt: skip
WRITES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "/v1/emissions": (UP, {"year": 2020, "lines": [{"account": "E42-00001001-60", "tonnes": 5, "reason": "r"}]}),
    "/v1/compliance-years": (("maker",), {**RULES, "offset_basis_points": 1, "reversal_days": 1, "authority": True}),
    "/v1/penalties": (("maker",), {"account": "E42-00001001-60", "year": 2020, "reason": "r"}),
    "/v1/penalties/dry-run": (("maker",), {"account": "E42-00001001-60", "year": 2020, "reason": "r"}),
    "/v1/surrenders": (("maker",), {"account": "E42-00001001-60", "product": "CEA-2019", "tonnes": 5, "year": 2020}),
    "/v1/surrenders/dry-run": (
        ("maker",),
        {"account": "E42-00001001-60", "product": "CEA-2019", "tonnes": 5, "year": 2020},
    ),
    f"/v1/surrenders/{NOBODY}/reverse": (("maker",), {"reason": "r"}),
    "/v1/offset-lots": (("maker",), {"account": "E42-00001001-60", "project": "C-1", "first": 1, "last": 5}),
    f"/v1/offset-lots/{NOBODY}/release": (("maker",), {}),
    "/v1/offsets": (("maker",), {"account": "E42-00001001-60", "year": 2020, "lots": [NOBODY]}),
    "/v1/offsets/dry-run": (("maker",), {"account": "E42-00001001-60", "year": 2020, "lots": [NOBODY]}),
    "/v1/carry-over-rules": (
        ("maker",),
        {
            "name": "power",
            "vintages": [2019],
            "to_vintage": 2024,
            "base_t": 1,
            "factor_thousandths": 1,
            "sold_vintages": [2019],
            "sold_from": "2021-07-16",
            "sold_until": "2021-12-31",
            "apply_until": "2021-12-31",
            "reason": "plan",
        },
    ),
    "/v1/carry-overs": (("maker",), {"account": "E42-00001001-60", "product": "CEA-2019", "tonnes": 5}),
    "/v1/carry-overs/dry-run": (("maker",), {"account": "E42-00001001-60", "product": "CEA-2019", "tonnes": 5}),
}


def mutations(body: dict[str, Any]) -> Any:
    yield {**body, "unknown": 1}
    for name in body:
        yield {n: v for n, v in body.items() if n != name}
        yield from ({**body, name: nasty} for nasty in NASTY)
    for line in body.get("lines", ()):
        for name in line:
            yield from ({**body, "lines": [{**line, name: nasty}]} for nasty in NASTY)


@pytest.mark.parametrize("path", WRITES)
async def test_nothing_that_is_sent_makes_a_write_fail(api: Any, path: str) -> None:
    roles, valid = WRITES[path]
    for body in mutations(valid):
        answer = await api.post(path, body, roles=roles)
        assert answer.status_code < 500, (body, answer.text)
        assert answer.status_code < 400 or answer.json()["code"], (body, answer.text)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", Reason.FILE_EMPTY),
        (b"account,tonnes", Reason.FILE_EMPTY),
        (b"account;tonnes\nE42;5", Reason.FILE_HEADER),
        ("account,tonnes\n企业,5".encode("gb18030"), Reason.FILE_NOT_UTF8),
        (b"account,tonnes\nE42-00001001-60,5", Reason.ACCOUNT_UNKNOWN),
        (b"account,tonnes\n\x00,\x00", Reason.MALFORMED),
        (b'account,tonnes\n"', Reason.FILE_BROKEN),
    ],
)
async def test_a_file_that_is_wrong_is_refused_by_code(api: Any, content: bytes, code: Reason) -> None:
    headers = {"Content-Type": "text/csv"}
    answer = await api.post("/v1/emissions/csv?year=2020", content=content, headers=headers, roles=UP)
    assert (answer.status_code, answer.json()["code"]) == (code.http_status, code.code), answer.text


async def test_emissions_in_another_encoding_are_read_when_the_file_says_so(api: Any) -> None:
    firm = await api.account("Firm")
    content = f"account,tonnes,reason\n{firm},80,核查\n".encode("gb18030")
    headers = {"Content-Type": "text/csv; charset=GBK"}
    answer = await api.post("/v1/emissions/csv?year=2020", content=content, headers=headers, roles=UP)
    assert (answer.status_code, answer.json()["lines"]) == (
        202,
        [{"account": firm, "tonnes": 80, "reason": "核查"}],
    ), answer.text


async def test_rows_of_a_file_are_refused_by_their_lines(api: Any) -> None:
    firm = await api.account("Firm")
    content = f"account,tonnes\n{firm},1.5\nnobody,5\n\n{firm},7\n".encode()
    headers = {"Content-Type": "text/csv"}
    answer = await api.post("/v1/emissions/csv?year=2020", content=content, headers=headers, roles=UP)
    assert answer.status_code == Reason.ACCOUNT_UNKNOWN.http_status
    assert [(e["line"], e["code"]) for e in answer.json()["errors"]] == [
        (2, Reason.QUANTITY_INVALID.code),
        (3, Reason.ACCOUNT_UNKNOWN.code),
        (5, Reason.EMISSIONS_TWICE.code),
    ]


async def test_a_year_from_its_rules_to_a_reversal(api: Any) -> None:
    firm = await api.account("Firm")
    plan = {"product": "CEA-2019", "plan": "first", "lines": [{"account": firm, "tonnes": 100}]}
    await api.approve((await api.post("/v1/allocations", plan)).json()["id"])
    await api.approve((await api.post("/v1/compliance-years", RULES)).json()["id"])
    content, headers = f"account,tonnes\n{firm},80\n".encode(), {"Content-Type": "text/csv"}
    uploaded = await api.post("/v1/emissions/csv?year=2020", content=content, headers=headers, by="up", roles=UP)
    confirmed = await api.post(f"/v1/tasks/{uploaded.json()['id']}/approve", by="down", roles=DOWN)
    assert (confirmed.status_code, confirmed.json()["outcome"]) == (200, {"confirmed": 1, "tonnes": 80})

    wish = {"account": firm, "product": "CEA-2019", "tonnes": 80, "year": 2020}
    dry = (await api.post("/v1/surrenders/dry-run", wish)).json()
    applied = (await api.post("/v1/surrenders", wish)).json()
    refused = await api.approve(applied["id"])
    assert (refused.status_code, refused.json()["code"]) == (403, Reason.NOT_PERMITTED.code)
    done = (await api.post(f"/v1/tasks/{applied['id']}/approve", by="down", roles=DOWN)).json()
    assert (dry["outcome"], dry["obligation"]["state"]) == (done["outcome"], "MET")

    shown = (await api.get(f"/v1/accounts/{firm}/obligations/2020")).json()
    assert (shown["state"], shown["days_left"], shown["shortage"], shown["warning"]) == ("MET", 169, 0, None)
    assert dry["obligation"] == {name: shown[name] for name in dry["obligation"]}
    back = await api.post(f"/v1/surrenders/{applied['hold']}/reverse", {"reason": "wrong year"})
    await api.post(f"/v1/tasks/{back.json()['id']}/approve", by="down", roles=DOWN)
    kept = (await api.get(f"/v1/surrenders/{applied['hold']}")).json()
    assert (kept["state"], kept["serials"]) == (
        "REVERSED",
        [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000000080", "tonnes": 80}],
    )
    listed = (await api.get("/v1/compliance-years/2020/obligations?state=OPEN")).json()
    assert [one["account"] for one in listed["obligations"]] == [firm]


async def test_every_read_answers_whoever_asks_for_whatever(api: Any) -> None:
    firm = await api.account("Firm")
    reads = [
        f"/v1/accounts/{firm}/obligations", f"/v1/accounts/{firm}/obligations/2020",
        f"/v1/accounts/{firm}/obligations/2020/history",
        f"/v1/accounts/{firm}/emissions", f"/v1/accounts/{firm}/surrenders", f"/v1/accounts/{firm}/offset-lots",
        f"/v1/accounts/{firm}/carry-overs", "/v1/compliance-years", "/v1/compliance-years/2020", "/v1/carry-over-rules",
    ]  # fmt: skip
    for path in reads:
        answer = await api.get(path)
        assert answer.status_code == 200, (path, answer.text)
    queries = ("after=x", "after=-1", f"after={10**30}", "after=2020-", f"after={NOBODY}", "limit=0", "limit=1001")
    for path, query in itertools.product(reads, queries):
        assert (await api.get(f"{path}?{query}")).status_code in {200, 422}, (path, query)
    for path in (
        f"/v1/surrenders/{NOBODY}",
        f"/v1/offset-lots/{NOBODY}",
        "/v1/accounts/E42-00009999-00/obligations/2020",
    ):
        assert (await api.get(path)).status_code in {404, 422}, path
