"""Goes from a difference down to the first record that is not like the others: a reference, a balance, a block."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from core.reconciliation import store
from core.reconciliation.rules import placed
from core.units.history import store as units_history

PLACES_MAX = 5
"""So many are named of each kind; the first is where to begin."""


def locate(connection: Connection, account: str, asset: str) -> list[dict[str, Any]]:
    """Say where ledger and units part for a holding, or without an account for a total; nothing when all agrees.

    A reference: transfers and changes of hands were booked differently under it. A balance: it is not what its
    transfers add up to. Blocks: they are not what the changes of hands add up to.
    """
    if not account:
        return _unowned(connection, asset)
    found = [
        placed("reference", reference=reference, ledger=ledger, units=units)
        for reference, ledger, units in _references(connection, account, asset)
    ]
    found += [
        placed("balance", bucket=bucket, balance=balance, transfers=transfers)
        for bucket, balance, transfers in store.drifted_of(connection, account, asset)[:PLACES_MAX]
    ]
    faults = [
        fault for fault in units_history.unreplayed(connection, account) if fault.serials.vintage.product == asset
    ]
    found += [
        placed("blocks", serials=fault.serials.body, tonnes=fault.serials.tonnes, said=str(fault))
        for fault in faults[:PLACES_MAX]
    ]
    return found


def _references(connection: Connection, account: str, asset: str) -> list[tuple[str, int, int]]:
    """Name references only while they do not add up: a correcting entry leaves its reference one-sided for good."""
    found = list(store.differing_references(connection, account, asset, limit=PLACES_MAX))
    sums = store.history_of(connection, account, asset)
    return found if sums[0] != sums[1] else []


def _unowned(connection: Connection, asset: str) -> list[dict[str, Any]]:
    """Say which serials were issued and are with nobody, or are with somebody and were never issued."""
    faults = [fault for fault in units_history.uncovered(connection) if fault.serials.vintage.product == asset]
    return [
        placed("blocks", serials=fault.serials.body, tonnes=fault.serials.tonnes, said=str(fault))
        for fault in faults[:PLACES_MAX]
    ]
