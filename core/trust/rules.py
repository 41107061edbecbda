"""Delays before a move to an account that is not trusted, and limits that an account sets for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from core.accounts.rules import is_registry
from core.clock.calendar import is_trading_day
from core.clock.rules import market_time, shown
from core.clock.working_days import Trades, is_working_day, on_working_day_after, working_day_after
from core.ledger.rules import is_amount
from core.quantities import CASH
from core.refusals import Reason, Refused
from core.texts import is_plain_text

NOON = time(12)
ADDITION_DAYS = 4
"""Working days until an added account counts: time for the account's people to see what they did not ask for."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """An entry of an account's list."""

    account: str
    trusted: str
    effective_at: datetime

    @property
    def body(self) -> dict[str, Any]:
        """The entry as callers read it."""
        return {"account": self.trusted, "effective_at": shown(self.effective_at)}


@dataclass(frozen=True, slots=True)
class Control:
    """What an account has limited itself to in a single move; None is no limit."""

    tonnes_max: int | None = None
    fen_max: int | None = None
    trusted_only: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The limits as callers read and send them."""
        return {"tonnes_max": self.tonnes_max, "fen_max": self.fen_max, "trusted_only": self.trusted_only}

    def limit_of(self, asset: str) -> int | None:
        """Return the largest amount of the asset that may move at once."""
        return self.fen_max if asset == CASH else self.tonnes_max


def added_at(decided: datetime, trades: Trades = is_trading_day) -> datetime:
    """Tell from when an account that is added to a list counts: noon of the fourth working day."""
    return on_working_day_after(decided, ADDITION_DAYS, NOON, trades)


def due_at(proposed: datetime, trades: Trades = is_trading_day) -> datetime:
    """Tell when a move to an account that is not trusted is carried out.

    Noon of the next working day for what is proposed before noon, of the second one for what comes later. What is
    proposed on a closed day counts as proposed on the morning of the next working day, so that nobody gains by waiting.
    """
    market = market_time(proposed)
    day, morning = market.date(), market.time() < NOON
    if not is_working_day(day, trades):
        day, morning = working_day_after(day, 1, trades), True
    return datetime.combine(working_day_after(day, 1 if morning else 2, trades), NOON, market.tzinfo)


def counts(entry: Trusted | None, now: datetime) -> bool:
    """Tell whether an entry of the list is in effect."""
    return entry is not None and entry.effective_at <= now


def refuse_by_control(control: Control, *, asset: str, amount: int, trusted: bool) -> Refused | None:
    """Refuse a move that the giving account does not allow itself, for the first reason there is."""
    limit = control.limit_of(asset)
    if limit is not None and amount > limit:
        return Refused(Reason.OVER_OWN_LIMIT, f"At most {limit} {'fen' if asset == CASH else 't'} at once.")
    if control.trusted_only and not trusted:
        return Refused(Reason.TARGET_NOT_TRUSTED)
    return None


def refuse_addition(account: str, trusted: str, *, entry: Trusted | None) -> Refused | None:
    """Refuse to put an account on a list, for the first reason there is."""
    if account == trusted:
        return Refused(Reason.TARGET_IS_SOURCE)
    if is_registry(trusted):
        return Refused(Reason.ACCOUNT_KIND, "The registry's own accounts stand on no list.")
    if entry is not None:
        return Refused(Reason.TRUSTED_ALREADY, f"It counts from {shown(entry.effective_at)}.")
    return None


def read_number(body: Mapping[str, Any], name: str) -> str | Refused:
    """Read an account number that a body names."""
    number = body.get(name)
    if not is_plain_text(number, 40):
        return Refused(Reason.MALFORMED, f"{name}: an account number.")
    return number


def read_control(body: Mapping[str, Any]) -> Control | Refused:
    """Read the limits that an account is to have; what is left out is no limit."""
    tonnes_max, fen_max, trusted_only = body.get("tonnes_max"), body.get("fen_max"), body.get("trusted_only", False)
    for limit in (tonnes_max, fen_max):
        if limit is not None and not is_amount(limit):
            return Refused(Reason.QUANTITY_INVALID, "A limit is a positive whole number, or left out.")
    if type(trusted_only) is not bool:
        return Refused(Reason.MALFORMED, "trusted_only: true or false.")
    return Control(tonnes_max, fen_max, trusted_only)
