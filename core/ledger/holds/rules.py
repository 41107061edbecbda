"""What a hold is, how it may end, and what its transfers are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from core.ledger.rules import AVAILABLE, HOLD_BUCKETS, Place, Transfer, is_amount
from core.refusals import Reason, Refused

PENDING, POSTED, VOIDED, EXPIRED = "PENDING", "POSTED", "VOIDED", "EXPIRED"

GIVEN_BACK = {POSTED: "HOLD_REST", VOIDED: "HOLD_VOID", EXPIRED: "HOLD_EXPIRE"}
"""Type of the transfer that gives back what was not posted."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An amount set aside, and how it ended if it did."""

    id: str
    source: Place
    bucket: str
    amount: int
    expires_at: datetime | None
    """Business time from which it can no longer be posted; None: never."""
    reference: str
    market_day: date
    kind: str = ""
    """What it is for: begins the types of its transfers, so that a statement says so."""
    state: str = PENDING
    posted: int = 0
    resolved_on: date | None = None

    def __post_init__(self) -> None:
        if self.bucket not in HOLD_BUCKETS or self.source.bucket != AVAILABLE:
            raise ValueError(f"an amount is set aside from what is available, got {self.source} and {self.bucket}")

    @property
    def held(self) -> Place:
        """Where it is set aside."""
        return Place(self.source.owner, self.source.asset, self.bucket)

    @property
    def booking(self) -> Transfer:
        """The transfer that sets it aside."""
        return Transfer(
            f"hold:{self.id}", self.source, self.held, self.amount, type_of(self.kind, "HOLD"), self.reference
        )

    def is_same_as(self, other: Hold) -> bool:
        """Tell whether another hold asks for the same, on whatever day and however it stands."""
        return replace(self, state=PENDING, posted=0, resolved_on=None, market_day=other.market_day) == other


@dataclass(frozen=True, slots=True)
class End:
    """How a hold ends: how much of it goes on, and the transfers that say so."""

    hold: Hold
    state: str
    posted: int = 0
    on: Transfer | None = None
    back: Transfer | None = None

    @property
    def transfers(self) -> list[Transfer]:
        """What is booked for it."""
        return [transfer for transfer in (self.on, self.back) if transfer is not None]


def type_of(kind: str, act: str) -> str:
    """Name the type of a hold's transfer."""
    return f"{kind}_{act}" if kind else act


def refuse_posting(found: Hold, posted: int, now: datetime) -> Refused | None:
    """Refuse to take a hold on that is over in time, or more of it than there is."""
    if found.expires_at is not None and found.expires_at <= now:
        return Refused(Reason.HOLD_EXPIRED, f"{found.id} was over at {found.expires_at.isoformat()}.")
    if not is_amount(posted) or posted > found.amount:
        return Refused(Reason.QUANTITY_INVALID, f"1 to {found.amount}.")
    return None


def post(found: Hold, to: Place, posted: int, *, kind: str | None = None) -> End:
    """Say how a hold ends by which ``posted`` of it goes on; the rest goes back. ``kind`` is the posting's type."""
    on = Transfer(f"hold-post:{found.id}", found.held, to, posted, kind or found.kind or "HOLD_POST", found.reference)
    return End(found, POSTED, posted, on, _back(found, found.amount - posted, POSTED))


def give_back(found: Hold, state: str) -> End:
    """Say how a hold ends of which nothing goes on."""
    return End(found, state, back=_back(found, found.amount, state))


def _back(found: Hold, rest: int, state: str) -> Transfer | None:
    if not rest:
        return None
    kind = type_of(found.kind, GIVEN_BACK[state])
    return Transfer(f"hold-void:{found.id}", found.held, found.source, rest, kind, found.reference)
