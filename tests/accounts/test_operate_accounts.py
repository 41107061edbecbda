"""`registry account …` against the API over real HTTP."""

from __future__ import annotations

import csv
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import uvicorn
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from core.api.app import create_app
from core.api.auth import Verifier
from core.bootstrap import build_desk
from core.settings import Settings
from deploy import cli

ISSUER = "https://issuer.invalid"
ROLES = {"ann": ["maker"], "bob": ["checker"], "ada": ["auditor"]}
Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Iterator[Run]:
    """Run a command as somebody against an API that is served here."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = tmp_path / "issuer.pub.pem"
    pem.write_bytes(public)
    desk = build_desk(Settings(dsn=dsn, token_public_key=pem, token_issuer=ISSUER, playground=True))
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(desk, Verifier(public, issuer=ISSUER))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    address = "http://{}:{}".format(*listening.getsockname())

    def one(*words: str, by: str = "ann") -> Result:
        claims = {"sub": by, "roles": ROLES[by], "iss": ISSUER, "exp": int(time.time()) + 600}
        token = jwt.encode(claims, key, algorithm="EdDSA")
        return CliRunner().invoke(cli.app, ["account", *words, "--api", address, "--token", token])

    yield one
    server.should_exit = True
    thread.join()
    listening.close()


def body(result: Result, code: int = 0) -> Any:
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_an_account_is_applied_for_with_documents_and_reviewed(run: Run, tmp_path: Path) -> None:
    paper = tmp_path / "licence.pdf"
    paper.write_bytes(b"a licence")
    words = ("--name", "Han River Power", "--kind", "E", "--province", "42", "--sector", "power", "--json")
    task = body(run("open", *words, "--document", f"licence:L 1:{paper}"))
    number = task["account"]["number"]
    assert task["documents"][0]["reference"] == "L 1"
    shown = body(run("review", number, "--file", str(paper), "--json", by="bob"))
    assert shown["review"]["reviewer"] == "bob"
    paper.write_bytes(b"another licence")
    assert run("review", number, "--file", str(paper), by="bob").exit_code == 1


def test_a_refusal_says_code_sentence_and_next_step(run: Run) -> None:
    refused = run("restrict", "E42-00001001-60", "out", "--reason", "x")
    assert refused.exit_code == 1
    assert "2006: There is no such account." in refused.stderr
    assert "Check the account number." in refused.stderr
    assert run("history", "E42-00001001-60", by="ada").exit_code == 1


def test_what_cannot_be_done_at_all_ends_with_exit_code_2(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    assert run("open-bulk", str(tmp_path / "missing.csv")).exit_code == 2
    assert CliRunner().invoke(cli.app, ["account", "find", "--api", "http://127.0.0.1:1"]).exit_code == 2
    monkeypatch.setenv("REGISTRY_PLAYGROUND_STATE", str(tmp_path / "none"))
    nowhere = CliRunner().invoke(cli.app, ["account", "find"])
    assert nowhere.exit_code == 2
    assert "registry up" in nowhere.stderr


def test_a_file_is_applied_for_and_found(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    rows = "".join(f"汉江热电{n}号,E,42,power\n" for n in range(300))
    file.write_text("名称,类型,省份,行业\n" + rows, encoding="utf-8-sig")
    task = body(run("open-bulk", str(file), "--json"))
    assert task["file"]["count"] == 300
    assert body(run("open-bulk", str(file), "--json"))["id"] == task["id"], "the same file is the same application"
    assert body(run("open-bulk", str(file), "--again", "--json"))["id"] != task["id"]
    found = body(run("find", "热电17", "--sector", "power", "--limit", "200", "--json", by="ada"))
    assert len(found["accounts"]) == 2 * 11
    table = run("find", "热电299", by="ada")
    assert "汉江热电299号" in table.stdout


def test_every_wrong_row_stands_in_the_report(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("name,kind,province\nGood,E,42\nBad,X,4\nGood,E,42\n", encoding="utf-8")
    refused = run("open-bulk", str(file))
    assert refused.exit_code == 1
    assert "2 wrong lines, nothing was opened" in refused.stderr
    with (tmp_path / "firms.csv.errors.csv").open(encoding="utf-8-sig", newline="") as report:
        said = list(csv.reader(report))
    assert said[0] == ["line", "column", "code", "sentence"]
    assert [row[:3] for row in said[1:]] == [["3", "kind", "8001"], ["3", "province", "8001"], ["4", "", "5035"]]
    assert said[1][3] == "The request is not well formed. kind: E, I or P."
    checked = run("open-bulk", str(file), "--check", "--errors", str(tmp_path / "other.csv"))
    assert (checked.exit_code, (tmp_path / "other.csv").exists()) == (1, True)


def test_another_encoding_is_named_and_read_when_asked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_bytes("name,kind,province\n汉江热电,E,42\n".encode("gb18030"))
    refused = run("open-bulk", str(file))
    assert refused.exit_code == 1
    assert "--encoding gb18030" in refused.stderr
    assert body(run("open-bulk", str(file), "--encoding", "gb18030", "--json"))["file"]["count"] == 1
    assert run("open-bulk", str(file), "--encoding", "latin-1").exit_code == 2


def test_a_file_that_is_too_large_is_not_even_read(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("deploy.operate.bulk.BYTES_MAX", 10)
    file = tmp_path / "firms.csv"
    file.write_text("name,kind,province\n", encoding="utf-8")
    refused = run("open-bulk", str(file))
    assert (refused.exit_code, "at most 10" in refused.stderr) == (2, True)
