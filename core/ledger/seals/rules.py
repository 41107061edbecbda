"""Which seals follow from the one before, from the chain, and from their signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from core.ledger.canonical import NOTHING, Seal
from core.ledger.keys import is_signed, name_of_key


@dataclass(frozen=True, slots=True)
class WrongSeal:
    """A seal that is not what it must be, and why."""

    number: int
    day: date | None
    """None: the seal is not there."""
    why: str


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
