"""Cash that changes hands outside the market: the banks of both sides must move it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from core.outbox import store

CASH_MOVE = "cash_move"
"""Topic of the outbox row; the reference becomes part of the message id at the banks."""


@dataclass(frozen=True, slots=True)
class CashMove:
    """Fen that go from one account to another, each at its bank."""

    giver: str
    giver_bank: str
    taker: str
    taker_bank: str
    fen: int


def ask_banks(connection: Connection, reference: str, moves: Sequence[CashMove]) -> None:
    """Have the banks follow what the ledger has booked in this transaction."""
    nets: dict[str, dict[str, int]] = {}
    for move in moves:
        for bank, account, fen in (
            (move.giver_bank, move.giver, -move.fen),
            (move.taker_bank, move.taker, move.fen),
        ):
            of_bank = nets.setdefault(bank, {})
            of_bank[account] = of_bank.get(account, 0) + fen
    for bank, accounts in sorted(nets.items()):
        movements = [[account, fen] for account, fen in sorted(accounts.items()) if fen]
        if movements:
            store.put(connection, CASH_MOVE, f"{reference}:{bank}:1", payload_of(bank, movements, attempt=1))


def payload_of(bank: str, movements: Sequence[Sequence[Any]], *, attempt: int) -> Mapping[str, Any]:
    """Word the row for one bank; a bank that said no is asked again under a new attempt."""
    return {"bank": bank, "movements": [list(movement) for movement in movements], "attempt": attempt}
