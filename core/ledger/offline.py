"""Verifies an exported ledger from its files alone: every hash, every seal, every balance."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from core.ledger.canonical import (
    BATCHES,
    FORMAT,
    KEYS,
    MANIFEST,
    PLACES,
    SEALS,
    RowsHash,
    Seal,
    Watch,
    chained,
    read_line,
    read_line_of_form_1,
)
from core.ledger.seals.rules import judge

Name = tuple[str, str, str]
"""Owner, asset and bucket of a ledger account."""


class NoExportError(Exception):
    """There is no export where one was to be verified."""


class _WrongError(Exception):
    """The first thing that is not as it must be; what comes after it proves nothing."""


@dataclass(slots=True)
class Findings:
    """What verification found; nothing wrong is an empty list."""

    wrong: list[str] = field(default_factory=list)
    batches: int = 0
    transfers: int = 0
    seals: int = 0
    unsigned: int = 0
    unsealed: int = 0
    """Batches after the last seal."""
    last_seal: str | None = None
    """Compare it with the one that was published: files alone cannot tell that their end was cut off."""
    balances_compared: bool = False


def verify(folder: Path, *, trusted_key: bytes | None = None, watch: Watch | None = None) -> Findings:
    """Recompute everything; ``trusted_key`` is the only public key whose signatures count.

    NoExportError when the files are not there.
    """
    found = Findings()
    try:
        manifest = _document((folder / MANIFEST).read_text(encoding="utf-8"), MANIFEST)
        _verify(folder, manifest, found, trusted_key, watch)
    except OSError as error:
        raise NoExportError(f"{folder} holds no whole export: {error.strerror}: {error.filename}") from error
    except UnicodeDecodeError as error:
        found.wrong.append(f"a file is not UTF-8: {error}")
    except _WrongError as error:
        found.wrong.append(str(error))
    return found


def _verify(
    folder: Path, manifest: Mapping[str, Any], found: Findings, trusted_key: bytes | None, watch: Watch | None
) -> None:
    if manifest.get("format") != FORMAT:
        raise _WrongError(f"{MANIFEST} is not of the format {FORMAT}")
    with _reading(MANIFEST):
        first, last = int(manifest["first_seq"]), int(manifest["last_seq"])
        previous = bytes.fromhex(manifest["previous_hash"])
    keys = _keys(folder)
    with _reading(SEALS):
        seals = [_seal(document) for _, document in _documents(folder / SEALS)]
    if trusted_key is not None:
        keys = {name: key for name, key in keys.items() if key == trusted_key}
    chain = _Chain(folder, first, last, previous, {seal.last_seq for seal in seals}, found)
    chain.run(watch)
    for seal in judge(seals, keys, chain.hashes, since=first - 1):
        found.wrong.append(f"seal {seal.number} of {seal.day}: {seal.why}")
        break
    found.seals, found.unsigned = len(seals), sum(seal.signature is None for seal in seals)
    if trusted_key is not None and found.unsigned and not found.wrong:
        found.wrong.append(f"{found.unsigned} seals are not signed")
    found.last_seal = seals[-1].hash.hex() if seals else None
    found.unsealed = last - max((seal.last_seq for seal in seals), default=0)
    if manifest.get("whole") is True and not found.wrong:
        chain.compare_balances()


class _Chain:
    """Reads the batches once, from the first to the last."""

    def __init__(self, folder: Path, first: int, last: int, previous: bytes, ends: set[int], found: Findings) -> None:
        self._folder, self._first, self._last = folder, first, last
        self._ends = ends
        self._found = found
        self._sums: defaultdict[Name, int] = defaultdict(int)
        self._places: dict[int, dict[str, Any]] = {}
        self._hash = previous
        self.hashes = {first - 1: previous}
        """Of the batches with which seals end."""

    def run(self, watch: Watch | None) -> None:
        with _reading(PLACES):
            self._places = {int(place["id"]): place for _, place in _documents(self._folder / PLACES)}
        head: dict[str, Any] | None = None
        hashed = RowsHash(2)
        seq = self._first - 1
        for number, document in _documents(self._folder / BATCHES):
            if "rows" in document:
                if head is None or document.get("seq") != seq:
                    raise _WrongError(f"{BATCHES} line {number}: rows of no batch")
                self._add_rows(head, hashed, document["rows"])
                continue
            self._end(head, hashed)
            seq += 1
            if document.get("seq") != seq:
                raise _WrongError(f"batch {seq}: missing; batch {document.get('seq')} stands in its place")
            head, hashed = document, RowsHash(1 if document.get("form") == 1 else 2)
            if watch is not None:
                watch(seq - self._first + 1, self._last - self._first + 1)
        self._end(head, hashed)
        if seq != self._last:
            raise _WrongError(f"batch {seq + 1}: missing; the export goes to batch {self._last}")

    def _add_rows(self, head: Mapping[str, Any], hashed: RowsHash, rows: Any) -> None:
        for row in rows if isinstance(rows, list) else [rows]:
            try:
                line = f"{row}\n".encode()
                hashed.add(line)
                self._add(head, line)
            except (ValueError, KeyError) as error:
                raise _WrongError(f"batch {head['seq']}: row {hashed.count} cannot be read: {error}") from error

    def _add(self, head: Mapping[str, Any], line: bytes) -> None:
        if head.get("form") == 1:
            _, debit, credit, asset, amount = read_line_of_form_1(line)
            giver, taker = self._named(debit, asset), self._named(credit, asset)
        else:
            transfer, _ = read_line(line)
            giver, taker = ((place.owner, place.asset, place.bucket) for place in (transfer.debit, transfer.credit))
            amount = transfer.amount
        self._sums[giver] -= amount
        self._sums[taker] += amount
        self._found.transfers += 1

    def _named(self, number: int, asset: str) -> Name:
        place = self._places[number]
        return place["owner"], asset, place["bucket"]

    def _end(self, head: Mapping[str, Any] | None, hashed: RowsHash) -> None:
        if head is None:
            return
        seq = head["seq"]
        if hashed.count != head.get("transfers"):
            raise _WrongError(f"batch {seq}: {hashed.count} rows, not {head.get('transfers')}")
        self._hash = chained(self._hash, hashed.digest())
        if self._hash.hex() != head.get("hash"):
            raise _WrongError(f"batch {seq}: not what its hash says")
        if seq in self._ends:
            self.hashes[seq] = self._hash
        self._found.batches += 1

    def compare_balances(self) -> None:
        """Hold what the transfers add up to against the balances as they were exported."""
        for place in self._places.values():
            name = place["owner"], place["asset"], place["bucket"]
            if place.get("balance") != self._sums.pop(name, 0):
                raise _WrongError(f"balance {' '.join(name)}: not the sum of its transfers")
        beyond = next((name for name, total in self._sums.items() if total), None)
        if beyond is not None:
            raise _WrongError(f"balance {' '.join(beyond)}: not there")
        self._found.balances_compared = True


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say of which file a value is missing or not what it should be."""
    try:
        yield
    except UnicodeDecodeError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise _WrongError(f"{name} cannot be read: {error!r}") from error


def _keys(folder: Path) -> dict[str, bytes]:
    with _reading(KEYS):
        return {key["id"]: bytes.fromhex(key["public_key"]) for _, key in _documents(folder / KEYS)}


def _seal(document: Mapping[str, Any]) -> Seal:
    facts = dict(document)
    if any(type(facts[name]) is not int for name in ("number", "first_seq", "last_seq")):
        raise ValueError("a number is none")
    for name in ("chain_hash", "previous", "hash"):
        facts[name] = bytes.fromhex(facts[name])
    if facts["signature"] is not None:
        facts["signature"] = bytes.fromhex(facts["signature"])
    return Seal(**facts | {"day": date.fromisoformat(facts["day"])})


def _documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            yield number, _document(line, f"{path.name} line {number}")


def _document(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _WrongError(f"{where} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise _WrongError(f"{where} is no object")
    return found
