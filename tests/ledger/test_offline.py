"""An export is verified from its files alone, and whatever was changed in them is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text
from typer.testing import CliRunner

from core.cli import app
from core.ledger import store
from core.ledger.canonical import chained, line_of, read_line, rows_hash
from core.ledger.holds import service as holds
from core.ledger.holds.rules import Hold
from core.ledger.keys import SealingKey
from core.ledger.rules import AVAILABLE, Place, Transfer
from core.ledger.seals import service as seals

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)
KEY = SealingKey(Ed25519PrivateKey.generate())

OLD_ROWS = """
INSERT INTO transfer (id, batch, position, debit, credit, asset, amount, type, reference, market_day)
SELECT 'old', nextval('batch_number'), 1, d.id, c.id, 'CEA-2019', 7, 'TRANSFER', 'of before', '2021-07-16'
FROM ledger_account d, ledger_account c WHERE d.owner = :giver AND c.owner = :taker
"""
OLD_BATCH = """
WITH own AS (SELECT batch, sha256(string_agg(line, ''::bytea ORDER BY position)) AS rows FROM transfer_line
             WHERE batch = currval('batch_number') GROUP BY batch),
taken AS (UPDATE counter SET next = next + 1 WHERE name = 'batch' RETURNING next - 1 AS seq)
INSERT INTO ledger_batch (seq, batch, market_day, transfers, hash)
SELECT seq, batch, '2021-07-16', 1, sha256((SELECT hash FROM ledger_batch p WHERE p.seq = taken.seq - 1) || rows)
FROM own, taken
"""


@pytest.fixture
def lived(books: Any, sound: Any) -> Any:
    """Three sealed days with 1, 4 and 1 batches, one of them of the form of before, and one batch after them."""
    with books.engine.begin() as connection:
        seals.seal_day(connection, DAY, KEY)
        store.post(connection, [books.move("a|1", 60), books.move("b\n2", 5, back=True)], market_day=DAY)
        facts = {"giver": books.one, "taker": books.other}
        connection.execute(text(OLD_ROWS), facts)
        connection.execute(text(OLD_BATCH))
        balance = text("UPDATE ledger_account SET balance = balance + :delta WHERE owner = :owner")
        connection.execute(balance, [{"delta": -7, "owner": books.one}, {"delta": 7, "owner": books.other}])
        many = [books.move(f"m{n}", 1, back=bool(n % 2)) for n in range(2501)]
        store.stage(connection)
        store.stage_all(connection, many)
        store.post_staged(connection, market_day=DAY)
        mirror = books.move("a|1", 60).mirror("back", kind="REVERSAL", reference="配额更正 | 1")
        store.post(connection, [mirror], market_day=DAY)
        seals.seal_day(connection, DAY + timedelta(days=3), KEY)
        holds.hold(connection, Hold("h", books.place(books.one), "locked", 3, None, "held", DAY))
        seals.seal_day(connection, DAY + timedelta(days=4), None)
        store.post(connection, [books.move("late", 1)], market_day=DAY)
        sound(connection)
    return books


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["ledger", *map(str, words)])


@pytest.fixture
def exported(lived: Any, dsn: str, tmp_path: Path) -> Path:
    """Its whole export."""
    ended = run("export", tmp_path / "out", "--dsn", dsn)
    assert ended.exit_code == 0, ended.output
    assert "7 batches, 2508 transfers, 3 seals" in ended.stdout
    return tmp_path / "out"


def test_a_whole_export_is_found_whole_and_its_last_seal_is_named(exported: Path) -> None:
    ended = run("verify", "--file", exported)
    listed = json.loads(run("verify", "--file", exported, "--json").stdout)

    assert ended.exit_code == 0, ended.output
    assert "7 batches with 2508 transfers are as they were hashed; 3 seals fit." in ended.stdout
    assert "Every balance is the sum of its transfers." in ended.stdout
    assert "1 seals are not signed." in ended.stdout
    assert "1 batches came after the last seal." in ended.stdout
    assert listed["last_seal"] in ended.stdout
    assert listed["wrong"] == []


@pytest.mark.parametrize(
    ("since", "until", "batches"),
    [(0, 0, 1), (0, 3, 5), (3, 3, 4), (3, 4, 5), (4, 4, 1), (3, None, 6), (None, 3, 5)],
)
def test_days_can_be_taken_away_by_themselves(
    lived: Any, dsn: str, tmp_path: Path, since: int | None, until: int | None, batches: int
) -> None:
    bounds = {"--from": since, "--to": until}
    options = [word for name, n in bounds.items() if n is not None for word in (name, DAY + timedelta(days=n))]
    assert run("export", tmp_path, *options, "--dsn", dsn).exit_code == 0

    ended = run("verify", "--file", tmp_path)

    assert ended.exit_code == 0, ended.output
    assert f"{batches} batches with" in ended.stdout


def changed(folder: Path, name: str, change: Callable[[list[Any]], object]) -> None:
    path = folder / name
    documents = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(documents)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")


def in_rows(old: str, new: str) -> Callable[[list[Any]], None]:
    def change(documents: list[Any]) -> None:
        for document in documents:
            if "rows" in document:
                document["rows"] = [row.replace(old, new) for row in document["rows"]]

    return change


FORGERIES: dict[str, tuple[str, Callable[[list[Any]], object], str]] = {
    "an amount": ("batches.jsonl", in_rows("|CEA-2019|60|TRANSFER", "|CEA-2019|61|TRANSFER"), "batch 2: not what"),
    "a reference": ("batches.jsonl", in_rows("配额更正", "配额更改"), "batch 5: not what its hash says"),
    "a link": ("batches.jsonl", in_rows("|3:a|1", "|0:"), "batch 5"),
    "an owner": ("batches.jsonl", in_rows("4:late|E42-00001001-60", "4:late|E42-00001002-57"), "batch 7"),
    "a row of before": ("batches.jsonl", in_rows("|7|TRANSFER|", "|8|TRANSFER|"), "batch 3: not what its hash says"),
    "a row that cannot be read": ("batches.jsonl", in_rows("4:late|", "5:late|"), "batch 7: row 1 cannot be read"),
    "rows left out": ("batches.jsonl", lambda d: d.pop(1), "batch 1: 0 rows, not 1"),
    "a batch left out": ("batches.jsonl", lambda d: d.__delitem__(slice(2, 4)), "batch 2: missing"),
    "batches in another order": ("batches.jsonl", lambda d: d.insert(0, d.pop(4)), "batch 1: missing"),
    "the end": ("batches.jsonl", lambda d: d.__delitem__(slice(-2, None)), "batch 7: missing"),
    "a batch's hash": ("batches.jsonl", lambda d: d[0].update(hash="00" * 32), "batch 1: not what its hash says"),
    "a batch's form": ("batches.jsonl", lambda d: d[0].update(form=1), "batch 1"),
    "a seal's day": ("seals.jsonl", lambda d: d[1].update(day="2021-07-20"), "seal 2 of 2021-07-20: its hash"),
    "a seal's chain": ("seals.jsonl", lambda d: d[1].update(chain_hash="00" * 32), "seal 2 of 2021-07-19: its hash"),
    "a seal's signature": ("seals.jsonl", lambda d: d[0].update(signature="00" * 64), "seal 1 of 2021-07-16: its sig"),
    "a seal left out": ("seals.jsonl", lambda d: d.pop(0), "seal 2 of 2021-07-19: it stands in place 1"),
    "no seal at all": ("seals.jsonl", lambda d: d[0].update(last_seq="1"), "seals.jsonl cannot be read"),
    "a field too many": ("seals.jsonl", lambda d: d[0].update(more=1), "seals.jsonl cannot be read"),
    "a key": ("keys.jsonl", lambda d: d[0].update(public_key="00" * 32), "seal 1 of 2021-07-16: its key"),
    "no key": ("keys.jsonl", lambda d: d[0].update(public_key="x"), "keys.jsonl cannot be read"),
    "a balance": ("places.jsonl", lambda d: d[0].update(balance=1), "not the sum of its transfers"),
    "a place left out": ("places.jsonl", lambda d: d.pop(-1), "locked: not there"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_whatever_was_changed_in_the_files_is_named(exported: Path, name: str) -> None:
    file, change, said = FORGERIES[name]
    changed(exported, file, change)

    ended = run("verify", "--file", exported)

    assert ended.exit_code == 1, ended.output
    assert said in ended.stdout


def test_a_chain_made_anew_behind_a_forged_row_fails_at_the_seal(exported: Path) -> None:
    """Whoever can compute SHA-256 can compute all hashes of a false chain; he cannot sign the seal."""

    def forge(documents: list[Any]) -> None:
        previous = bytes(32)
        documents[1]["rows"] = [row.replace("|100|ISSUE|", "|900|ISSUE|") for row in documents[1]["rows"]]
        heads = [n for n, document in enumerate(documents) if "hash" in document]
        for begin, end in zip(heads, [*heads[1:], len(documents)], strict=True):
            lines = [f"{row}\n".encode() for block in documents[begin + 1 : end] for row in block["rows"]]
            previous = chained(previous, rows_hash(lines, form=documents[begin]["form"]))
            documents[begin]["hash"] = previous.hex()

    changed(exported, "batches.jsonl", forge)
    ended = run("verify", "--file", exported)

    assert ended.exit_code == 1
    assert "seal 1 of 2021-07-16: batch 1 has another hash" in ended.stdout


def test_only_the_key_one_trusts_counts(exported: Path, tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"

    def verify(key: Ed25519PrivateKey) -> Result:
        pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return run("verify", "--file", exported, "--public-key", pem)

    other = verify(Ed25519PrivateKey.generate())
    own = verify(KEY.private)

    assert (other.exit_code, own.exit_code) == (1, 1)
    assert "seal 1 of 2021-07-16: its key" in other.stdout
    assert "1 seals are not signed" in own.stdout


def test_a_line_that_is_no_json_is_named(exported: Path) -> None:
    (exported / "batches.jsonl").write_text("{}\n{", encoding="utf-8")
    ended = run("verify", "--file", exported)
    assert ended.exit_code == 1
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("gone", ["manifest.json", "batches.jsonl", "seals.jsonl", "keys.jsonl", "places.jsonl"])
def test_an_export_that_is_not_whole_is_one_clear_line(exported: Path, gone: str) -> None:
    (exported / gone).unlink()
    ended = run("verify", "--file", exported)
    assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert gone in ended.stderr


def test_wrong_use_is_one_clear_line(lived: Any, dsn: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    wrong = [
        run("export", tmp_path / "full", "--dsn", dsn),
        run("export", tmp_path / "full" / "file", "--dsn", dsn),
        run("export", tmp_path / "a", "--from", "2030-01-01", "--dsn", dsn),
        run("export", tmp_path / "b", "--from", DAY + timedelta(days=4), "--to", DAY, "--dsn", dsn),
        run("verify", "--public-key", tmp_path / "full" / "file", "--dsn", dsn),
        run("verify", "--file", tmp_path, "--public-key", tmp_path / "full" / "file"),
        run("verify", "--file", tmp_path / "nowhere"),
    ]
    assert [(ended.exit_code, ended.stderr.count("\n")) for ended in wrong] == [(2, 1)] * len(wrong)


def test_text_that_looks_like_another_row_cannot_pass_for_it() -> None:
    """Free text stands behind its length: no reference can imitate the fields around it."""
    places = Place("E42-00001001-60", "CNY", AVAILABLE), Place("E42-00001002-57", "CNY", AVAILABLE)
    for number, reference, reverses in [
        ("a|b", "c", None), ("a", "b|c", None), ("a", "c|1:b", None), ("a", "c", "b"), ("é\n", "|\n|", "1:"),
        ("1:a", "", None), ("配额", "0:\n", None),
    ]:  # fmt: skip
        transfer = Transfer(number, *places, 5, "DEPOSIT", reference, reverses)
        line = line_of(transfer, DAY)
        assert read_line(line) == (transfer, DAY)
