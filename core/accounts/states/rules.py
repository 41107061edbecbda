"""Which change of state may follow which state, and what a change means for trading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.accounts.rules import (
    CLOSED,
    CLOSURE_PENDING,
    EVERYTHING,
    INWARD,
    OPEN,
    OUTWARD,
    RESTRICTED,
    RESTRICTIONS,
    SUSPENDED,
    Account,
)
from core.refusals import Reason, Refused
from core.texts import is_plain_text


class Action(Enum):
    """What two people may do to an account's state."""

    RESTRICT = "restrict"
    UNRESTRICT = "unrestrict"
    SUSPEND = "suspend"
    RESUME = "resume"
    CLOSE = "close"


ALLOWED: Mapping[tuple[str, Action], str] = {
    (OPEN, Action.RESTRICT): RESTRICTED,
    (OPEN, Action.SUSPEND): SUSPENDED,
    (OPEN, Action.CLOSE): CLOSED,
    (RESTRICTED, Action.RESTRICT): RESTRICTED,
    (RESTRICTED, Action.UNRESTRICT): OPEN,
    (RESTRICTED, Action.SUSPEND): SUSPENDED,
    (RESTRICTED, Action.CLOSE): CLOSED,
    (SUSPENDED, Action.RESUME): OPEN,
    (SUSPENDED, Action.CLOSE): CLOSED,
}
"""What is not here is refused. A suspended account that was restricted before is so again when it is resumed."""

NOTHING = "none"
STOPS: Mapping[str, frozenset[str]] = {
    NOTHING: frozenset(),
    INWARD: frozenset({INWARD}),
    OUTWARD: frozenset({OUTWARD}),
    EVERYTHING: frozenset({INWARD, OUTWARD}),
}
"""Which directions each restriction stops."""


@dataclass(frozen=True, slots=True)
class Standing:
    """State and restriction of an account."""

    state: str
    restriction: str | None = None

    @classmethod
    def of(cls, account: Account) -> Standing:
        """Read them off an account."""
        return cls(account.state, account.restriction)

    @classmethod
    def decided(cls, account: Account) -> Standing:
        """Read off what was decided for an account, where that waits for the exchange; else what it is."""
        if account.pending_state is None:
            return cls.of(account)
        return cls(account.pending_state, account.pending_restriction)

    @property
    def effect(self) -> str:
        """What it means for the exchange: none, in, out or all."""
        if self.state == OPEN:
            return NOTHING
        return (self.restriction or EVERYTHING) if self.state == RESTRICTED else EVERYTHING


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state as asked for."""

    account: str
    action: Action
    reason: str
    restriction: str | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """The change as a task keeps it."""
        said = {"account": self.account, "action": self.action.value, "reason": self.reason}
        return said | ({"restriction": self.restriction} if self.restriction else {})


def read_change(body: Mapping[str, Any]) -> Change | Refused:
    """Read a change as proposed, or as a task kept it."""
    action, reason, restriction = body.get("action"), body.get("reason"), body.get("restriction")
    if action not in {known.value for known in Action}:
        return Refused(Reason.MALFORMED, f"action: {', '.join(known.value for known in Action)}.")
    if not is_plain_text(reason, 500):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    if action == Action.RESTRICT.value and restriction not in RESTRICTIONS:
        return Refused(Reason.MALFORMED, f"restriction: {', '.join(RESTRICTIONS)}.")
    if action != Action.RESTRICT.value and restriction is not None:
        return Refused(Reason.MALFORMED, "restriction: only where the action is restrict.")
    return Change(str(body.get("account")), Action(action), reason, restriction)


def decide(account: Account, change: Change) -> Standing | Refused:
    """Return where the change leads, or the first reason why it may not be."""
    before = Standing.of(account)
    if account.pending_state is not None or account.state == CLOSURE_PENDING:
        return Refused(Reason.STATE_CHANGE_PENDING, f"{account.pending_state or CLOSED} is on its way.")
    after = ALLOWED.get((account.state, change.action))
    if after is None:
        return Refused(Reason.STATE_CHANGE_FORBIDDEN, f"It is {account.state}.")
    following = _following(before, change, after)
    if following == before:
        return Refused(Reason.STATE_CHANGE_FORBIDDEN, f"It is restricted: {change.restriction}.")
    if following.state == CLOSED and account.stopped == EVERYTHING:
        return Refused(Reason.STATE_CHANGE_FORBIDDEN, "It is restricted: all. Have that lifted first.")
    return following


def _following(before: Standing, change: Change, after: str) -> Standing:
    if change.action is Action.RESTRICT:
        return Standing(RESTRICTED, change.restriction)
    if change.action is Action.SUSPEND:
        return Standing(SUSPENDED, before.restriction)
    if change.action is Action.RESUME and before.restriction is not None:
        return Standing(RESTRICTED, before.restriction)
    return Standing(after)


def must_know_before(before: Standing, after: Standing) -> bool:
    """Tell whether trading loses a direction: then the exchange is told before it takes effect."""
    return not STOPS[after.effect] <= STOPS[before.effect]


def must_know(before: Standing, after: Standing) -> bool:
    """Tell whether the change means anything to the exchange."""
    return before.effect != after.effect
