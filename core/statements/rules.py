"""A statement: what an account held before the day, each booking, what it held after, and which serial numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.quantities import CASH


@dataclass(frozen=True, slots=True)
class Balance:
    """What one bucket held before the day's first booking and after its last; tonnes, or fen."""

    asset: str
    bucket: str
    opening: int
    closing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One booking as the account's owner sees it; ``change`` is negative where something left the bucket."""

    place: str
    """Batch and position in the ledger's chain, which name the booking to an auditor."""
    type: str
    asset: str
    bucket: str
    change: int
    balance: int
    """Of the bucket, after this booking."""
    other: str
    reference: str


@dataclass(frozen=True, slots=True)
class Serials:
    """A run of serial numbers held at the end of the day, both ends included."""

    first: str
    last: str
    tonnes: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One account on one market day."""

    account: str
    name: str
    day: date
    balances: Sequence[Balance]
    bookings: Sequence[Booking]
    serials: Sequence[Serials]

    @property
    def body(self) -> dict[str, Any]:
        """The statement as callers read it."""
        return {
            "account": self.account,
            "name": self.name,
            "day": self.day.isoformat(),
            "balances": [
                {"asset": b.asset, "bucket": b.bucket, "opening": b.opening, "closing": b.closing}
                for b in self.balances
            ],
            "bookings": [
                {
                    "place": b.place,
                    "type": b.type,
                    "asset": b.asset,
                    "bucket": b.bucket,
                    "change": b.change,
                    "balance": b.balance,
                    "other_account": b.other,
                    "reference": b.reference,
                }
                for b in self.bookings
            ],
            "serials": [{"first": s.first, "last": s.last, "tonnes": s.tonnes} for s in self.serials],
        }


def amount_text(asset: str, amount: int) -> str:
    """Write tonnes with separators, and fen as yuan with two decimals; no float comes near it."""
    if asset != CASH:
        return f"{amount:,}"
    sign, fen = ("-" if amount < 0 else ""), abs(amount)
    return f"{sign}{fen // 100:,}.{fen % 100:02d}"
