"""Seals: what the chain ended with on each market day, linked with one another and signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from core.db import counters
from core.ledger import chain
from core.ledger.canonical import NOTHING, Seal
from core.ledger.keys import SealingKey
from core.ledger.seals import store
from core.ledger.seals.rules import WrongSeal, judge


def seal_day(connection: Connection, day: date, key: SealingKey | None) -> Seal:
    """Seal every batch since the seal before, once: a day that is sealed already stays as it is.

    Without a key the seal is still linked with the one before, but nobody has signed it.
    """
    while chain.link_loose(connection):
        pass
    # All who write the ledger wait for the counter: what they commit later belongs to the seal after this one.
    last_seq = counters.hold(connection, "batch") - 1
    found = store.find(connection, day)
    if found is not None:
        return found
    before = store.newest(connection)
    made = Seal(
        day=day,
        number=counters.take(connection, "seal"),
        first_seq=1 if before is None else before.last_seq + 1,
        last_seq=last_seq,
        chain_hash=store.hashes(connection, [last_seq])[last_seq],
        previous=NOTHING if before is None else before.hash,
        hash=b"",
    )
    made = replace(made, hash=made.computed)
    if key is not None:
        store.insert_key(connection, key)
        made = replace(made, key_id=key.id, signature=key.sign(made.hash))
    store.insert(connection, made)
    return made


def wrong_seals(connection: Connection) -> list[WrongSeal]:
    """Recompute every seal from the one before it and from the chain as it stands."""
    found = store.every(connection)
    wrong = judge(found, store.keys(connection), store.hashes(connection, [seal.last_seq for seal in found]))
    missing = range(len(found) + 1, counters.taken(connection, "seal") + 1)
    return wrong + [WrongSeal(number, None, "it is missing") for number in missing]
