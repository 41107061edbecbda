"""What an HTTP client meets: who may, what is missing, what is malformed, what is published."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.routing import Route

from core.api.app import SUBJECTS
from core.api.edge import PUBLIC
from core.bank.wire import CreditNotice, Movement, write_camt054
from core.refusals import Reason

pytestmark = pytest.mark.anyio

DAY = {"day": "2021-07-16", "products": {"CEA-2019": 4800}, "cumulative_t": 0, "cumulative_fen": 0}
TASK = "00000000-0000-4000-8000-000000000000"
WRITES: dict[str, tuple[str, Any]] = {
    "/v1/accounts": ("maker", {"name": "Example", "kind": "E", "province": "42", "credit_code": None, "bank": "B001"}),
    "/v1/account-batches": ("maker", {"accounts": [{"name": "Example", "kind": "E", "province": "42"}]}),
    f"/v1/tasks/{TASK}/approve": ("checker", {}),
    f"/v1/tasks/{TASK}/reject": ("checker", {"reason": "Wrong code"}),
    f"/v1/tasks/{TASK}/withdraw": ("maker", {}),
    "/v1/accounts/E42-00001001-60/trusted": ("maker", {"trusted": "E42-00001002-57"}),
    "/v1/accounts/E42-00001001-60/trusted/E42-00001002-57/remove": ("maker", {}),
    "/v1/accounts/E42-00001001-60/limits": ("maker", {"tonnes_max": 5, "fen_max": 5, "trusted_only": True}),
    "/v1/transfer-proposals": (
        "maker",
        {"from_account": "E42-00001001-60", "to_account": "E42-00001002-57", "asset": "CEA-2019", "amount": 5},
    ),
    "/v1/allocations": (
        "maker",
        {"product": "CEA-2019", "plan": "first", "lines": [{"account": "E42-00001001-60", "tonnes": 5}]},
    ),
    "/v1/transfers": (
        "maker",
        {"from_account": "E42-00001001-60", "to_account": "E42-00001002-57", "asset": "CEA-2019", "amount": 5},
    ),
    "/v1/surrenders": ("maker", {"account": "E42-00001001-60", "product": "CEA-2019", "tonnes": 5, "year": 2020}),
    "/v1/deposits": (
        "bank",
        {"bank": "B001", "message_id": "M1", "entries": [{"account": "E42-00001001-60", "amount_fen": 5}]},
    ),
    "/v1/parameters": (
        "maker",
        {
            "changes": [{"kind": "tick", "name": "price", "value": {"fen": 5}, "effective_from": "2021-07-19"}],
            "why": "a test",
        },
    ),
    "/v1/clock": ("operator", {"now": "2021-07-15T10:00:00+08:00"}),
    "/v1/days": ("operator", DAY),
    "/v1/beats": ("probe", {"probe": "p", "n": 1}),
}
READS = (
    "/v1/parameters",
    "/v1/market-rules/2021-07-16",
    "/v1/accounts",
    "/v1/accounts/E42-00001001-60",
    "/v1/accounts/E42-00001001-60/holdings",
    "/v1/accounts/E42-00001001-60/transfers",
    "/v1/tasks",
    f"/v1/tasks/{TASK}",
    "/v1/audit",
    "/v1/accounts/E42-00001001-60/trusted",
    "/v1/requests/some-key",
    "/v1/clock",
    "/v1/days/2021-07-16",
    "/v1/days/2021-07-16/report",
    "/v1/days/2021-07-16/trades",
    "/v1/beats/p",
)

NASTY = (
    None, True, 0, -1, 1.5, 2**63, 10**400, "", " ", "x" * 600, "a\x00b", "\ud800", "\x1b[2J", "１２", "NaN", "\u202e",
    [], {}, [None], {"a": {}}, "2021-02-30", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00",
    "E42-00001001-60",
)  # fmt: skip

RAW = (
    b"", b"{", b"null", b"[]", b"1", b'"text"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 5_000,
    b'{"amount": NaN}', b'{"amount": Infinity}', b'{"amount": 1e999}', b'{"n": ' + b"9" * 5000 + b"}",
    b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b'{"\\u0000": 1}', b'{"n": 1, "n": 2}', b'{"probe": "\x01"}',
)  # fmt: skip


MEDIA_TYPES = ("text/plain", "application/xml", "multipart/form-data", "application/octet-stream", "x")


def _mutations(body: Any) -> Iterator[Any]:
    """Replace each value, at every depth, by each nasty one; drop it; add an unknown name."""
    if isinstance(body, dict):
        yield {**body, "unknown": 1}
        for name, value in body.items():
            yield {n: v for n, v in body.items() if n != name}
            yield from ({**body, name: nasty} for nasty in NASTY)
            yield from ({**body, name: inner} for inner in _mutations(value))
        yield from ({**body, nasty: 1} for nasty in NASTY if isinstance(nasty, str))
    elif isinstance(body, list):
        yield from ([nasty] for nasty in NASTY)
        yield from ([inner] for inner in _mutations(body[0]))
        yield body * 2


def _is_problem(response: Any) -> bool:
    body = response.json()
    same_status = body["status"] == response.status_code
    return response.headers["content-type"] == "application/problem+json" and same_status and bool(body["code"])


@pytest.mark.parametrize("path", WRITES)
async def test_nothing_that_is_sent_makes_a_write_fail(api: Any, path: str) -> None:
    """Every answer is an answer: carried out, or refused with a code; never a fault."""
    role, valid = WRITES[path]
    for n, body in enumerate(_mutations(valid)):
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        answer = await api.post(path, content=content, headers=headers, roles=(role,), key=f"{path}-{n}")
        assert answer.status_code < 500, (body, answer.text)
        assert answer.status_code < 400 or _is_problem(answer), (body, answer.text)
    for raw in RAW:
        answer = await api.post(path, content=raw, headers={"Content-Type": "application/json"}, roles=(role,))
        needs_no_body = path.endswith(("/approve", "/withdraw", "/remove")) and raw in {b"", b"null"}
        assert answer.status_code == (404 if needs_no_body else 422), (raw[:40], answer.text)
        assert _is_problem(answer)


async def test_a_body_that_is_not_json_is_refused(api: Any) -> None:
    for path, media_type in itertools.product(WRITES, MEDIA_TYPES):
        answer = await api.post(path, content=b"<a>\x00</a>", headers={"Content-Type": media_type})
        assert answer.status_code == 422, (path, media_type)
        assert _is_problem(answer)


ODD = (
    "/v1/accounts/%00",
    "/v1/accounts/%ED%A0%80",
    "/v1/accounts/E42-00001001-60%00/holdings",
    "/v1/accounts/" + "9" * 5000,
    "/v1/accounts?limit=0",
    "/v1/accounts?limit=99999999999999999999",
    "/v1/accounts?after=%00",
    "/v1/accounts?after=%27",
    "/v1/accounts/E42-00001001-60/transfers?after=x",
    "/v1/accounts/E42-00001001-60/transfers?after=9999999999999999999-1",
    "/v1/tasks/%00",
    "/v1/tasks?after=-1",
    "/v1/tasks?after=99999999999999999999",
    "/v1/tasks?state=LOST",
    "/v1/tasks?kind=%27",
    "/v1/tasks?account=%00",
    "/v1/audit?after=1",
    "/v1/audit?after=9999999999999999999-1",
    "/v1/audit?subject=%00",
    "/v1/accounts/E42-00001001-60/trusted?limit=0",
    "/v1/tasks/none",
    "/v1/days/2021-13-01",
    "/v1/days/%00",
    "/v1/days/99999-01-01/report",
    "/v1/days/2021-07-16/trades?after=-1",
    "/v1/days/2021-07-16/trades?after=9223372036854775808",
    "/v1/beats/%00",
    "/v1/beats/" + "%ED%A0%80",
    "/v1/requests/%00",
    "/v1/requests/" + "x" * 201,
    "/v1/requests/%E5%85%89",
    "/v1/nothing",
    "/%00",
)


async def test_no_address_makes_a_read_fail(api: Any) -> None:
    for path in ODD:
        answer = await api.get(path)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert _is_problem(answer)


async def test_no_address_makes_a_write_fail(api: Any) -> None:
    for path in ("/v1/tasks/%00/approve", "/v1/tasks/%ED%A0%80/reject", "/v1/days/%00", "/%00", "/v1/beats%00"):
        answer = await api.post(path, {"reason": "no"})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert _is_problem(answer)


PREFERENCES = (
    "wait=0", "wait=-1", "wait=1.5", "wait", "wait=", "wait=99999999999999999999", "wait=999999", "wait=1, wait=0",
    'wait="0"', "wait=\xb2", "respond-async; wait=3", ",,;=", "x" * 8000,
)  # fmt: skip


@pytest.mark.parametrize("preference", PREFERENCES)
async def test_a_preference_that_makes_no_sense_changes_no_answer(api: Any, preference: str) -> None:
    headers = {"Prefer": preference.encode("latin-1")}

    assert (await api.post("/v1/beats", {"probe": "p", "n": 1}, headers=headers)).status_code == 201
    assert (await api.get("/v1/beats/p", headers=headers)).json()["n"] == 1


async def test_reads_answer_before_anything_was_written(api: Any) -> None:
    for path in READS:
        answer = await api.get(path)
        assert answer.status_code in {200, 404}, (path, answer.text)


async def test_nobody_without_a_valid_token_gets_in(api: Any, token: Callable[..., str]) -> None:
    other = Ed25519PrivateKey.generate()
    claims = {"sub": "a", "roles": ["maker"], "iss": "https://issuer.invalid", "exp": int(time.time()) + 60}
    forged = [
        jwt.encode(claims, other, algorithm="EdDSA"),
        jwt.encode(claims, "x" * 64, algorithm="HS512"),
        jwt.encode(claims, None, algorithm="none"),
        token("a", exp=int(time.time()) - 60),
        token("a", exp=None),
        token("a", iss="https://elsewhere.invalid"),
        token("a", sub=None),
        token(""),
        token("a\x00"),
        token("a" * 101),
        token("a", roles="maker"),
        token("a", nbf=int(time.time()) + 600),
        "nonsense",
        "",
    ]
    asked = [("POST", path) for path in WRITES] + [("GET", path) for path in READS]
    headers = [{"Authorization": one} for one in [*[f"Bearer {one}" for one in forged], "Basic YTpi", ""]]
    for (method, path), header in itertools.product(asked, [*headers, {}]):
        answer = await api.http.request(method, path, headers=header, content=b"{")
        assert answer.status_code == 401, (path, header)
        assert answer.json()["code"] == Reason.NOT_AUTHENTICATED.code
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_write_needs_its_role(api: Any) -> None:
    for path, (role, body) in WRITES.items():
        others = tuple(one for one in ("maker", "checker", "operator", "bank", "probe", "auditor") if one != role)
        answer = await api.post(path, body, roles=others)
        assert (answer.status_code, answer.json()["code"]) == (403, Reason.NOT_PERMITTED.code), path


async def test_a_write_needs_a_usable_key(api: Any, token: Callable[..., str]) -> None:
    keys = (None, "", " ", "a b", "x" * 201, "caf\xe9", "a\tb")
    for (path, (role, body)), key in itertools.product(WRITES.items(), keys):
        headers = {"Authorization": f"Bearer {token('a', role)}"} | ({} if key is None else {"Idempotency-Key": key})
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await api.http.post(path, json=body, headers=encoded)
        assert (answer.status_code, answer.json()["code"]) == (400, Reason.KEY_MISSING.code), (path, key)


async def test_a_body_over_the_limit_is_refused_whether_it_says_so_or_not(api: Any) -> None:
    async def chunks() -> Any:
        for _ in range(9):
            yield b" " * 1024 * 1024

    for options in ({"content": b" " * (8 * 1024 * 1024 + 1)}, {"content": chunks()}):
        answer = await api.post("/v1/transfers", headers={"Content-Type": "application/json"}, **options)
        assert (answer.status_code, answer.json()["code"]) == (413, Reason.BODY_TOO_LARGE.code)


async def test_an_account_is_opened_by_two_people(api: Any) -> None:
    asked = await api.post("/v1/accounts", {"name": "光谷电力", "kind": "E", "province": "42"}, by="a")
    task, number = asked.json()["id"], asked.json()["account"]["number"]
    assert (asked.status_code, asked.headers["location"]) == (202, f"/v1/tasks/{task}")
    same = await api.post(f"/v1/tasks/{task}/approve", by="a")
    assert same.json()["code"] == Reason.SAME_PERSON.code
    opened = await api.post(f"/v1/tasks/{task}/approve", {}, by="b")
    assert (opened.status_code, opened.json()["state"]) == (200, "APPROVED")
    shown = (await api.get(f"/v1/accounts/{number}")).json()
    assert (shown["name"], shown["state"]) == ("光谷电力", "OPEN")
    assert (await api.get(f"/v1/tasks/{task}")).json()["state"] == "APPROVED"


async def test_a_repeat_over_http_is_the_same_answer_and_other_content_is_refused(api: Any) -> None:
    body = {"name": "Example", "kind": "E", "province": "42"}
    first = await api.post("/v1/accounts", body, key="k")
    again = await api.post("/v1/accounts", dict(reversed(body.items())), key="k")
    other = await api.post("/v1/accounts", body | {"name": "Other"}, key="k")
    state = (await api.get("/v1/requests/k")).json()
    own = (await api.http.get("/v1/requests/k", headers={"Authorization": f"Bearer {api.token('somebody')}"})).json()

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert (other.status_code, other.json()["code"]) == (422, Reason.KEY_REUSED.code)
    assert state["state"] == "not_done", "another caller's key says nothing about ours"
    assert (own["state"], own["status"], own["body"]) == ("done", 202, first.json())


async def test_one_key_for_two_tasks_is_a_reused_key(api: Any) -> None:
    tasks = [
        (await api.post("/v1/accounts", {"name": name, "kind": "E", "province": "42"})).json()["id"]
        for name in ("One", "Two")
    ]
    approved = await api.post(f"/v1/tasks/{tasks[0]}/approve", by="b", key="k")
    refused = await api.post(f"/v1/tasks/{tasks[1]}/approve", by="b", key="k")
    assert (approved.status_code, refused.json()["code"]) == (200, Reason.KEY_REUSED.code)


async def test_deposits_come_as_json_or_as_camt054(api: Any) -> None:
    number = await api.account("Example")
    notice = CreditNotice("M-2", datetime(2021, 7, 15, 9, tzinfo=UTC), "B001", (Movement(number, 250),))
    xml = {"Content-Type": "application/xml; charset=utf-8"}
    as_json = {"bank": "B001", "message_id": "M-1", "entries": [{"account": number, "amount_fen": 100}]}

    assert (await api.post("/v1/deposits", as_json)).json() == {"message_id": "M-1", "entries": 1, "total_fen": 100}
    booked = await api.post("/v1/deposits", content=write_camt054(notice), headers=xml)
    assert (booked.status_code, booked.json()) == (201, {"message_id": "M-2", "entries": 1, "total_fen": 250})
    again = await api.post("/v1/deposits", content=write_camt054(notice), headers=xml)
    assert (again.status_code, again.json()) == (201, booked.json()), "a message is booked once, whatever its key"
    assert await api.cash(number) == 350
    for broken in (b"", b"<a/>", b"\x00", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", write_camt054(notice)[:-9]):
        refused = await api.post("/v1/deposits", content=broken, headers=xml)
        assert (refused.status_code, refused.json()["code"]) == (422, Reason.MALFORMED.code)


async def test_a_statement_pages_through_everything_that_was_booked(api: Any) -> None:
    giver, taker = await api.funded("A", 1000), await api.account("B")
    asked = {"from_account": giver, "to_account": taker, "asset": "CNY"}
    done = [(await api.post("/v1/transfers", asked | {"amount": n})).json()["id"] for n in range(1, 6)]
    listed, after = [], ""
    while after is not None:
        page = (await api.get(f"/v1/accounts/{giver}/transfers?limit=2&after={after}")).json()
        listed, after = listed + page["transfers"], page["next"]

    assert [entry["type"] for entry in listed] == ["DEPOSIT"] + ["TRANSFER"] * 5
    assert [entry["id"] for entry in listed[1:]] == done
    assert [entry["amount"] for entry in listed] == [1000, 1, 2, 3, 4, 5]


async def test_the_business_clock_never_runs_backwards(api: Any) -> None:
    moved = await api.post("/v1/clock", {"now": "2021-07-16T09:30:00+08:00"})
    back = await api.post("/v1/clock", {"now": "2021-07-16T09:29:59+08:00"})
    same_moment = await api.post("/v1/clock", {"now": "2021-07-16T01:30:00Z"})

    assert moved.json() == {"now": "2021-07-16T09:30:00+08:00", "market_day": "2021-07-16"}
    assert (back.status_code, back.json()["code"]) == (422, Reason.CLOCK_BACKWARDS.code)
    assert same_moment.status_code == 200
    assert (await api.get("/v1/clock")).json() == moved.json()


async def test_a_beat_is_kept_and_never_turned_back(api: Any) -> None:
    for n in (1, 3, 2):
        answer = await api.post("/v1/beats", {"probe": "outside-1", "n": n})
        assert (answer.status_code, answer.json()) == (201, {"probe": "outside-1", "n": n})
    shown = (await api.get("/v1/beats/outside-1")).json()
    assert (shown["probe"], shown["n"]) == ("outside-1", 3)


async def test_health_and_metrics_need_no_token(api: Any) -> None:
    await api.get("/v1/clock")
    health = [(await api.http.get(path)).status_code for path in ("/healthz", "/readyz", "/openapi.json")]
    metrics = (await api.http.get("/metrics")).text

    assert health == [200, 200, 200]
    assert 'registry_requests_total{method="GET",route="/v1/clock",status="200"}' in metrics
    assert 'registry_request_seconds_bucket{le="1.0",route="/v1/clock"}' in metrics


async def test_a_method_nobody_offers_is_a_problem_too(api: Any) -> None:
    answer = await api.http.delete("/v1/accounts", headers={"Authorization": f"Bearer {api.token('a')}"})
    assert (answer.status_code, answer.json()["code"]) == (405, Reason.NO_SUCH_METHOD.code)


async def test_every_address_has_one_answer_for_a_method() -> None:
    """Of two handlers for one address the second would never be asked."""
    routes = [route for subject in SUBJECTS for route in subject.router.routes if isinstance(route, Route)]
    offered = [(method, route.path) for route in routes for method in route.methods or ()]

    assert sorted(offered) == sorted(set(offered))


async def test_the_description_says_what_a_client_needs(api: Any) -> None:
    described = (await api.http.get("/openapi.json")).json()
    operations = [
        (path, method, one) for path, methods in described["paths"].items() for method, one in methods.items()
    ]
    text = json.dumps(described)

    assert {path for path, _, _ in operations} >= {"/v1/accounts", "/v1/transfers", "/v1/requests/{key}"}
    for path, method, operation in operations:
        if not path.startswith("/v1/"):
            continue
        named = [parameter.get("$ref", "") for parameter in operation["parameters"]]
        kept = method == "post" and not path.endswith("/dry-run")
        assert any(name.endswith("IdempotencyKey") for name in named) == kept, path
        assert ("security" in operation) == (PUBLIC.fullmatch(path) is None), path
        assert "application/problem+json" in operation["responses"]["503"]["content"]
        assert operation["summary"]
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in described["components"]["schemas"], name
    assert "HTTPValidationError" not in text
