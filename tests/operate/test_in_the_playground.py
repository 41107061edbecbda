"""Commands as people of the playground, against a served registry on a real database."""

from __future__ import annotations

import csv
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import uvicorn
from click.testing import Result
from typer.testing import CliRunner

from core.api.app import create_app
from core.api.auth import Verifier
from core.bootstrap import build_desk
from core.settings import Settings
from deploy import cli
from deploy.playground import tokens
from deploy.playground.state import State
from ha import control

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    made = State(tmp_path_factory.mktemp("playground"))
    tokens.make_issuer(made)
    return made


@pytest.fixture(scope="module")
def address(postgres: str, state: State) -> Iterator[str]:
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE operated TEMPLATE registry OWNER registry_owner")
        admin.execute("ALTER ROLE registry_app IN DATABASE operated SET search_path = registry")
    dsn = postgres.replace("postgres@", "registry_app@").replace("/postgres", "/operated")
    public = state.issuer_public_key
    desk = build_desk(Settings(dsn=dsn, token_public_key=public, token_issuer=tokens.ISSUER, playground=True))
    app = create_app(desk, Verifier(public.read_bytes(), issuer=tokens.ISSUER))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield "http://{}:{}".format(*listening.getsockname())
    server.should_exit = True
    thread.join(timeout=10)
    listening.close()


@pytest.fixture
def run(state: State, address: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a playground whose endpoint is the served one."""
    monkeypatch.setenv("REGISTRY_PLAYGROUND_STATE", str(state.root))
    for name in ("REGISTRY_API", "REGISTRY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    running = SimpleNamespace(status=lambda: {"endpoints": {"api": [address]}})
    monkeypatch.setattr(control, "find", lambda _root: running)

    def one(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli.app, words)
        assert done.exit_code == code, done.output
        return done

    return one


def said(done: Result) -> Any:
    return json.loads(done.stdout)


def opened(run: Run, name: str, kind: str = "E") -> str:
    task = said(run("accounts", "open", "--name", name, "--kind", kind, "--province", "42", "--as", "ann", "--json"))
    run("tasks", "approve", task["id"], "--as", "bob")
    return str(task["account"]["number"])


def test_two_people_open_an_account_and_a_third_finds_it(run: Run) -> None:
    words = ("account", "open", "--name", "汉江热电", "--kind", "E", "--province", "42", "--as", "ann")
    proposed = run(*words, "--key", "k-1")
    assert "a second person: registry task approve" in proposed.stderr
    task = said(run(*words, "--key", "k-1", "--json"))
    assert task["id"] in proposed.stderr, "the same key is the same proposal"
    refused = run("task", "approve", task["id"], "--as", "ann", code=1)
    assert refused.stderr.startswith("9")
    assert "APPROVED" in run("task", "approve", task["id"], "--as", "bob").stdout
    assert task["account"]["number"] in run("account", "find", "汉江").stdout
    shown = said(run("account", "details", task["account"]["number"], "--json", "--as", "auditor"))
    assert shown["state"] == "OPEN"


def test_a_plan_is_uploaded_row_by_row_and_its_statement_kept(run: Run, tmp_path: Path) -> None:
    number = opened(run, "Plan Power")
    table = tmp_path / "plan.csv"
    table.write_text(f"account,tonnes\n{number},x\nE42-99999999-00,5\n", encoding="utf-8")
    upload = ("allocation", "upload", str(table), "--product", "CEA-2019", "--plan", "operated")
    refused = run(*upload, code=1)
    assert "2 wrong lines, nothing was proposed" in refused.stderr
    assert "line 2" in refused.stderr
    with (tmp_path / "plan.csv.errors.csv").open(encoding="utf-8-sig", newline="") as report:
        assert [row["line"] for row in csv.DictReader(report)] == ["2", "3"]

    table.write_text(f"account,tonnes\n{number},100\n", encoding="utf-8")
    task = said(run(*upload, "--json"))
    run("task", "approve", task["id"], "--as", "bob")
    assert "100" in run("account", "balance", number, "CEA-2019").stdout
    day = said(run("clock", "show", "--json"))["market_day"]
    out = tmp_path / "statement.pdf"
    run("statements", "show", number, day, "--form", "pdf", "--out", str(out))
    assert out.read_bytes().startswith(b"%PDF")
    assert number in run("statement", "show", number, day, "--form", "csv").stdout
    assert "CEA-2019" in run("statement", "show", number, day).stdout


def test_cash_is_booked_by_the_bank_and_moved_by_two_people(run: Run, tmp_path: Path) -> None:
    giver, taker = opened(run, "Giver"), opened(run, "Taker", "I")
    table = tmp_path / "credits.csv"
    table.write_text(f"account,amount_fen\n{giver},480050\n", encoding="utf-8")
    run("deposit", "book", "--bank", "B001", "--message-id", "M-1", "--file", str(table))
    assert "480050 (4800.50 yuan)" in run("account", "holdings", giver).stdout
    moved = said(run("transfer", "book", giver, taker, "CNY", "50", "--as", "ann", "--key", "t-1", "--json"))
    assert moved["amount"] == 50
    asked = said(run("service", "request", "t-1", "--as", "ann", "--json"))
    assert (asked["state"], asked["body"]["id"]) == ("done", moved["id"])


def test_every_page_is_read_and_kept_as_a_table(run: Run, tmp_path: Path) -> None:
    for n in range(3):
        opened(run, f"Page {n}")
    first = run("account", "find", "Page", "--limit", "2")
    assert "or --all" in first.stderr
    run("account", "find", "Page", "--limit", "2", "--all", "--out", str(tmp_path / "found.csv"))
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["Page 0", "Page 1", "Page 2"]


def test_what_was_read_before_is_not_sent_again(run: Run) -> None:
    number = opened(run, "Tagged")
    shown = run("account", "details", number)
    tag = shown.stderr.partition("ETag: ")[2].strip()
    assert "not changed" in run("account", "details", number, "--if-none-match", tag).stderr


def test_another_deployment_is_asked_with_a_token_of_its_own(
    run: Run, state: State, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(tokens.mint(state, "auditor") + "\n", encoding="ascii")
    monkeypatch.setattr(control, "find", lambda _root: pytest.fail("the playground was asked"))
    monkeypatch.setenv("REGISTRY_API", address)
    assert "now" in run("clock", "show", "--token", str(file)).stdout
    monkeypatch.setenv("REGISTRY_TOKEN", str(file))
    assert "ready" in run("service", "ready").stdout
    file.write_text("no token", encoding="ascii")
    assert "holds no token" in run("clock", "show", code=2).stderr


def test_an_endpoint_that_does_not_answer_leaves_the_key_to_repeat_with(run: Run, state: State) -> None:
    token = tokens.mint(state, "ann")
    words = ("--api", "http://127.0.0.1:1", "--token", token, "--wait", "1")
    silent = run("clock", "move", "2021-07-16T10:00:00+08:00", *words, code=2)
    assert "Repeat with --key operate-" in silent.stderr
    assert silent.stderr.count("\n") == 1
