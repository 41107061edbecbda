"""The commands that show records."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from click.testing import Result
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


def verify(dsn: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["ledger", "verify", "--dsn", dsn, *options])


async def test_a_ledger_as_it_was_booked_is_found_whole(api: Any, dsn: str) -> None:
    await api.funded("Example", 250)

    ended = verify(dsn)

    assert (ended.exit_code, ended.stdout.count("\n")) == (0, 1)
    assert "The hash chain is whole" in ended.stdout


async def test_a_forged_transfer_is_found_with_its_batch_and_its_balances(api: Any, dsn: str) -> None:
    number = await api.funded("Example", 250)
    with psycopg.connect(dsn.replace("registry_app@", "postgres@"), options="-c search_path=registry") as rogue:
        rogue.execute("SET session_replication_role = replica")  # no trigger fires
        [batch] = rogue.execute("UPDATE transfer SET amount = amount + 1 RETURNING batch").fetchone() or [None]

    told, listed = verify(dsn), verify(dsn, "--json")

    assert (told.exit_code, listed.exit_code) == (1, 1)
    assert f"batch {batch}: " in told.stdout
    assert f"balance {number} CNY available: not the sum of its transfers" in told.stdout
    found = json.loads(listed.stdout)
    assert found["broken_batches"] == [batch]
    assert {"owner": number, "asset": "CNY", "bucket": "available"} in found["drifted_balances"]


async def test_a_holding_on_which_the_two_accountings_differ_is_named_with_both_figures(api: Any, dsn: str) -> None:
    number = await api.funded("Example", 250)
    with psycopg.connect(dsn) as rogue:
        rogue.execute(
            "INSERT INTO unit_block (serials, holder) VALUES ('[2019000000000001,2019000000000008)', %s)", [number]
        )

    ended = verify(dsn)

    assert ended.exit_code == 1
    assert f"holding {number} CEA-2019: 0 in the ledger, 7 in units" in ended.stdout


async def test_what_is_pledged_or_frozen_without_an_encumbrance_is_named(api: Any, dsn: str) -> None:
    number = await api.funded("Example", 250)
    with psycopg.connect(dsn.replace("registry_app@", "postgres@"), options="-c search_path=registry") as rogue:
        rogue.execute(
            "INSERT INTO ledger_account (owner, asset, bucket, balance) VALUES (%s, 'CNY', 'pledged', 7)", [number]
        )

    told, listed = verify(dsn), verify(dsn, "--json")

    assert (told.exit_code, listed.exit_code) == (1, 1)
    assert f"balance {number} CNY pledged: 7, in encumbrances 0" in told.stdout
    assert json.loads(listed.stdout)["wrong_encumbrances"] == [
        {"account": number, "asset": "CNY", "bucket": "pledged", "balance": 7, "held": 0}
    ]


@pytest.mark.parametrize("change", [("/test_", "/nowhere_"), ("registry_app@", "drill@")])
def test_a_ledger_that_cannot_be_looked_at_is_one_clear_line(dsn: str, change: tuple[str, str]) -> None:
    ended = verify(dsn.replace(*change))

    assert (ended.exit_code, ended.stderr.count("\n"), ended.stdout) == (2, 1, "")
