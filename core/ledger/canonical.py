"""The bytes that the hash chain and the seals are made of: everything a reader outside needs to compute them again.

docs/ledger.md says the same in words, with an example that a test holds against this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from core.ledger.rules import Place, Transfer

NOTHING = bytes(32)
"""What comes before the first batch, and before the first seal."""

FORM = 2
"""The form in which new batches write their rows. Form 1 names ledger accounts by number and no reference."""

BLOCK = 1000
"""Rows are hashed in blocks of so many, so that no reader has to hold a whole day of trades at once."""

FORMAT = "carbon-registry-ledger/1"
MANIFEST, BATCHES, SEALS, KEYS, PLACES = "manifest.json", "batches.jsonl", "seals.jsonl", "keys.jsonl", "places.jsonl"
"""The files of an export."""

Watch = Callable[[int, int], None]
"""Is told how many of how many batches are done."""


def line_of(transfer: Transfer, market_day: date) -> bytes:
    """Write a transfer as a row of form 2; free text stands behind its length in bytes and a colon."""
    debit, credit = transfer.debit, transfer.credit
    places = f"{debit.owner}|{debit.bucket}|{credit.owner}|{credit.bucket}"
    fixed = f"{places}|{debit.asset}|{transfer.amount}|{transfer.type}|{market_day.isoformat()}"
    free = f"{_measured(transfer.reference)}|{_measured(transfer.reverses or '')}"
    return f"{_measured(transfer.id)}|{fixed}|{free}\n".encode()


def _measured(text: str) -> str:
    return f"{len(text.encode())}:{text}"


def read_line(line: bytes) -> tuple[Transfer, date]:
    """Read a row of form 2; ValueError when it is none."""
    number, rest = _free(line)
    *fixed, tail = rest.split(b"|", 8)
    reference, rest = _free(tail)
    reverses, end = _free(rest)
    if len(fixed) != 8 or end:
        raise ValueError("fields are missing, or there are too many")
    giver, giver_bucket, taker, taker_bucket, asset, amount, kind, day = (field.decode() for field in fixed)
    debit, credit = Place(giver, asset, giver_bucket), Place(taker, asset, taker_bucket)
    transfer = Transfer(number, debit, credit, int(amount), kind, reference, reverses or None)
    market_day = date.fromisoformat(day)
    if line_of(transfer, market_day) != line:
        raise ValueError("it is written in another way than rows are")
    return transfer, market_day


def _free(content: bytes) -> tuple[str, bytes]:
    """Split off a text that stands behind its length, with the mark after it."""
    size, _, rest = content.partition(b":")
    end = int(size)
    if rest[end : end + 1] not in {b"|", b"\n"}:
        raise ValueError("a text is not as long as it says")
    return rest[:end].decode(), rest[end + 1 :]


def read_line_of_form_1(line: bytes) -> tuple[str, int, int, str, int]:
    """Read id, giving and receiving ledger account, asset and amount of a row of form 1; ValueError for anything else.

    Nothing but the id is free text there, and it stands first.
    """
    number, debit, credit, asset, amount, _, _ = line.decode().rsplit("|", 6)
    return number, int(debit), int(credit), asset, int(amount)


class RowsHash:
    """Hashes the rows of one batch, in their order, as its form wants it."""

    def __init__(self, form: int) -> None:
        self._form = form
        self._whole = hashlib.sha256()
        self._block = hashlib.sha256()
        self.count = 0

    def add(self, line: bytes) -> None:
        """Take in the next row, its line feed included."""
        if self._form == 1:
            self._whole.update(line)
        else:
            if self.count and self.count % BLOCK == 0:
                self._whole.update(self._block.digest())
                self._block = hashlib.sha256()
            self._block.update(line)
        self.count += 1

    def digest(self) -> bytes:
        """Return the hash of all rows; nothing may be added afterwards."""
        if self._form != 1 and self.count:
            self._whole.update(self._block.digest())
        return self._whole.digest()


def rows_hash(lines: Iterable[bytes], *, form: int = FORM) -> bytes:
    """Hash the rows of one batch."""
    hashed = RowsHash(form)
    for line in lines:
        hashed.add(line)
    return hashed.digest()


def chained(previous: bytes, rows: bytes) -> bytes:
    """Return the hash of a batch from the one before it and the hash of its rows."""
    return hashlib.sha256(previous + rows).digest()


@dataclass(frozen=True, slots=True)
class Seal:
    """The chain at the end of a market day: batches ``first_seq`` to ``last_seq`` are this seal's."""

    day: date
    number: int
    first_seq: int
    last_seq: int
    chain_hash: bytes
    previous: bytes
    hash: bytes
    key_id: str | None = None
    signature: bytes | None = None

    @property
    def text(self) -> bytes:
        """What is hashed."""
        named = f"seal|{self.day.isoformat()}|{self.last_seq}"
        return f"{named}|{self.chain_hash.hex()}|{self.previous.hex()}\n".encode()

    @property
    def computed(self) -> bytes:
        """The hash that the seal must have."""
        return hashlib.sha256(self.text).digest()
