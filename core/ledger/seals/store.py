"""The tables of seals and of the public keys that signed them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from core.ledger.canonical import NOTHING, Seal
from core.ledger.keys import SealingKey

HASHES = text("SELECT seq, hash FROM ledger_batch WHERE seq = ANY(CAST(:seqs AS bigint[]))")

_SEALS = """
SELECT day, number, first_seq, last_seq, chain_hash, previous, hash, key_id, signature FROM ledger_seal
"""
FIND = text(f"{_SEALS} WHERE day = :day")
NEWEST = text(f"{_SEALS} ORDER BY number DESC LIMIT 1")
ALL = text(f"{_SEALS} ORDER BY number")
SEALED_AT = text("SELECT sealed_at FROM ledger_seal WHERE day = :day")

INSERT = text("""
INSERT INTO ledger_seal (day, number, first_seq, last_seq, chain_hash, previous, hash, key_id, signature)
VALUES (:day, :number, :first_seq, :last_seq, :chain_hash, :previous, :hash, :key_id, :signature)
""")

INSERT_KEY = text("INSERT INTO sealing_key (id, public_key) VALUES (:id, :public_key) ON CONFLICT (id) DO NOTHING")
KEYS = text("SELECT id, public_key FROM sealing_key ORDER BY first_used_at, id")


def insert(connection: Connection, made: Seal) -> None:
    """Keep a seal."""
    connection.execute(INSERT, {name: getattr(made, name) for name in Seal.__dataclass_fields__})


def insert_key(connection: Connection, key: SealingKey) -> None:
    """Keep the public half of a key, where it is new."""
    connection.execute(INSERT_KEY, {"id": key.id, "public_key": key.public})


def newest(connection: Connection) -> Seal | None:
    """Return the seal that was made last."""
    return _one(connection.execute(NEWEST).mappings().one_or_none())


def hashes(connection: Connection, seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the hashes of those of the batches that there are; of nothing before the first."""
    return {0: NOTHING} | {seq: bytes(found) for seq, found in connection.execute(HASHES, {"seqs": list(seqs)})}


def find(connection: Connection, day: date) -> Seal | None:
    """Return a day's seal."""
    return _one(connection.execute(FIND, {"day": day}).mappings().one_or_none())


def sealed_at(connection: Connection, day: date) -> datetime:
    """Return when a day that is sealed was."""
    found: datetime = connection.execute(SEALED_AT, {"day": day}).scalar_one()
    return found


def every(connection: Connection) -> list[Seal]:
    """Return all seals in their order."""
    return [_seal(row) for row in connection.execute(ALL).mappings()]


def keys(connection: Connection) -> dict[str, bytes]:
    """Return the public keys by name."""
    return {name: bytes(public_key) for name, public_key in connection.execute(KEYS)}


def _one(row: RowMapping | None) -> Seal | None:
    return None if row is None else _seal(row)


def _seal(row: RowMapping) -> Seal:
    facts: dict[str, Any] = {n: bytes(v) if isinstance(v, memoryview) else v for n, v in row.items()}
    return Seal(**facts)
