"""Seals: what the chain ended with on each market day, linked with one another and signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from core.ledger import chain
from core.ledger.canonical import NOTHING, Seal
from core.ledger.keys import SealingKey, is_signed, name_of_key

# The counter's row lock lines up all who write the ledger: what they commit later belongs to the seal after this one.
HOLD_CHAIN = text("SELECT next - 1 FROM counter WHERE name = 'batch' FOR UPDATE")
TAKE_NUMBER = text("UPDATE counter SET next = next + 1 WHERE name = 'seal' RETURNING next - 1")
COUNT = text("SELECT next - 1 FROM counter WHERE name = 'seal'")
HASH_OF = text("SELECT hash FROM ledger_batch WHERE seq = :seq")

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


@dataclass(frozen=True, slots=True)
class WrongSeal:
    """A seal that is not what it must be, and why."""

    number: int
    day: date | None
    """None: the seal is not there."""
    why: str


def seal_day(connection: Connection, day: date, key: SealingKey | None) -> Seal:
    """Seal every batch since the seal before, once: a day that is sealed already stays as it is.

    Without a key the seal is still linked with the one before, but nobody has signed it.
    """
    while chain.link_loose(connection):
        pass
    last_seq: int = connection.execute(HOLD_CHAIN).scalar_one()
    found = find(connection, day)
    if found is not None:
        return found
    before = _one(connection.execute(NEWEST).mappings().one_or_none())
    chain_hash = bytes(connection.execute(HASH_OF, {"seq": last_seq}).scalar_one()) if last_seq else NOTHING
    made = Seal(
        day=day,
        number=connection.execute(TAKE_NUMBER).scalar_one(),
        first_seq=1 if before is None else before.last_seq + 1,
        last_seq=last_seq,
        chain_hash=chain_hash,
        previous=NOTHING if before is None else before.hash,
        hash=b"",
    )
    made = replace(made, hash=made.computed)
    if key is not None:
        connection.execute(INSERT_KEY, {"id": key.id, "public_key": key.public})
        made = replace(made, key_id=key.id, signature=key.sign(made.hash))
    connection.execute(INSERT, {name: getattr(made, name) for name in Seal.__dataclass_fields__})
    return made


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


def wrong_seals(connection: Connection) -> list[WrongSeal]:
    """Recompute every seal from the one before it and from the chain as it stands."""
    found = every(connection)
    hashes = {0: NOTHING}
    for seal in found:
        row = connection.execute(HASH_OF, {"seq": seal.last_seq}).scalar_one_or_none()
        if row is not None:
            hashes[seal.last_seq] = bytes(row)
    wrong = judge(found, keys(connection), hashes)
    missing = range(len(found) + 1, connection.execute(COUNT).scalar_one() + 1)
    return wrong + [WrongSeal(number, None, "it is missing") for number in missing]


def judge(
    found: Sequence[Seal], keys_by_name: Mapping[str, bytes], hashes: Mapping[int, bytes], *, since: int = 0
) -> list[WrongSeal]:
    """Name the seals that do not follow from the one before, the chain, or their signature.

    ``hashes`` are those of the batches with which seals end, from the batch ``since`` on.
    """
    wrong: list[WrongSeal] = []
    before: Seal | None = None
    for number, seal in enumerate(found, start=1):
        why = _why_wrong(seal, before, number) or _why_not_signed(seal, keys_by_name)
        if why is None and seal.last_seq >= since and hashes.get(seal.last_seq) != seal.chain_hash:
            why = f"batch {seal.last_seq} has another hash, or is missing"
        if why is not None:
            wrong.append(WrongSeal(seal.number, seal.day, why))
        before = seal
    return wrong


def _why_wrong(seal: Seal, before: Seal | None, number: int) -> str | None:
    if seal.number != number:
        return f"it stands in place {number}"
    if seal.previous != (NOTHING if before is None else before.hash):
        return "it does not name the hash of the seal before"
    if seal.first_seq != (1 if before is None else before.last_seq + 1) or seal.last_seq < seal.first_seq - 1:
        return "its batches do not follow those of the seal before"
    if seal.hash != seal.computed:
        return "its hash is not that of its content"
    return None


def _why_not_signed(seal: Seal, keys_by_name: Mapping[str, bytes]) -> str | None:
    if seal.key_id is None or seal.signature is None:
        return None if seal.key_id is None and seal.signature is None else "half of its signature is missing"
    public_key = keys_by_name.get(seal.key_id)
    if public_key is None or name_of_key(public_key) != seal.key_id:
        return f"its key {seal.key_id} is not there"
    return None if is_signed(seal.hash, seal.signature, public_key) else "its signature is not of its key"
