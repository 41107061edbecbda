"""The compliance commands ask what they say, and refuse what cannot be read in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.operate import compliance
from ha.client import Answer

LISTED = {"obligations": [], "lots": [], "limits": [], "rules": [], "next": None}
TASK = {"id": "t", "state": "AWAITING_APPROVAL", "lines": [], **LISTED}


class Asked:
    """Answers everything, and keeps what was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []

    def get(self, path: str) -> Any:
        return self._keep(path, None)

    def post(self, path: str, body: Any, **_options: Any) -> Any:
        return self._keep(path, body)

    def ask(self, _method: str, path: str, *, content: bytes, **_options: Any) -> Answer:
        return Answer(202, self._keep(path, content), 0, 0.0)

    def _keep(self, path: str, sent: Any) -> Any:
        self.requests.append((path, sent))
        return TASK


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    registry = Asked()

    @contextmanager
    def session(who: str, api: Any, token: str) -> Iterator[Asked]:
        yield registry

    monkeypatch.setattr(compliance, "session", session)
    return registry


E = "E42-00001001-60"
UNITS = {"account": E, "product": "CEA-2019", "tonnes": 5}


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["show", E], f"/v1/obligations/{E}", None),
        (["show", E, "2020"], f"/v1/obligations/{E}/2020", None),
        (
            ["list", "2020", "--state", "SHORT"],
            "/v1/compliance-years/2020/obligations?state=SHORT&after=&limit=100",
            None,
        ),
        (["year", "2020"], "/v1/compliance-years/2020", None),
        (
            ["year", "2020", "--deadline", "2021-12-31", "--vintages", "2019,2020", "--reason", "plan"],
            "/v1/compliance-years",
            {
                "year": 2020,
                "deadline": "2021-12-31",
                "vintages": [2019, 2020],
                "offset_basis_points": 500,
                "reversal_days": 30,
                "reason": "plan",
            },
        ),
        (["surrender", E, "CEA-2019", "5", "2020"], "/v1/surrenders", {**UNITS, "year": 2020}),
        (["surrender", E, "CEA-2019", "5", "2020", "--dry-run"], "/v1/surrenders/dry-run", {**UNITS, "year": 2020}),
        (["reverse", "s", "--reason", "wrong"], "/v1/surrenders/s/reverse", {"reason": "wrong"}),
        (
            ["penalise", E, "2020", "--reason", "short"],
            "/v1/penalties",
            {"account": E, "year": 2020, "reason": "short"},
        ),
        (
            ["freeze-offset", E, "C-1", "1", "5"],
            "/v1/offset-lots",
            {"account": E, "project": "C-1", "first": 1, "last": 5},
        ),
        (["offset-lots", E], f"/v1/accounts/{E}/offset-lots?limit=1000", None),
        (["offset", E, "2020", "a", "b"], "/v1/offsets", {"account": E, "year": 2020, "lots": ["a", "b"]}),
        (["carry-over", E], f"/v1/accounts/{E}/carry-overs?limit=1000", None),
        (["carry-over", E, "CEA-2019", "5", "--dry-run"], "/v1/carry-overs/dry-run", UNITS),
        (["carry-over-rule"], "/v1/carry-over-rules", None),
    ],
)
def test_a_command_asks_what_it_says(asked: Asked, words: list[str], path: str, body: Any) -> None:
    ran = CliRunner().invoke(compliance.app, words)
    assert ran.exit_code == 0, ran.output
    assert asked.requests == [(path, body)]


def test_files_are_sent_as_they_are(asked: Asked, tmp_path: Path) -> None:
    table, document, broken = tmp_path / "e.csv", tmp_path / "e.json", tmp_path / "b.json"
    table.write_bytes(b"account,tonnes\n\xff,1\n")
    document.write_text('{"year": 2020}')
    broken.write_text("{")
    run = CliRunner().invoke
    assert run(compliance.app, ["emissions", str(table), "--year", "2020"]).exit_code == 0
    assert run(compliance.app, ["emissions", str(document)]).exit_code == 0
    assert run(compliance.app, ["carry-over-rule", str(document)]).exit_code == 0
    assert asked.requests == [
        ("/v1/emissions/csv?year=2020", b"account,tonnes\n\xff,1\n"),
        ("/v1/emissions", {"year": 2020}),
        ("/v1/carry-over-rules", {"year": 2020}),
    ]
    for words in (["emissions", str(broken)], ["emissions", str(tmp_path / "none.csv")]):
        assert run(compliance.app, words).exit_code == 2
    years = ["year", "2020", "--deadline", "2021-12-31", "--vintages", "2019,x", "--reason", "plan"]
    assert run(compliance.app, years).exit_code == 2
