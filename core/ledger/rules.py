"""What a transfer is and what every transfer must satisfy, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

from core.quantities import CASH, MAX_AMOUNT

ISSUANCE = "S00-00000001-53"
CLEARING = "S00-00000002-50"
SURRENDERED = "S00-00000003-47"
CANCELLED = "S00-00000004-44"
BANK = "S00-00000005-41"
RESERVE = "S00-00000006-38"
WITHHELD = "S00-00000007-35"

SYSTEM_OWNERS = frozenset({ISSUANCE, CLEARING, SURRENDERED, CANCELLED, BANK, RESERVE, WITHHELD})
"""The registry's own accounts, made by migrations; nobody opens or closes them."""

AVAILABLE = "available"
BOUGHT_TODAY = "bought_today"
LOCKED = "locked"
PLEDGED = "pledged"
FROZEN = "frozen"
PENDING_SURRENDER = "pending_surrender"
RESTRICTED = "restricted"
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger account by name: whose, of what, held how."""

    owner: str
    asset: str
    bucket: str

    @property
    def may_overdraw(self) -> bool:
        """True for the counter-accounts of the outside world: issuance for allowances, the banks for cash."""
        return self.bucket == SYSTEM and self.owner == (BANK if self.asset == CASH else ISSUANCE)


@dataclass(frozen=True, slots=True)
class Transfer:
    """``amount`` of one asset leaves ``debit`` and arrives at ``credit``."""

    id: str
    debit: Place
    credit: Place
    amount: int
    type: str
    reference: str

    def __post_init__(self) -> None:
        if not is_amount(self.amount):
            raise ValueError(f"a transfer moves a positive whole amount, got {self.amount!r}")
        if self.debit.asset != self.credit.asset:
            raise ValueError(f"a transfer moves one asset, got {self.debit.asset} and {self.credit.asset}")
        if self.debit == self.credit:
            raise ValueError(f"a transfer has two sides, got {self.debit} twice")


def place_of(owner: str, asset: str, bucket: str = AVAILABLE) -> Place:
    """Name the place where an owner holds an asset; the registry's own accounts know one bucket only."""
    return Place(owner, asset, SYSTEM if owner in SYSTEM_OWNERS else bucket)


def net(transfers: Iterable[Transfer]) -> dict[Place, int]:
    """Sum what the transfers do to each place; places that end even are there with zero."""
    sums: dict[Place, int] = {}
    for transfer in transfers:
        sums[transfer.debit] = sums.get(transfer.debit, 0) - transfer.amount
        sums[transfer.credit] = sums.get(transfer.credit, 0) + transfer.amount
    return sums


def is_amount(value: object) -> TypeGuard[int]:
    """Tell whether this is a positive whole number that the ledger can write; True and 1.0 are none."""
    return type(value) is int and 0 < value <= MAX_AMOUNT


def fits(balance: int, amount: int) -> bool:
    """Tell whether a balance can take in an amount and still be a number the ledger can write."""
    return balance + amount <= MAX_AMOUNT
