"""Passwords, tokens, and what a start refuses before it touches anything."""

from __future__ import annotations

import json
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from core.ledger.keys import SealingKey
from deploy.cli import app
from deploy.playground import lifecycle, preflight, tokens
from deploy.playground.plan import RUNNER, Plan
from deploy.playground.preflight import CannotStartError
from deploy.playground.state import State, secrets_of
from ha.control import STATE_VARIABLE
from ha.processes import below

OCTET = 120
"""No playground of ours is there: private ones stay below 100."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """An empty playground folder that the commands find."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "playground"))
    return State(tmp_path / "playground")


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """The runner's address, in somebody else's hands."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((Plan(OCTET).runner, RUNNER))
        listener.listen()
        yield listener


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stderr


def test_passwords_are_made_once_and_are_nobody_elses(state: State) -> None:
    first = secrets_of(state)

    assert secrets_of(state) == first
    assert stat.S_IMODE(state.secrets_file.stat().st_mode) == 0o600
    assert len({first.app, first.owner, first.drill, first.superuser, first.replication, first.control}) == 6


def test_a_token_names_its_caller_and_the_roles_of_that_name(state: State) -> None:
    state.root.mkdir()
    tokens.make_issuer(state)
    public = state.issuer_public_key.read_bytes()

    def claims(name: str) -> dict[str, object]:
        found: dict[str, object] = jwt.decode(
            tokens.mint(state, name), public, algorithms=["EdDSA"], issuer=tokens.ISSUER
        )
        return found

    assert claims("probe")["roles"] == ["probe"]
    assert claims("Li Wei")["sub"] == "Li Wei"
    assert claims("Li Wei")["roles"] == ["maker", "checker"]


@pytest.mark.parametrize(
    ("name", "roles", "province"),
    [
        ("ministry-maker", ["authority_maker"], None),
        ("ministry-checker", ["authority_checker"], None),
        ("province-42-maker", ["authority_maker"], "42"),
        ("province-31-checker", ["authority_checker"], "31"),
        ("Province-31-Checker", ["authority_checker"], "31"),
        ("holder-Example Power", ["holder"], None),
        ("province-4-maker", ["maker", "checker"], None),
        ("province-42-auditor", ["maker", "checker"], None),
        ("holder-", ["maker", "checker"], None),
    ],
)
def test_a_name_may_be_an_authoritys_or_a_subjects(name: str, roles: list[str], province: str | None) -> None:
    claims = tokens.claims_of(name)

    assert (claims["roles"], claims.get("province")) == (roles, province)


def test_the_sealing_key_is_made_once_and_nobody_elses(state: State) -> None:
    state.root.mkdir()
    tokens.make_sealing_key(state)
    first = SealingKey.load(state.sealing_key)
    tokens.make_sealing_key(state)

    assert SealingKey.load(state.sealing_key).id == first.id
    assert stat.S_IMODE(state.sealing_key.stat().st_mode) == 0o600
    assert not state.is_somebody_elses()


def test_a_port_in_use_is_named_with_its_owner(state: State, taken: socket.socket) -> None:
    code, said = run("up", "--detach", "--instance", str(OCTET))

    assert code == 2
    assert said.count("\n") == 1
    assert f"127.{OCTET}.0.1:{RUNNER}" in said
    assert "in use" in said


def test_a_full_disk_is_named_before_anything_is_written(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=5 * 1024**2)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage)

    code, said = run("up", "--detach", "--instance", str(OCTET))

    assert code == 2
    assert said.count("\n") == 1
    assert "no disk space: 5 MiB free" in said


def test_a_missing_program_is_named_with_the_way_to_get_it(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PROGRAMS", ("no-such-program",))

    with pytest.raises(CannotStartError, match="no-such-program is missing"):
        lifecycle.start(state.root, tie="free", say=print)


def test_a_stale_state_file_is_cleaned_away_and_said_so(state: State, taken: socket.socket) -> None:
    state.root.mkdir()
    state.control.write_text(json.dumps({"url": "http://127.0.0.1:1", "token": "old"}), encoding="utf-8")

    _, said = run("up", "--detach", "--instance", str(OCTET))

    assert "cleaned up" in said
    assert not state.control.exists()


def test_status_without_a_playground_is_one_line_and_exit_code_2(state: State) -> None:
    code, said = run("status", "--json")

    assert code == 2
    assert said.count("\n") == 1
    assert "registry up" in said


def test_down_without_a_playground_is_fine(state: State) -> None:
    assert run("down")[0] == 0


def test_a_token_without_a_playground_is_one_line_and_exit_code_2(state: State) -> None:
    code, said = run("token", "--as", "me")

    assert (code, said.count("\n")) == (2, 1)


def test_an_existing_playground_keeps_the_addresses_its_data_was_made_with(state: State) -> None:
    state.nodes.mkdir(parents=True)
    state.instance_file.write_text("77", encoding="utf-8")

    assert lifecycle._instance(state, None) == 77
    assert lifecycle._instance(State(state.root / "other"), None) == 20


def test_nobody_works_below_an_unused_folder(tmp_path: Path) -> None:
    assert below(tmp_path) == []
