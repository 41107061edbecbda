"""A certificate checked on the command line, with no registry to ask."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.operate import ownership

CERTIFIED = '{"certificate":"VC-00000001","tonnes":5}'
GOOD = {
    "number": "VC-00000001",
    "certificate": json.loads(CERTIFIED),
    "document": CERTIFIED,
    "sha256": hashlib.sha256(CERTIFIED.encode()).hexdigest(),
    "text": "碳排放配额自愿注销证明\n",
}


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
    app = typer.Typer()
    app.add_typer(ownership.app, name="ownership")
    done = CliRunner().invoke(app, ["ownership", "verify", str(tmp_path / "c.json")])
    assert (done.exit_code, told in done.output) == (code, True)
