"""What a comparison of ledger and units found, and what closing a break must satisfy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from core.clock.rules import shown
from core.ledger.rules import SYSTEM_OWNERS
from core.refusals import Reason, Refused
from core.texts import is_plain_text

OPEN, EXPLAINED, CLOSED = "OPEN", "EXPLAINED", "CLOSED"
STATES = (OPEN, EXPLAINED, CLOSED)

TOTAL, ACCOUNT = "total", "account"

OPERATORS = "operators"
"""Who looks after a break that nobody has explained yet."""

SIDES = ("ledger", "units")


@dataclass(frozen=True, slots=True)
class Finding:
    """A holding, or the total of an asset, on which the two accountings say different things."""

    level: str
    account: str
    """Empty for a total."""
    asset: str
    ledger: int
    units: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What two findings of the same difference share."""
        return self.level, self.account, self.asset

    @property
    def body(self) -> dict[str, Any]:
        """The finding as people read it."""
        return {
            "level": self.level,
            "account": self.account or None,
            "asset": self.asset,
            "ledger": self.ledger,
            "units": self.units,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two accountings side by side at one moment."""

    totals: Mapping[str, Mapping[str, int]]
    """By asset what each has outside issuance."""
    holdings: int
    findings: Sequence[Finding]
    """Totals first, then accounts."""


@dataclass(frozen=True, slots=True)
class Break:
    """A finding that was kept, until two people close it."""

    number: int
    run: int
    level: str
    account: str
    asset: str
    expected: int
    """The ledger's figure when it was last looked at."""
    actual: int
    """The units' figure."""
    located: Sequence[Mapping[str, Any]]
    owner: str
    state: str
    opened_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """What a finding of the same difference has too."""
        return self.level, self.account, self.asset

    @property
    def body(self) -> dict[str, Any]:
        """The break as callers read it."""
        return {
            "number": self.number,
            "run": self.run,
            "level": self.level,
            "account": self.account or None,
            "asset": self.asset,
            "expected": self.expected,
            "actual": self.actual,
            "located": [dict(place) for place in self.located],
            "owner": self.owner,
            "state": self.state,
            "opened_at": shown(self.opened_at),
        }


@dataclass(frozen=True, slots=True)
class Correction:
    """The entry that one of the two accountings lacks, between the account and another one."""

    side: str
    other: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A correction with its direction: from giver to taker in one accounting only."""

    side: str
    giver: str
    taker: str
    tonnes: int


@dataclass(frozen=True, slots=True)
class Closing:
    """How somebody explains a break and wants it closed."""

    number: int
    explanation: str
    correction: Correction | None


def read_closing(body: Mapping[str, Any]) -> Closing | Refused:
    """Read a proposal to close a break, or what a task kept of it."""
    number, explanation, correction = body.get("break"), body.get("explanation"), body.get("correction")
    if not is_plain_text(explanation, 500):
        return Refused(Reason.MALFORMED, "explanation: say in words what went wrong.")
    if correction is None:
        return Closing(int(str(number)), explanation, None)
    if not isinstance(correction, Mapping) or correction.get("side") not in SIDES:
        return Refused(Reason.MALFORMED, f"correction.side: {' or '.join(SIDES)}, the one that lacks the entry.")
    if not is_plain_text(correction.get("other_account"), 40):
        return Refused(Reason.MALFORMED, "correction.other_account: the other account of the entry.")
    return Closing(int(str(number)), explanation, Correction(correction["side"], correction["other_account"]))


def in_state(found: Break | None, state: str) -> Break | Refused:
    """Return a break that can be explained or closed; refused is one that is not there, or not in that state."""
    if found is None:
        return Refused(Reason.BREAK_UNKNOWN)
    if found.state != state:
        return Refused(Reason.BREAK_STATE, f"It is {found.state}.")
    return found


def entry_of(correction: Correction, now: Finding | None) -> Entry | Refused:
    """Work out the correcting entry from the difference as it is now."""
    if now is None or now.level != ACCOUNT:
        return Refused(Reason.CORRECTION_IMPOSSIBLE, "There is no difference of an account to correct.")
    if correction.other == now.account:
        return Refused(Reason.CORRECTION_IMPOSSIBLE, "An entry has two accounts.")
    surplus = now.ledger - now.units if correction.side == "ledger" else now.units - now.ledger
    if surplus > 0:  # this side says too much of the account, so the account gives
        return Entry(correction.side, now.account, correction.other, surplus)
    return Entry(correction.side, correction.other, now.account, -surplus)


def is_stoppable(account: str) -> bool:
    """Tell whether a break stops the account: the registry's own accounts stop with their counterparts."""
    return bool(account) and account not in SYSTEM_OWNERS


def why_stopped(number: int) -> str:
    """Say on the account why it is stopped."""
    return f"Ledger and units disagree: break {number}."


def placed(where: str, **facts: object) -> dict[str, Any]:
    """Say where two records part."""
    return {"place": where, **{name: str(fact) if isinstance(fact, date) else fact for name, fact in facts.items()}}
