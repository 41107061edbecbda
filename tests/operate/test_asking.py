"""What a command sends for the words that were typed, and what it says when the words are not enough."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy import cli
from deploy.operate import ask, upload
from ha.client import Answer

E, F = "E42-00001001-60", "I31-00001002-08"
TASK = {"id": "t", "state": "AWAITING_APPROVAL", "approval": {"decides": "checker"}}
UNITS = {"account": E, "product": "CEA-2019", "tonnes": 5}


class Registry:
    """Keeps what it was asked, and answers with what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.answers: list[Any] = []

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        sent = options.get("body") if options.get("content") is None else options["content"]
        self.asked.append((method, path, sent))
        self.keys.append(options.get("key", ""))
        self.headers = options.get("headers") or {}
        body = self.answers.pop(0) if self.answers else TASK
        status, body = body if isinstance(body, tuple) else (200, body)
        return Answer(status, body, 0, 0.0, {"content-type": "application/json"}, json.dumps(body).encode())


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    found = Registry()

    @contextmanager
    def session(*_: object, **_more: object) -> Iterator[Registry]:
        yield found

    monkeypatch.setattr(ask, "session", session)
    return found


def run(*words: str, code: int = 0) -> Any:
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == code, done.output
    return done


ROWS = [
    ("account find 热电 --state OPEN --limit 5", "GET", "/v1/accounts?q=%E7%83%AD%E7%94%B5&state=OPEN&limit=5", None),
    (f"account details {E}", "GET", f"/v1/accounts/{E}", None),
    ("account details a/b?c", "GET", "/v1/accounts/a%2Fb%3Fc", None),
    (
        f"account restrict {E} out --reason x",
        "POST",
        f"/v1/accounts/{E}/restrict",
        {"restriction": "out", "reason": "x"},
    ),
    (f"account close {E} --reason x", "POST", f"/v1/accounts/{E}/close", {"reason": "x"}),
    (f"account operators {E} --past", "GET", f"/v1/accounts/{E}/operators?past=true", None),
    (
        f"account add-operator {E} wang view",
        "POST",
        f"/v1/accounts/{E}/operators",
        {"login": "wang", "right": "view"},
    ),
    (
        f"account remove-operator {E} wang/f view",
        "POST",
        f"/v1/accounts/{E}/operators/wang%2Ff/remove",
        {"right": "view"},
    ),
    (f"account serials {E} 2021-07-16", "GET", f"/v1/accounts/{E}/serials?day=2021-07-16", None),
    ("task approve t --as bob", "POST", "/v1/tasks/t/approve", {}),
    ("task reject t --reason no", "POST", "/v1/tasks/t/reject", {"reason": "no"}),
    (f"trust limit {E} --tonnes-max 5", "POST", f"/v1/accounts/{E}/limits", {"tonnes_max": 5}),
    (
        f"trust limit {E} --no-trusted-only --fen-max 7",
        "POST",
        f"/v1/accounts/{E}/limits",
        {"trusted_only": False, "fen_max": 7},
    ),
    (
        f"transfer propose {E} {F} CNY 5",
        "POST",
        "/v1/transfer-proposals",
        {"from_account": E, "to_account": F, "asset": "CNY", "amount": 5},
    ),
    (
        "day open 2021-07-16 --products CEA-2019=4800 --products CEA-2020=1 --cumulative-t 0 --cumulative-fen 0",
        "POST",
        "/v1/days",
        {"day": "2021-07-16", "products": {"CEA-2019": 4800, "CEA-2020": 1}, "cumulative_t": 0, "cumulative_fen": 0},
    ),
    (
        """allocation propose --product CEA-2019 --plan p --lines [{"account":"E","tonnes":1}]""",
        "POST",
        "/v1/allocations",
        {"product": "CEA-2019", "plan": "p", "lines": [{"account": "E", "tonnes": 1}]},
    ),
    (
        f"allocation release 7 {E} {F} --reason x",
        "POST",
        "/v1/allocations/7/release",
        {"accounts": [E, F], "reason": "x"},
    ),
    ("compliance list 2020 --state SHORT", "GET", "/v1/compliance-years/2020/obligations?state=SHORT", None),
    (f"compliance show {E} 2020", "GET", f"/v1/accounts/{E}/obligations/2020", None),
    (
        "compliance propose-year 2020 --deadline 2021-12-31 --vintages 2019 --vintages 2020 --reason plan",
        "POST",
        "/v1/compliance-years",
        {"year": 2020, "deadline": "2021-12-31", "vintages": [2019, 2020], "reason": "plan"},
    ),
    (f"compliance surrender {E} CEA-2019 5 2020", "POST", "/v1/surrenders", {**UNITS, "year": 2020}),
    (
        f"compliance surrender {E} CEA-2019 5 2020 --dry-run",
        "POST",
        "/v1/surrenders/dry-run",
        {**UNITS, "year": 2020},
    ),
    ("compliance reverse s --reason wrong", "POST", "/v1/surrenders/s/reverse", {"reason": "wrong"}),
    (
        f"compliance penalise {E} 2020 --reason short",
        "POST",
        "/v1/penalties",
        {"account": E, "year": 2020, "reason": "short"},
    ),
    (
        f"compliance freeze-offset {E} C-1 1 5",
        "POST",
        "/v1/offset-lots",
        {"account": E, "project": "C-1", "first": 1, "last": 5},
    ),
    (
        f"compliance offset {E} 2020 a b --dry-run",
        "POST",
        "/v1/offsets/dry-run",
        {"account": E, "year": 2020, "lots": ["a", "b"]},
    ),
    (f"compliance carry-over {E} CEA-2019 5", "POST", "/v1/carry-overs", UNITS),
    (
        f"encumbrance pledge {E} CEA-2019 40 --creditor Bank --document P-1 --to-day 2022-01-01",
        "POST",
        "/v1/pledges",
        {
            "account": E, "asset": "CEA-2019", "amount": 40, "creditor": "Bank", "document": "P-1",
            "to_day": "2022-01-01",
        },
    ),
    (
        f"encumbrance freeze {E} --court C --document F-1 --everything all",
        "POST",
        "/v1/freezes",
        {"account": E, "court": "C", "document": "F-1", "everything": "all"},
    ),
    (
        f"encumbrance realise ENC-00000001 {F} 5 --document R-2",
        "POST",
        "/v1/encumbrances/ENC-00000001/realise",
        {"document": "R-2", "amount": 5, "to_account": F},
    ),
    ("encumbrance notices --after 9", "GET", "/v1/notices?after=9", None),
    (
        f"ownership merge {E} {F} --document M-1 --dry-run",
        "POST",
        "/v1/successions/dry-run",
        {"kind": "merger", "account": E, "into_account": F, "document": "M-1"},
    ),
    (
        f"ownership cancel {E} CEA-2019 5 --beneficiary A --reason B",
        "POST",
        "/v1/cancellations",
        {**UNITS, "beneficiary": "A", "reason": "B"},
    ),
    ("reconciliation run --histories", "POST", "/v1/reconciliations", {"histories": True}),
    (
        """reconciliation close 3 --explanation e --correction side=units --correction other_account=S""",
        "POST",
        "/v1/reconciliation-breaks/3/close",
        {"explanation": "e", "correction": {"side": "units", "other_account": "S"}},
    ),
    ("service request k-1", "GET", "/v1/requests/k-1", None),
    ("service alive", "GET", "/healthz", None),
]  # fmt: skip


@pytest.mark.parametrize(("words", "method", "path", "body"), ROWS, ids=[row[0] for row in ROWS])
def test_a_command_asks_what_its_words_say(registry: Registry, words: str, method: str, path: str, body: Any) -> None:
    run(*words.split(" "))
    assert registry.asked == [(method, path, body)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compliance reverse s", "Missing: --reason."),
        ("allocation propose --plan p", "Missing: --product, --lines; or give them in --file FILE."),
        ("compliance surrender E CEA-2019 x 2020", "Invalid value"),
        ("compliance surrender E CEA-2019 0 2020", "Invalid value"),
        ("allocation propose --product C --plan p --lines [", "--lines is no JSON"),
        ("day open 2021-07-16 --products x --cumulative-t 0 --cumulative-fen 0", "'x' is neither"),
        ("account restrict E out --reason x --action close", "No such option"),
        ("account find --limit 0", "Invalid value"),
        ("task approve", "Missing argument"),
        ("account find --token not-there", "neither a token nor a file"),
        ("account find --api http://127.0.0.1:1", "a token is needed"),
        ("account find --api here --token eyJh.a.b", "--api is an address"),
    ],
)
def test_wrong_words_end_in_one_clear_line(words: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REGISTRY_API", "REGISTRY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(cli.app, words.split(" "), env={"COLUMNS": "200"})
    assert (done.exit_code, said in done.output) == (2, True), done.output


FILES = [
    ("a.json", '{"product": "C", "plan": "q", "lines": []}', {"product": "C", "plan": "p", "lines": []}),
    ("a.json", '[{"account": "E"}]', {"product": "C", "plan": "p", "lines": [{"account": "E"}]}),
    (
        "a.csv",
        "\ufeffaccount,tonnes,withheld\nE1,5,\nE2,5.5,late\n",
        {
            "product": "C",
            "plan": "p",
            "lines": [{"account": "E1", "tonnes": 5}, {"account": "E2", "tonnes": "5.5", "withheld": "late"}],
        },
    ),
]


@pytest.mark.parametrize(("name", "text", "sent"), FILES)
def test_a_file_is_the_body_or_its_list_and_options_go_before_it(
    registry: Registry, tmp_path: Path, name: str, text: str, sent: Any
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    run("allocation", "propose", "--product", "C", "--plan", "p", "--file", str(tmp_path / name))
    assert registry.asked == [("POST", "/v1/allocations", sent)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.json", None), ("a.json", b"{"), ("a.json", b"5"), ("a.json", b"\xff"), ("a.csv", b"a,b\n1\n"),
        ("a.csv", b'"'),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_ends_in_one_line(
    registry: Registry, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run("allocation", "propose", "--file", str(tmp_path / name), code=2)
    assert done.stderr.count("\n") == 1
    assert registry.asked == []


def test_what_is_no_json_is_sent_as_it_is(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "camt.xml").write_bytes(b"<Document/>")
    run("deposit", "book", "--file", str(tmp_path / "camt.xml"))
    assert registry.asked == [("POST", "/v1/deposits", b"<Document/>")]
    assert registry.headers["Content-Type"] == "application/xml"


def test_a_table_goes_in_pieces_and_may_go_again(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_bytes(b"account,tonnes\n\xff,1\n")
    run("allocation", "upload", str(tmp_path / "plan.csv"), "--product", "CEA-2019", "--plan", "p", "--key", "k")
    ((_, path, streamed),) = registry.asked
    assert path == "/v1/allocations/csv?product=CEA-2019&plan=p"
    assert registry.headers == {"Content-Type": "text/csv", "Content-Length": "19"}
    assert registry.keys == ["k"]
    assert isinstance(streamed, upload.Streamed)


def test_a_proposal_says_who_goes_on(registry: Registry) -> None:
    assert "a second person: registry task approve t --as SOMEBODY" in run("task", "show", "t").stderr
    registry.answers = [TASK | {"approval": {"decides": "authority_checker"}}]
    assert "--as ministry-checker" in run("task", "show", "t").stderr
    registry.answers = [TASK | {"state": "DELAYED", "approval": {"not_before": "2021-07-19"}}]
    assert "2021-07-19" in run("task", "show", "t").stderr
    assert run("task", "show", "t", "--json").stderr == ""


PROBLEM = {
    "code": "2006",
    "title": "There is no such account.",
    "detail": "E9",
    "next": "Check it.",
    "errors": [{"line": n, "code": "2006", "title": "No."} for n in range(1, 31)],
}


def test_a_refusal_says_code_sentence_lines_and_next_step(registry: Registry) -> None:
    registry.answers = [(404, PROBLEM)]
    said = run("account", "details", "E9", code=1).stderr.splitlines()
    assert said[0] == "2006: There is no such account. E9"
    assert said[1] == "  line 1: 2006 No."
    assert said[-2:] == ["  and 10 more", "  Check it."]


def test_what_has_not_changed_is_said_so(registry: Registry) -> None:
    registry.answers = [(304, {"text": ""})]
    assert "not changed" in run("account", "details", E, "--if-none-match", '"a"').stderr
    assert registry.headers == {"If-None-Match": '"a"'}


PAGES = [
    {"account": E, "limits": [1], "carry_overs": [{"n": 1}], "next": "a"},
    {"account": E, "limits": [1], "carry_overs": [{"n": 2}], "next": None},
]


def test_cursors_are_followed_to_the_end(registry: Registry, tmp_path: Path) -> None:
    registry.answers = [dict(PAGES[0], carry_overs=[{"n": 1}]), PAGES[1]]
    shown = json.loads(run("compliance", "carry-overs", E, "--all", "--json").stdout)
    assert shown == {"account": E, "limits": [1], "carry_overs": [{"n": 1}, {"n": 2}], "next": None}
    path = f"/v1/accounts/{E}/carry-overs?limit=1000"
    assert [one[1] for one in registry.asked] == [path, f"{path}&after=a"]
    registry.answers = [PAGES[0]]
    assert "more: --after a, or --all" in run("compliance", "carry-overs", E).stderr
    registry.answers = [PAGES[0]]
    kept = run("compliance", "carry-overs", E, "--out", str(tmp_path / "rows.csv"))
    assert (tmp_path / "rows.csv").read_text() == "n\n1\n"
    assert "--all has the rest too" in kept.stderr


def test_money_is_shown_as_yuan_too_and_a_text_as_it_was_written(registry: Registry) -> None:
    registry.answers = [
        {"account": E, "holdings": [{"asset": "CNY", "bucket": "available", "amount": 480050}]},
        {"trades": [{"price_fen": 4800, "quantity": 10}], "next": None},
        {"text": "日报\nline\n", "figures": {}},
    ]
    assert "480050 (4800.50 yuan)" in run("account", "holdings", E).stdout
    assert "4800 (48.00 yuan)" in run("day", "trades", "2021-07-16").stdout
    assert run("day", "clearing", "2021-07-16").stdout == "日报\nline\n"
