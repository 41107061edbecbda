"""What a pledge and a judicial freeze are, when they may be made, and how much of them may go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from core.ledger.rules import FROZEN, PLEDGED
from core.quantities import MAX_AMOUNT

PLEDGE, FREEZE = "PLEDGE", "FREEZE"

PROPOSED = "PROPOSED"
REJECTED = "REJECTED"
WAITING = "WAITING"
ACTIVE = "ACTIVE"
PART = "PART"
RELEASED = "RELEASED"
REALISED = "REALISED"

IN_FORCE = frozenset({WAITING, ACTIVE, PART})
"""States in which an encumbrance binds; WAITING holds nothing yet and ranks behind those that do."""

EVERYTHING = frozenset({"in", "out", "all"})
"""How an account is restricted by a freeze of all that it holds and will hold."""

_NAME = "ENC-"


@dataclass(frozen=True, slots=True)
class Encumbrance:
    """One pledge or freeze; its number is its rank."""

    number: int
    kind: str
    account: str
    asset: str | None
    """None for a freeze of everything, which restricts the account and has no amount."""
    amount: int | None
    everything: str | None
    creditor: str
    """The creditor of a pledge, the court of a freeze."""
    creditor_account: str | None
    document: str
    reference: str | None
    begins: date
    ends: date | None
    state: str
    held: int
    released: int
    taken: int

    @property
    def name(self) -> str:
        """The number as people see it."""
        return name_of(self.number)

    @property
    def bucket(self) -> str:
        """Where the ledger keeps what it holds, once it is in force."""
        return PLEDGED if self.kind == PLEDGE else FROZEN

    @property
    def outstanding(self) -> int:
        """What is still to be secured: held now, or waiting for units that come."""
        return 0 if self.amount is None else self.amount - self.released - self.taken

    @property
    def waiting(self) -> int:
        """What it has a claim to and could not take yet."""
        return self.outstanding - self.held

    @property
    def body(self) -> dict[str, Any]:
        """The encumbrance as callers read it."""
        return {
            "number": self.name,
            "kind": self.kind,
            "account": self.account,
            "asset": self.asset,
            "amount": self.amount,
            "everything": self.everything,
            "creditor": self.creditor,
            "creditor_account": self.creditor_account,
            "document": self.document,
            "reference": self.reference,
            "from_day": self.begins.isoformat(),
            "to_day": self.ends.isoformat() if self.ends is not None else None,
            "state": self.state,
            "held": self.held,
            "waiting": self.waiting if self.state in IN_FORCE else 0,
            "released": self.released,
            "taken": self.taken,
        }


def name_of(number: int) -> str:
    """Write an encumbrance's number as people see it."""
    return f"{_NAME}{number:08d}"


def number_of(name: object) -> int | None:
    """Read ``ENC-<eight digits>``; None when it is none."""
    if not isinstance(name, str) or not name.startswith(_NAME):
        return None
    digits = name.removeprefix(_NAME)
    return int(digits) if digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 18 else None


def changed(one: Encumbrance, *, held: int = 0, released: int = 0, taken: int = 0) -> Encumbrance:
    """Return an encumbrance in force after its figures changed by these amounts, in the state that they make."""
    after = replace(one, held=one.held + held, released=one.released + released, taken=one.taken + taken)
    return replace(after, state=_state_of(after))


def _state_of(one: Encumbrance) -> str:
    if one.everything is not None:
        return ACTIVE  # until it is lifted
    if one.outstanding == 0:
        return REALISED if one.taken else RELEASED
    if one.held == 0:
        return WAITING
    return PART if one.released or one.taken else ACTIVE


@dataclass(frozen=True, slots=True)
class Fill:
    """What a waiting freeze takes of units that became available."""

    encumbrance: Encumbrance
    amount: int


def fill(alive: Sequence[Encumbrance], *, free: int) -> list[Fill]:
    """Give what is free to the freezes that wait for it, the first in rank first.

    What a freeze that is still to be approved waits for stays free for it. Whoever ranks behind a freeze of everything
    gets nothing: all that comes belongs to that one.
    """
    made: list[Fill] = []
    for one in sorted(alive, key=lambda e: e.number):
        if one.kind != FREEZE:
            continue
        if one.everything is not None and one.state in IN_FORCE:
            break
        amount = max(0, min(one.waiting, free))
        if amount and one.state in IN_FORCE:
            made.append(Fill(one, amount))
        free -= amount
    return made


def awaited(alive: Sequence[Encumbrance]) -> int:
    """Add up what the freezes of one account and asset still wait for."""
    return sum(one.waiting for one in alive if one.kind == FREEZE)


LETS_GO = frozenset({"in"})
"""What a freeze of everything restricts that lets go on what only leaves the account, as a restriction does."""

LETS_COMPLY = frozenset({"in", "out"})
"""The same for complying, which a restriction of one direction does not stop."""


def claimed(alive: Sequence[Encumbrance], *, lets: Collection[str] = ()) -> int:
    """Return how much of one asset of an account courts have a claim to that is not held yet.

    A court's freeze goes first, whoever asks and what for, complying too: what it waits for is not free from the moment
    at which it is proposed, and not only once a worker has held it. A freeze of everything claims all there is, unless
    it restricts the account in a way that ``lets`` this go on.
    """
    if any(one.everything is not None and one.everything not in lets for one in alive):
        return MAX_AMOUNT
    return awaited(alive)


def free_of(balance: int, alive: Sequence[Encumbrance], *, lets: Collection[str] = ()) -> int:
    """Return what may be disposed of, out of what is available: what no court has an earlier claim to."""
    return max(0, balance - claimed(alive, lets=lets))


@dataclass(frozen=True, slots=True)
class Letting:
    """How a release divides: what leaves the bucket, and what is no longer waited for."""

    freed: int
    dropped: int


def let_go(one: Encumbrance, amount: int) -> Letting:
    """Release an amount: first what was only waited for, so that what stays secured stays held."""
    dropped = min(amount, one.waiting)
    return Letting(amount - dropped, dropped)
