"""The operators' commands about encumbrances and ownership: what they send, and a certificate checked offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.operate import encumbrance, ownership

CERTIFIED = '{"certificate":"VC-00000001","tonnes":5}'
GOOD = {
    "number": "VC-00000001",
    "certificate": json.loads(CERTIFIED),
    "document": CERTIFIED,
    "sha256": hashlib.sha256(CERTIFIED.encode()).hexdigest(),
    "text": "碳排放配额自愿注销证明\n",
}


class Registry:
    """Keeps what it was asked, and answers with what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answer: Any = {"id": "a task"}

    def get(self, path: str) -> Any:
        self.asked.append((path, None))
        return self.answer

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        self.asked.append((path, body))
        assert key in {"", "mine"}
        return self.answer


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    found = Registry()

    @contextmanager
    def session(*_: object) -> Iterator[Registry]:
        yield found

    for module in (encumbrance, ownership):
        monkeypatch.setattr(module, "session", session)
    return found


def run(app: Any, *words: str) -> Any:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (
            ["pledge", "E1", "CEA-2019", "40", "--creditor", "A bank", "--document", "P-1", "--to", "2022-01-01"],
            "/v1/pledges",
            {
                "account": "E1", "asset": "CEA-2019", "quantity": 40, "creditor": "A bank", "document": "P-1",
                "to": "2022-01-01",
            },
        ),
        (
            ["freeze", "E1", "--court", "A court", "--document", "F-1", "--everything", "all"],
            "/v1/freezes",
            {"account": "E1", "court": "A court", "document": "F-1", "everything": "all"},
        ),
        (
            ["release", "ENC-00000001", "--document", "R-1"],
            "/v1/encumbrances/ENC-00000001/release",
            {"document": "R-1"},
        ),
        (
            ["realise", "ENC-00000001", "E2", "5", "--document", "R-2"],
            "/v1/encumbrances/ENC-00000001/realise",
            {"document": "R-2", "quantity": 5, "to_account": "E2"},
        ),
        (
            ["deduct", "ENC-00000001", "E2", "5", "--document", "D-1", "--asset", "CEA-2019"],
            "/v1/encumbrances/ENC-00000001/deduct",
            {"document": "D-1", "quantity": 5, "to_account": "E2", "asset": "CEA-2019"},
        ),
        (["show", "ENC-00000001"], "/v1/encumbrances/ENC-00000001", None),
    ],
)  # fmt: skip
def test_a_command_about_an_encumbrance_sends_what_was_said(
    registry: Registry, words: list[str], path: str, body: Any
) -> None:
    run(encumbrance.app, *words)
    assert registry.asked == [(path, body)]


def test_lists_are_shown_with_the_way_to_their_next_page(registry: Registry) -> None:
    registry.answer = {"encumbrances": [{"number": "ENC-00000001"}], "next": "ENC-00000001"}
    assert "ENC-00000001" in run(encumbrance.app, "list", "E1").output
    registry.answer = {"notices": [{"number": 7, "text": "司法扣划公告"}], "next": 7}
    assert "司法扣划公告" in run(encumbrance.app, "notices", "--before", "9").output
    assert [path for path, _ in registry.asked] == ["/v1/accounts/E1/encumbrances?after=", "/v1/notices?before=9"]


def test_a_dry_run_proposes_nothing(registry: Registry, tmp_path: Path) -> None:
    run(ownership.app, "merge", "E1", "E2", "--document", "M-1", "--dry-run", "--key", "mine")
    said = {"kind": "split", "account": "E1", "parts": []}
    (tmp_path / "split.json").write_text(json.dumps(said), encoding="utf-8")
    run(ownership.app, "divide", str(tmp_path / "split.json"))
    merger = {"kind": "merger", "account": "E1", "into_account": "E2", "document": "M-1"}
    assert registry.asked == [("/v1/successions/dry-run", merger), ("/v1/successions", said)]


def test_a_cancellation_its_certificate_and_a_succession_are_found(registry: Registry) -> None:
    run(ownership.app, "cancel", "E1", "CEA-2019", "5", "--beneficiary", "A race", "--reason", "An event")
    run(ownership.app, "succession", "SUC-00000001")
    registry.answer = GOOD
    assert run(ownership.app, "certificate", "VC-00000001").output == GOOD["text"]
    assert json.loads(run(ownership.app, "certificate", "VC-00000001", "--json").output) == GOOD
    registry.answer = {"certificates": [GOOD], "next": None}
    assert "VC-00000001" in run(ownership.app, "certificates", "E1").output
    assert [path for path, _ in registry.asked] == [
        "/v1/cancellations", "/v1/successions/SUC-00000001", "/v1/certificates/VC-00000001",
        "/v1/certificates/VC-00000001", "/v1/accounts/E1/certificates?after=",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (json.dumps(GOOD), 0, "VC-00000001 is whole"),
        (json.dumps(GOOD | {"sha256": "0"}), 1, "The hash is not the document's."),
        ("[]", 2, "holds no JSON object"),
        ("{", 2, "is no JSON"),
    ],
)
def test_a_certificate_is_verified_without_a_registry(tmp_path: Path, said: str, code: int, told: str) -> None:
    (tmp_path / "c.json").write_text(said, encoding="utf-8")
    done = CliRunner().invoke(ownership.app, ["verify", str(tmp_path / "c.json")])
    assert (done.exit_code, told in done.output) == (code, True)
