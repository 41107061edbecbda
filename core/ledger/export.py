"""Writes the chain, its seals and the public keys into files that anybody can verify without a database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from core.ledger import chain
from core.ledger.canonical import BATCHES, BLOCK, FORMAT, KEYS, MANIFEST, NOTHING, PLACES, SEALS, Seal, Watch
from core.ledger.seals import store as seals

# The chain grows while it is written: balances and batches are those of one moment.
SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
ALL_PLACES = text("SELECT id, owner, asset, bucket, balance FROM ledger_account ORDER BY id")


class NoSealError(Exception):
    """A day that bounds the export is not sealed."""


@dataclass(frozen=True, slots=True)
class Span:
    """From the first batch of one seal to the last batch of another; None: from the beginning, to the end."""

    since: date | None = None
    until: date | None = None


def write(connection: Connection, folder: Path, span: Span, watch: Watch | None = None) -> dict[str, Any]:
    """Write the files; the manifest comes last, so that an export cut short is none. Returns the manifest.

    The transaction must have read nothing yet: all of it is of one moment.
    """
    connection.execute(SNAPSHOT)
    every = seals.every(connection)
    first, last, sealed = _bounds(every, span, chain.length(connection))
    previous = NOTHING if first == 1 else chain.hash_of(connection, first - 1) or NOTHING
    transfers = _write_batches(connection, folder / BATCHES, first, last, watch)
    _write_lines(folder / SEALS, (seal_document(seal) for seal in sealed))
    keys = seals.keys(connection)
    _write_lines(folder / KEYS, ({"id": name, "public_key": key.hex()} for name, key in keys.items()))
    whole = first == 1 and span.until is None
    _write_lines(folder / PLACES, _places(connection, with_balance=whole))
    manifest = {
        "format": FORMAT,
        "first_seq": first,
        "last_seq": last,
        "previous_hash": previous.hex(),
        "transfers": transfers,
        "seals": len(sealed),
        "whole": whole,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _bounds(every: list[Seal], span: Span, length: int) -> tuple[int, int, list[Seal]]:
    by_day = {seal.day: seal for seal in every}
    for day in (span.since, span.until):
        if day is not None and day not in by_day:
            raise NoSealError(f"{day} is not sealed.")
    first = by_day[span.since].first_seq if span.since is not None else 1
    if span.until is None:
        return first, length, every
    until = by_day[span.until]
    if until.last_seq < first - 1:
        raise NoSealError(f"{span.until} was sealed before {span.since}.")
    return first, until.last_seq, every[: until.number]


def _write_batches(connection: Connection, path: Path, first: int, last: int, watch: Watch | None) -> int:
    transfers = 0
    with path.open("w", encoding="utf-8") as file:
        for head in chain.heads(connection, first, last):
            facts = {"seq": head.seq, "form": head.form, "market_day": head.market_day.isoformat()}
            _write_line(file, facts | {"transfers": head.transfers, "hash": head.hash.hex()})
            lines = chain.lines(connection, head.batch)
            while rows := list(islice(lines, BLOCK)):
                _write_line(file, {"seq": head.seq, "rows": [row.decode().removesuffix("\n") for row in rows]})
            transfers += head.transfers
            if watch is not None:
                watch(head.seq - first + 1, last - first + 1)
    return transfers


def _places(connection: Connection, *, with_balance: bool) -> Iterable[Mapping[str, Any]]:
    for row in connection.execute(ALL_PLACES).mappings():
        yield {name: value for name, value in row.items() if with_balance or name != "balance"}


def seal_document(seal: Seal) -> dict[str, Any]:
    """Return a seal as JSON would, bytes in hex."""
    return {
        "day": seal.day.isoformat(),
        "number": seal.number,
        "first_seq": seal.first_seq,
        "last_seq": seal.last_seq,
        "chain_hash": seal.chain_hash.hex(),
        "previous": seal.previous.hex(),
        "hash": seal.hash.hex(),
        "key_id": seal.key_id,
        "signature": None if seal.signature is None else seal.signature.hex(),
    }


def _write_lines(path: Path, documents: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            _write_line(file, document)


def _write_line(file: Any, document: Mapping[str, Any]) -> None:
    file.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
