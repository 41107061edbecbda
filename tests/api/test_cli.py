"""The commands that show records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli import app

pytestmark = pytest.mark.anyio


async def test_an_account_is_shown_with_what_it_holds(api: Any, dsn: str) -> None:
    number = await api.funded("Example", 250)
    shown = CliRunner().invoke(app, ["account", "show", number, "--dsn", dsn, "--json"])
    table = CliRunner().invoke(app, ["account", "show", number, "--dsn", dsn])

    record = json.loads(shown.stdout)
    assert (record["number"], record["state"]) == (number, "OPEN")
    assert {"asset": "CNY", "bucket": "available", "amount": 250} in record["holdings"]
    assert number in table.stdout


@pytest.mark.parametrize(
    "command", [["account", "show", "E42-1"], ["day", "show", "2021-07-16"], ["day", "report", "2021-07-16"]]
)
def test_what_is_not_there_is_one_clear_line(dsn: str, command: list[str]) -> None:
    ended = CliRunner().invoke(app, [*command, "--dsn", dsn])
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert command[-1] in ended.stderr
