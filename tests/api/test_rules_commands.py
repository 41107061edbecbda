"""The market's rules from the command line, against a server on a socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from core.api.app import create_app
from core.api.auth import Verifier
from core.bootstrap import build_desk
from core.settings import Settings
from deploy.operate.parameters import app
from deploy.ports import free_port

ISSUER = "https://issuer.invalid"


@pytest.fixture
def address(facts: Settings, public_key: bytes) -> Iterator[str]:
    port = free_port("127.0.0.1")
    app_ = create_app(build_desk(facts), Verifier(public_key, issuer=ISSUER))
    server = uvicorn.Server(uvicorn.Config(app_, host="127.0.0.1", port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def run(address: str, token: Callable[..., str]) -> Callable[..., Any]:
    """Run a command as a maker and return its end."""

    def command(*words: str) -> Any:
        return CliRunner().invoke(app, [*words, "--api", address, "--token", token("ann", "maker")])

    return command


def test_a_change_is_shown_tried_proposed_and_in_force(
    run: Callable[..., Any], address: str, token: Callable[..., str], tmp_path: Path
) -> None:
    words = ("set", "limit", "listed", '{"percent": 7}', "--from", "2021-07-19", "--why", "calmer")
    tried = run(*words, "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "On 2021-07-19: products that come none, go none" in tried.stdout

    proposed = run(*words, "--json")
    task = json.loads(proposed.stdout)["id"]
    headers = {"Authorization": f"Bearer {token('bob', 'checker')}", "Idempotency-Key": "k"}
    assert httpx.post(f"{address}/v1/tasks/{task}/approve", headers=headers).status_code == 200

    shown = json.loads(run("show", "2021-07-19", "--json").stdout)
    assert shown["modes"]["listed"]["percent"] == 7
    assert "99999" in run("show", "2021-07-19").stdout


def test_a_file_of_changes_is_tried_out_with_the_days_and_limits_that_change(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    closed = {"kind": "calendar", "name": "2021-07-19", "value": {"open": False, "why": "typhoon"}}
    file = tmp_path / "changes.json"
    file.write_text(json.dumps({"changes": [closed], "why": "typhoon"}))

    tried = run("propose", str(file), "--dry-run")

    assert tried.exit_code == 0, tried.output
    assert "Trading days after 2021-07-18: now 2021-07-19, 2021-07-20" in tried.stdout
    assert "then 2021-07-20" in tried.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "tick", "price", '{"fen": 1}', "--from", "2021-07-19", "--why", "x"), 1, "8027: "),
        (("set", "tick", "price", '{"fen": 5}', "--from", "2021-07-01", "--why", "x"), 1, "8025: "),
        (("set", "colour", "red", "{}", "--from", "2021-07-19", "--why", "x", "--dry-run"), 1, "8021: "),
        (("set", "tick", "price", "{", "--from", "2021-07-19", "--why", "x"), 2, "This is no JSON"),
        (("propose", "/nowhere/changes.json"), 2, "cannot be read"),
    ],
)
def test_a_refusal_says_its_code_and_what_to_do(
    run: Callable[..., Any], words: tuple[str, ...], code: int, said: str
) -> None:
    ended = run(*words)

    assert ended.exit_code == code
    assert said in ended.stderr
