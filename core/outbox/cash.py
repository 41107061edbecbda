"""Cash that changes hands outside the market: the banks of both sides must move it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from core.clock import store as clock
from core.clock.rules import market_time
from core.outbox import store
from core.outbox.store import Message

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
            ask(connection, f"{reference}:{bank}", {"bank": bank, "movements": movements, "attempt": 1})


def ask(connection: Connection, reference: str, order: Mapping[str, Any]) -> None:
    """Keep an order for one bank under a message id of its own; a repeat of it is the same to the byte."""
    now = market_time(clock.now(connection))
    named = {"message_id": f"MV-{uuid4().hex}", "created_at": now.isoformat(), "day": now.date().isoformat()}
    store.put(connection, CASH_MOVE, f"{reference}:{order['attempt']}", {**order, **named})


def ask_anew(connection: Connection, message: Message) -> None:
    """Ask a bank that said no under a new message id; the old order is over."""
    store.delivered(connection, message)
    payload = message.payload
    again = {"bank": payload["bank"], "movements": payload["movements"], "attempt": payload["attempt"] + 1}
    ask(connection, message.reference.rpartition(":")[0], again)
