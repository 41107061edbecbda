"""Accounts over HTTP: applications with documents, files, search, tags."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

HASHES = [hashlib.sha256(bytes([n])).hexdigest() for n in range(3)]
FIRM = {
    "name": "汉江热电有限公司",
    "kind": "E",
    "province": "42",
    "credit_code": "91350100M000100Y43",
    "sector": "power",
}


def papers(*hashes: str) -> list[dict[str, str]]:
    return [{"kind": "licence", "reference": "L 1", "sha256": one, "received": "2021-07-01"} for one in hashes]


async def applied(web: Any, **more: Any) -> tuple[str, str]:
    asked = await web.post("/v1/accounts", FIRM | more)
    assert asked.status_code == 202, asked.text
    return asked.json()["id"], asked.json()["account"]["number"]


async def test_an_application_with_documents_opens_only_after_their_review(web: Any) -> None:
    task, number = await applied(web, documents=papers(*HASHES[:2]), contact={"person": "Wang Fang"})
    early = await web.approve(task)
    assert (early.status_code, early.json()["code"]) == (409, "2035")

    done = await web.post(f"/v1/accounts/{number}/documents/review", {"documents": HASHES[:2]}, by="bob")
    assert done.status_code == 200, done.text
    assert done.json()["review"]["reviewer"] == "bob"
    assert done.json()["doubts"] == []
    opened = await web.approve(task)
    assert opened.status_code == 200, opened.text
    shown = (await web.get(f"/v1/accounts/{number}")).json()
    assert (shown["state"], shown["sector"], shown["contact"]) == ("OPEN", "power", {"person": "Wang Fang"})


# Each row breaks one more rule than the row below it; the topmost reason wins.
REVIEWS = [
    ({"roles": ("maker",)}, 403, "9001"),
    ({"path": "E42-99999999-00"}, 404, "2006"),
    ({"by": "ann"}, 403, "9004"),
    ({"documents": HASHES}, 422, "2036"),
    ({"documents": HASHES[:1]}, 422, "2036"),
    ({}, 200, None),
    ({}, 409, "2037"),
]


async def test_a_review_is_refused_for_the_first_reason(web: Any) -> None:
    _, number = await applied(web, documents=papers(*HASHES[:2]))
    for change, status, code in REVIEWS:
        path = change.get("path", number)
        body = {"documents": change.get("documents", HASHES[:2])}
        who = {"by": change.get("by", "bob"), "roles": change.get("roles", ("checker",))}
        answer = await web.post(f"/v1/accounts/{path}/documents/review", body, **who)
        assert (answer.status_code, answer.json().get("code")) == (status, code), change


@pytest.mark.parametrize(
    "documents",
    [
        papers("short"),
        papers(HASHES[0], HASHES[0]),
        [{**papers(HASHES[0])[0], "kind": "poem"}],
        [{**papers(HASHES[0])[0], "received": "2999-01-01"}],
        [{**papers(HASHES[0])[0], "received": "2021-02-30"}],
        [{**papers(HASHES[0])[0], "reference": " "}],
    ],
)
async def test_a_list_of_documents_that_says_nothing_is_refused(web: Any, documents: Any) -> None:
    answer = await web.post("/v1/accounts", FIRM | {"documents": documents})
    assert (answer.status_code, answer.json()["code"]) == (422, "8001")


async def test_a_check_character_that_does_not_fit_is_said_and_refuses_nothing(web: Any) -> None:
    asked = await web.post("/v1/accounts", FIRM | {"credit_code": "91350100M000100Y44"})
    assert asked.status_code == 202
    assert asked.json()["doubts"] == ["credit_code: the check character by GB 32100 does not fit."]


async def test_a_tag_spares_a_read_and_stops_a_decision_on_what_is_no_longer_so(web: Any) -> None:
    task, number = await applied(web)
    before = await web.get(f"/v1/accounts/{number}")
    tag = before.headers["etag"]
    same = await web.get(f"/v1/accounts/{number}", headers={"If-None-Match": f'"other", {tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)

    await web.approve(task)
    after = await web.get(f"/v1/accounts/{number}", headers={"If-None-Match": tag})
    assert after.status_code == 200
    wish = {"restriction": "out", "reason": "asked"}
    stale = await web.post(f"/v1/accounts/{number}/restrict", wish, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "8030")
    fresh = await web.post(f"/v1/accounts/{number}/restrict", wish, headers={"If-Match": after.headers["etag"]})
    assert fresh.status_code == 202, fresh.text


async def test_a_restriction_shows_with_its_history(web: Any) -> None:
    task, number = await applied(web)
    await web.approve(task)
    wish = {"restriction": "out", "reason": "Investigation 7"}
    asked = await web.post(f"/v1/accounts/{number}/restrict", wish)
    assert (await web.approve(asked.json()["id"])).status_code == 200
    found = (await web.get(f"/v1/accounts/{number}/states")).json()
    assert (found["state"], found["restriction"]) == ("RESTRICTED", "out")
    assert [
        (c["state_before"], c["state"], c["reason"], c["proposed_by"], c["decided_by"]) for c in found["changes"]
    ] == [("OPEN", "RESTRICTED", "Investigation 7", "ann", "bob")]


async def test_people_of_a_subject_see_and_change_their_own_accounts_only(web: Any) -> None:
    (task, ours), (other_task, other) = await applied(web), await applied(web, credit_code=None)
    for one in (task, other_task):
        await web.approve(one)
    asked = await web.post(f"/v1/accounts/{ours}/operators", {"login": "mia", "right": "maker"})
    assert (await web.approve(asked.json()["id"])).status_code == 200
    mia = {"by": "mia", "roles": ("holder",)}
    listed = (await web.get("/v1/accounts", **mia)).json()["accounts"]
    assert [account["number"] for account in listed] == [ours]
    assert (await web.get("/v1/me/accounts", **mia)).json()["accounts"] == [{"account": ours, "rights": ["maker"]}]
    for path in ("", "/holdings", "/transfers", "/states", "/operators", "/documents"):
        assert (await web.get(f"/v1/accounts/{ours}{path}", **mia)).status_code == 200, path
        refused = await web.get(f"/v1/accounts/{other}{path}", **mia)
        assert (refused.status_code, refused.json()["code"]) == (404, "2006"), path  # as one that is not there
    wish = {"login": "otto", "right": "checker"}
    assert (await web.post(f"/v1/accounts/{ours}/operators", wish, **mia)).status_code == 202
    assert (await web.post(f"/v1/accounts/{other}/operators", wish, **mia)).status_code == 403


async def test_a_right_is_taken_away_by_its_own_address_whatever_the_login_is_called(web: Any) -> None:
    task, number = await applied(web)
    await web.approve(task)
    login = "mia wu/of line 2"
    asked = await web.post(f"/v1/accounts/{number}/operators", {"login": login, "right": "maker"})
    assert (await web.approve(asked.json()["id"])).status_code == 200
    for name in (login, "mia%20wu%2Fof%20line%202"):
        taken = await web.post(f"/v1/accounts/{number}/operators/{name}/remove", {"right": "maker"})
        assert taken.status_code == 202, taken.text
    assert (await web.approve(taken.json()["id"])).status_code == 200
    assert (await web.get(f"/v1/accounts/{number}/operators")).json()["operators"] == []
    again = await web.post(f"/v1/accounts/{number}/operators/{login}/remove", {"right": "maker"})
    assert (again.status_code, again.json()["code"]) == (404, "2039")


CSV = "name,kind,province,credit_code,sector\n汉江热电,E,42,91350100M000100Y43,power\nAn investor,I,31,,\n"


async def test_a_file_opens_all_its_accounts_with_one_decision(web: Any) -> None:
    content = CSV.encode("utf-8-sig")
    key = hashlib.sha256(content).hexdigest()
    asked = await web.file(content, key=key)
    assert asked.status_code == 202, asked.text
    assert (asked.json()["file"]["count"], asked.json()["file"]["sha256"]) == (2, key)
    again = await web.file(content, key=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (asked.json(), "true")
    opened = await web.approve(asked.json()["id"])
    assert opened.json()["file"]["state"] == "OPEN", opened.text
    found = (await web.get("/v1/accounts", params={"state": "OPEN"})).json()["accounts"]
    assert [account["name"] for account in found] == ["汉江热电", "An investor"]


async def test_a_file_that_is_turned_down_sets_its_credit_codes_free(web: Any) -> None:
    asked = await web.file(CSV.encode())
    turned = await web.post(f"/v1/tasks/{asked.json()['id']}/reject", {"reason": "wrong list"}, by="bob")
    assert turned.json()["file"]["state"] == "REJECTED", turned.text
    assert (await web.file(CSV.encode())).status_code == 202


async def test_every_wrong_line_of_a_file_is_named_and_nothing_is_opened(web: Any) -> None:
    await applied(web)
    content = CSV + "Bad,X,4,short,power\nAn investor,I,31,,\nToo,few\n"
    answer = await web.file(content.encode())
    assert answer.status_code == 422
    said = [(e["line"], e.get("column"), e["code"]) for e in answer.json()["errors"]]
    assert said == [
        (2, "credit_code", "2005"),
        (4, "kind", "8001"),
        (4, "province", "8001"),
        (4, "credit_code", "8001"),
        (4, "sector", "8001"),
        (5, None, "5035"),
        (6, None, "5032"),
    ]
    assert len((await web.get("/v1/accounts")).json()["accounts"]) == 1


HOSTILE_FILES = [
    (b"", "5034"),
    (b"\xff\xfeh\x00i\x00", "5030"),
    ("name,kind,province\n汉江,E,42\n".encode("gb18030"), "5030"),
    (b"name,kind\nA,E\n", "5031"),
    (b"name,kind,province,name\nA,E,42,B\n", "5031"),
    (b"name,kind,province,password\nA,E,42,B\n", "5031"),
    (b"name,kind,province\n", "5034"),
    (b'name,kind,province\n"open,E,42\n', "5032"),
    (b"name,kind,province\nA\x00,E,42\n", "8001"),
    (b"name,kind,province\n" + b"x" * 200_000 + b",E,42\n", "5032"),
    (b"name,kind,province\n" + b"x" * 2_000 + b",E,42\n", "5032"),
    (b"name,kind,province\n=cmd,E,4\xd9\xa2\n", "8001"),
    (b"name,kind,province\n\xc3\xa9\x01,E,42\n", "8001"),
]


@pytest.mark.parametrize(("content", "code"), HOSTILE_FILES)
async def test_a_hostile_file_is_refused_with_a_code(web: Any, content: bytes, code: str) -> None:
    answer = await web.file(content)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text[:300]


async def test_a_file_in_another_encoding_is_read_when_it_says_so(web: Any) -> None:
    answer = await web.file(CSV.encode("gb18030"), charset="GB18030")
    assert answer.status_code == 202, answer.text
    for charset in ("utf-16", "latin-1", "", "x" * 300):
        refused = await web.post(
            "/v1/accounts/csv", content=CSV.encode(), headers={"Content-Type": f"text/csv; charset={charset}"}
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "8001")


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "\x00"},
        {"q": "x" * 101},
        {"state": "open"},
        {"kind": "S"},
        {"province": "4"},
        {"sector": "%"},
        {"limit": "0"},
        {"limit": "1e3"},
        {"after": "E42-00001001-61"},
    ],
)
async def test_what_nobody_can_look_for_is_refused(web: Any, asked: dict[str, str]) -> None:
    answer = await web.get("/v1/accounts", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "8001")


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("热电", ["汉江热电有限公司"]),
        ("汉", ["汉江热电有限公司"]),
        ("电热", []),
        ("POWER", ["North_Power 100% Ltd"]),
        ("100%", ["North_Power 100% Ltd"]),
        ("%", ["North_Power 100% Ltd"]),
        ("h_P", ["North_Power 100% Ltd"]),
        ("91350100M", ["汉江热电有限公司"]),
        ("y43", ["汉江热电有限公司"]),
        ("00001002", ["North_Power 100% Ltd"]),
        ("\\", []),
        ("' OR 1=1 --", []),
        ("司\n9", None),
    ],
)
async def test_accounts_are_found_by_any_part(web: Any, part: str, found: list[str] | None) -> None:
    await applied(web)
    await applied(web, name="North_Power 100% Ltd", credit_code=None)
    answer = await web.get("/v1/accounts", params={"q": part})
    if found is None:
        assert answer.status_code == 422
    else:
        assert [account["name"] for account in answer.json()["accounts"]] == found
