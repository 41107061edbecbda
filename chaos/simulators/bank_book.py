"""A settlement bank's own books: sub-ledgers, holds and notices, kept in a journal that a restart reads back."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUB_LEDGER = re.compile(r"[EIP][0-9]{2}-[0-9]{8}-[0-9]{2}")
"""What an account at this bank looks like; money for anything else has no home."""

UNKNOWN_DEBTOR, UNKNOWN_CREDITOR, TOO_LITTLE = "AC02", "AC03", "AM04"
"""ISO reason codes: debtor account invalid, creditor account invalid, insufficient funds."""


class ContradictionError(Exception):
    """A message id came again with other content."""


@dataclass(slots=True)
class Order:
    """A payment order as it was answered; ``refused`` names accounts with a reason code."""

    digest: str
    movements: list[tuple[str, int]]
    refused: dict[str, str]
    released: bool = False


@dataclass(slots=True)
class Deposit:
    """Money that came in. ``state``: credited here, then notified (the registry has it) or reversed (it cannot)."""

    at: str
    entries: list[tuple[str, int]]
    state: str = "credited"
    answer: Any = None


class Book:
    """Balances of one bank. Every change is in the journal, and on the disk, before it is answered."""

    def __init__(self, journal: Path) -> None:
        self._lock = threading.RLock()
        self.balances: dict[str, int] = {}
        self.total = 0
        self.orders: dict[str, Order] = {}
        self.deposits: dict[str, Deposit] = {}
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.touch()
        self._read_back(journal)
        self._journal = journal.open("ab")

    def _read_back(self, journal: Path) -> None:
        whole = 0
        with journal.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # the power went while it was written: nobody was answered
                self._apply(json.loads(line))
                whole += len(line)
        os.truncate(journal, whole)

    def _record(self, event: dict[str, Any]) -> None:
        self._journal.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        kind, name = event["event"], event.get("id", "")
        if kind == "deposit":
            self.deposits[name] = Deposit(event["at"], [(a, fen) for a, fen in event["entries"]])
            self._credit(self.deposits[name].entries)
        elif kind == "order":
            movements = [(account, fen) for account, fen in event["movements"]]
            self.orders[name] = Order(event["digest"], movements, event["refused"])
        elif kind == "released":
            self.orders[name].released = True
            self._credit(self.orders[name].movements)
        elif kind in {"notified", "reversed"}:
            deposit = self.deposits[name]
            deposit.state, deposit.answer = kind, event["answer"]
            if kind == "reversed":
                self._credit([(account, -fen) for account, fen in deposit.entries])
        elif kind == "adjusted":
            self._credit([(event["account"], event["amount_fen"])])

    def _credit(self, entries: list[tuple[str, int]]) -> None:
        for account, fen in entries:
            self.balances[account] = self.balances.get(account, 0) + fen
            self.total += fen

    def deposit(self, name: str, entries: list[tuple[str, int]], *, at: str) -> Deposit:
        """Credit what came in, once for each message id."""
        with self._lock:
            known = self.deposits.get(name)
            if known is None:
                self._record({"event": "deposit", "id": name, "at": at, "entries": entries})
            elif known.entries != entries:
                raise ContradictionError(f"deposit {name} came before with other entries")
            return self.deposits[name]

    def close_deposit(self, name: str, *, notified: bool, answer: object) -> None:
        """Keep what the registry said to the notice: it is booked there, or the money goes back."""
        with self._lock:
            self._record({"event": "notified" if notified else "reversed", "id": name, "answer": answer})

    def open_notices(self) -> list[tuple[str, Deposit]]:
        """Return the deposits that the registry has not answered."""
        with self._lock:
            return [(name, deposit) for name, deposit in self.deposits.items() if deposit.state == "credited"]

    def order(self, name: str, digest: str, movements: list[tuple[str, int]]) -> Order:
        """Check a payment order and hold all of it, or refuse it and hold nothing; the same id is answered alike."""
        with self._lock:
            known = self.orders.get(name)
            if known is None:
                refused = self._refused(movements)
                self._record(
                    {"event": "order", "id": name, "digest": digest, "movements": movements, "refused": refused}
                )
            elif known.digest != digest:
                raise ContradictionError(f"message {name} came before with other content")
            return self.orders[name]

    def _refused(self, movements: list[tuple[str, int]]) -> dict[str, str]:
        refused: dict[str, str] = {}
        held = self._held()
        for account, fen in movements:
            if fen >= 0:
                if not SUB_LEDGER.fullmatch(account):
                    refused[account] = UNKNOWN_CREDITOR
            elif account not in self.balances:
                refused[account] = UNKNOWN_DEBTOR
            elif self.balances[account] - held.get(account, 0) + fen < 0:
                refused[account] = TOO_LITTLE
        return refused

    def _held(self) -> dict[str, int]:
        """Add up what waiting orders will take from each account."""
        held: dict[str, int] = {}
        for order in self.orders.values():
            for account, fen in () if order.released or order.refused else order.movements:
                held[account] = held.get(account, 0) + max(0, -fen)
        return held

    def release(self, name: str) -> bool:
        """Make a held order final, once; False when nothing is held under this id."""
        with self._lock:
            order = self.orders.get(name)
            if order is None or order.refused:
                return False
            if not order.released:
                self._record({"event": "released", "id": name})
            return True

    def adjust(self, account: str, fen: int) -> None:
        """Change a sub-ledger behind everybody's back: the mistake that a reconciliation has to find."""
        with self._lock:
            self._record({"event": "adjusted", "account": account, "amount_fen": fen})

    def close(self) -> None:
        """Close the journal; everything answered is in it."""
        self._journal.close()

    def snapshot(self) -> tuple[int, dict[str, int]]:
        """Return the special account's total and every sub-ledger."""
        with self._lock:
            return self.total, dict(self.balances)
