"""What may be wished about the people of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.accounts.rules import CLOSED, REJECTED, Account
from core.callers import RIGHTS
from core.refusals import Reason, Refused
from core.texts import is_plain_text

ACTIONS = ("add", "remove")


@dataclass(frozen=True, slots=True)
class Wish:
    """A right to be given to a login, or to be taken away."""

    account: str
    login: str
    right: str
    gives: bool

    @property
    def payload(self) -> dict[str, Any]:
        """The wish as a task keeps it."""
        action = "add" if self.gives else "remove"
        return {"account": self.account, "login": self.login, "right": self.right, "action": action}


def read_wish(body: Mapping[str, Any]) -> Wish | Refused:
    """Read a wish as proposed, or as a task kept it."""
    login, right, action = body.get("login"), body.get("right"), body.get("action")
    if not is_plain_text(login, 100) or login != login.strip():
        return Refused(Reason.MALFORMED, "login: the name of the person's token, without spaces around it.")
    if right not in RIGHTS:
        return Refused(Reason.MALFORMED, f"right: {', '.join(RIGHTS)}.")
    if action not in ACTIONS:
        return Refused(Reason.MALFORMED, f"action: {', '.join(ACTIONS)}.")
    return Wish(str(body.get("account")), login, right, action == "add")


def decide(account: Account, wish: Wish, *, has: bool) -> Refused | None:
    """Refuse a wish for the first reason there is; ``has``: the login has the right now."""
    if account.state in {CLOSED, REJECTED} and wish.gives:
        return Refused(Reason.STATE_CHANGE_FORBIDDEN, f"It is {account.state}.")
    if wish.gives and has:
        return Refused(Reason.OPERATOR_KNOWN)
    if not wish.gives and not has:
        return Refused(Reason.OPERATOR_UNKNOWN)
    return None
