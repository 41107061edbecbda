"""Each reported day seals the chain: every batch belongs to one seal, seals follow one another, signatures count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.db.transaction import write
from core.ledger import store
from core.ledger.canonical import NOTHING, Seal
from core.ledger.keys import SealingKey, is_signed
from core.ledger.seals import service as seals
from core.ledger.seals import store as seal_store

pytestmark = pytest.mark.unsound  # one accounting alone

DAY = date(2021, 7, 16)
KEY = SealingKey(Ed25519PrivateKey.generate())


def day(n: int) -> date:
    return DAY + timedelta(days=n)


def test_every_batch_belongs_to_exactly_one_seal(books: Any, sound: Any) -> None:
    made: list[Seal] = []
    with books.engine.begin() as connection:
        made.append(seals.seal_day(connection, day(0), KEY))
        for n in range(3):
            store.post(connection, [books.move(f"t{n}", 1)], market_day=DAY)
        made.append(seals.seal_day(connection, day(1), KEY))
        made.append(seals.seal_day(connection, day(2), KEY))  # nothing was booked
        store.post(connection, [books.move("t9", 1)], market_day=DAY)
        made.append(seals.seal_day(connection, day(3), KEY))

        assert [(s.number, s.first_seq, s.last_seq) for s in made] == [(1, 1, 1), (2, 2, 4), (3, 5, 4), (4, 5, 5)]
        assert [s.previous for s in made] == [NOTHING, *(s.hash for s in made[:-1])]
        assert [s.hash for s in made] == [s.computed for s in made]
        assert all(s.signature and is_signed(s.hash, s.signature, KEY.public) for s in made)
        assert seal_store.every(connection) == made
        assert seal_store.keys(connection) == {KEY.id: KEY.public}
        sound(connection)


def test_the_seal_is_the_published_one(books: Any) -> None:
    """Whoever has day, number of the last batch and both hashes computes it with nothing but SHA-256."""
    with books.engine.begin() as connection:
        sealed = seals.seal_day(connection, DAY, None)
        chain_hash = connection.execute(text("SELECT encode(hash, 'hex') FROM ledger_batch WHERE seq = 1")).scalar_one()

    assert sealed.text == f"seal|2021-07-16|1|{chain_hash}|{'00' * 32}\n".encode()


def test_an_empty_ledger_can_be_sealed(engine: Any) -> None:
    with engine.begin() as connection:
        sealed = seals.seal_day(connection, DAY, KEY)
        assert (sealed.first_seq, sealed.last_seq, sealed.chain_hash) == (1, 0, NOTHING)
        assert seals.wrong_seals(connection) == []


def test_sealing_a_day_again_changes_nothing(books: Any) -> None:
    with books.engine.begin() as connection:
        first = seals.seal_day(connection, DAY, KEY)
        store.post(connection, [books.move("t", 1)], market_day=DAY)

        assert seals.seal_day(connection, DAY, None) == first
        assert seal_store.every(connection) == [first]


def test_without_a_key_the_seal_is_linked_and_says_that_nobody_signed(books: Any, sound: Any) -> None:
    with books.engine.begin() as connection:
        sealed = seals.seal_day(connection, DAY, None)
        assert (sealed.key_id, sealed.signature) == (None, None)
        sound(connection)


def test_days_sealed_while_others_book_share_no_batch_and_leave_none_out(books: Any, sound: Any) -> None:
    def book(many: int) -> None:
        for n in range(many):
            write(books.engine, lambda c, n=n: store.post(c, [books.move(f"t{n}", 1)], market_day=DAY))

    def seal(many: int) -> None:
        for n in range(many):
            write(books.engine, lambda c, n=n: seals.seal_day(c, day(n), KEY))

    threads = [threading.Thread(target=book, args=[30]), *(threading.Thread(target=seal, args=[10]) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with books.engine.begin() as connection:
        last = seals.seal_day(connection, day(99), KEY)
        spans = [set(range(s.first_seq, s.last_seq + 1)) for s in seal_store.every(connection)]
        assert sum(map(len, spans)) == last.last_seq == books.batches(connection)
        assert set().union(*spans) == set(range(1, last.last_seq + 1))
        sound(connection)


FORGERIES = {
    "UPDATE ledger_seal SET day = day + 100 WHERE number = 2": (2, "its hash is not that of its content"),
    "UPDATE ledger_seal SET signature = sha256('x') || sha256('y') WHERE number = 1": (1, "its signature is not"),
    "UPDATE ledger_seal SET key_id = 'nobody' WHERE number = 1": (1, "its key nobody is not there"),
    "UPDATE ledger_seal SET hash = sha256('x') WHERE number = 1": (1, "its hash is not that of its content"),
    "UPDATE ledger_seal SET previous = sha256('x') WHERE number = 2": (2, "does not name the hash"),
    "UPDATE ledger_seal SET first_seq = 1 WHERE number = 2": (2, "its batches do not follow"),
    "UPDATE ledger_batch SET hash = sha256('x') WHERE seq = 1": (1, "batch 1 has another hash"),
    "DELETE FROM ledger_seal WHERE number = 1": (2, "it stands in place 1"),
    "DELETE FROM ledger_seal WHERE number = 2": (2, "it is missing"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_seal_is_found(books: Any, forge: Callable[[str], None], forgery: str) -> None:
    with books.engine.begin() as connection:
        seals.seal_day(connection, day(0), KEY)
        store.post(connection, [books.move("t", 1)], market_day=DAY)
        seals.seal_day(connection, day(1), KEY)
    forge(forgery)

    with books.engine.connect() as connection:
        found = seals.wrong_seals(connection)

    number, why = FORGERIES[forgery]
    assert found[0].number == number
    assert why in found[0].why


@pytest.mark.parametrize("wrong", [{"number": 3}, {"first_seq": 1}, {"previous": NOTHING}, {"chain_hash": NOTHING}])
def test_the_database_itself_refuses_a_seal_that_does_not_continue(books: Any, wrong: dict[str, object]) -> None:
    with books.engine.begin() as connection:
        seals.seal_day(connection, day(0), None)
        store.post(connection, [books.move("t", 1)], market_day=DAY)
        last = seals.seal_day(connection, day(1), None)
        right: dict[str, object] = {"day": day(2), "number": 3, "first_seq": 3, "last_seq": 2, "previous": last.hash}
        right |= {"chain_hash": last.chain_hash, "key_id": None, "signature": None}
        facts = right | {"number": 4} if wrong == {"number": 3} else right | wrong
        forged = Seal(**facts, hash=b"")  # type: ignore[arg-type]  # facts of a seal
        row = facts | {"hash": forged.computed}
        with pytest.raises(IntegrityError, match="does not continue"), connection.begin_nested():
            connection.execute(seal_store.INSERT, row)


def test_a_key_is_read_from_its_file_and_anything_else_is_refused(tmp_path: Path) -> None:
    def kept(key: Ed25519PrivateKey | X25519PrivateKey) -> Path:
        path = tmp_path / "key.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path

    assert SealingKey.load(kept(KEY.private)).id == KEY.id
    with pytest.raises(ValueError, match="Ed25519"):
        SealingKey.load(kept(X25519PrivateKey.generate()))
    (tmp_path / "key.pem").write_text("nothing")
    with pytest.raises(ValueError, match="PEM"):
        SealingKey.load(tmp_path / "key.pem")
