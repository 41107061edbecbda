"""What a transfer is and what every transfer must satisfy, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from core.quantities import CASH, MAX_AMOUNT
from core.refusals import Reason, Refused

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

HOLD_BUCKETS = frozenset({LOCKED, PLEDGED, FROZEN, PENDING_SURRENDER, RESTRICTED})
"""Where an amount that is available can be set aside."""


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
    reverses: str | None = None
    """The transfer that this one takes back: whole, and nothing is taken back twice."""

    def __post_init__(self) -> None:
        if not is_amount(self.amount):
            raise ValueError(f"a transfer moves a positive whole amount, got {self.amount!r}")
        if self.debit.asset != self.credit.asset:
            raise ValueError(f"a transfer moves one asset, got {self.debit.asset} and {self.credit.asset}")
        if self.debit == self.credit:
            raise ValueError(f"a transfer has two sides, got {self.debit} twice")

    def mirror(self, number: str, *, kind: str, reference: str) -> Transfer:
        """Return the transfer that takes this one back."""
        return Transfer(number, self.credit, self.debit, self.amount, kind, reference, self.id)


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


def refuse_overflow(balances: Mapping[Place, int], deltas: Mapping[Place, int]) -> Refused | None:
    """Refuse what would make a balance, even an overdrawn one, a number that the ledger cannot write.

    As the counter-accounts of the outside world bear the sum of all others, this bounds every sum of balances too.
    """
    for place, delta in sorted(deltas.items(), key=lambda item: (item[0].owner, item[0].asset, item[0].bucket)):
        if abs(balances[place] + delta) > MAX_AMOUNT:
            return Refused(Reason.QUANTITY_INVALID, f"{place.owner}: more {place.asset} than the ledger can write.")
    return None


def refuse_shortage(balances: Mapping[Place, int], deltas: Mapping[Place, int]) -> Refused | None:
    """Refuse what would make a balance negative that may not be."""
    for place, delta in sorted(deltas.items(), key=lambda item: (item[0].owner, item[0].asset, item[0].bucket)):
        if delta < 0 and balances[place] + delta < 0 and not place.may_overdraw:
            reason = Reason.INSUFFICIENT_CASH if place.asset == CASH else Reason.INSUFFICIENT_UNITS
            return Refused(reason, f"{place.owner}, {place.bucket}: {balances[place]}.")
    return None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A transfer that is booked, and what stands in the way of reversing it."""

    transfer: Transfer
    reversed_by: str | None
    of_hold: bool
    """It set an amount aside or took it back: the hold says what becomes of it."""


def refuse_reversal(number: str, recorded: Recorded | None) -> Refused | None:
    """Refuse to reverse what is not there, what is a reversal itself, and what was reversed before."""
    if recorded is None:
        return Refused(Reason.TRANSFER_UNKNOWN, number)
    if recorded.transfer.reverses is not None or recorded.of_hold:
        return Refused(Reason.NOT_REVERSIBLE, number)
    if recorded.reversed_by is not None:
        return Refused(Reason.TRANSFER_REVERSED, f"{number} by {recorded.reversed_by}")
    return None
