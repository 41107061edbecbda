"""Which province answers for a firm: the one in its number, until a stated day on which it changes hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.callers import Caller
from core.provinces import is_province
from core.refusals import Reason, Refused
from core.texts import is_plain_text


@dataclass(frozen=True, slots=True)
class Tenure:
    """From this day on the province answers for the account."""

    account: str
    province: str
    from_day: date

    @property
    def body(self) -> dict[str, Any]:
        """The tenure as callers read it."""
        return {"account": self.account, "province": self.province, "from_day": self.from_day.isoformat()}


@dataclass(frozen=True, slots=True)
class Move:
    """A firm that changes hands between two provinces, as asked for."""

    account: str
    province: str
    from_day: date
    reason: str


def read_move(body: Mapping[str, Any]) -> Move | Refused:
    """Read a move as proposed, or as a task kept it."""
    account, province, reason = body.get("account"), body.get("province"), body.get("reason")
    if not is_plain_text(account, 40):
        return Refused(Reason.MALFORMED, "account: the firm's account number.")
    if not is_province(province):
        return Refused(Reason.MALFORMED, "province: two digits by GB/T 2260.")
    if not is_plain_text(reason, 500):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    try:
        from_day = date.fromisoformat(str(body.get("from_day")))
    except ValueError:
        return Refused(Reason.MALFORMED, "from_day: a date, YYYY-MM-DD.")
    return Move(account, province, from_day, reason)


def refuse_move(move: Move, *, history: Sequence[Tenure] | None, today: date) -> Refused | None:
    """Refuse a move for the first reason there is; ``history`` is None for an account that is not there."""
    if history is None or move.account.startswith("S"):
        return Refused(Reason.ACCOUNT_UNKNOWN)
    if move.from_day <= today:
        return Refused(Reason.MOVE_NOT_AHEAD, f"Today is {today}.")
    newest = history[-1]
    if newest.from_day > today:
        return Refused(Reason.MOVE_PENDING, f"{newest.province} from {newest.from_day}.")
    if newest.province == move.province:
        return Refused(Reason.MOVE_TO_SAME, f"{move.province} answers for it since {newest.from_day}.")
    return None


def refuse_mover(caller: Caller) -> Refused | None:
    """Refuse everybody but the ministry: neither of two provinces decides alone which firm is whose."""
    if caller.province is not None:
        return Refused(Reason.NOT_PERMITTED, "The ministry decides which province answers for a firm.")
    return None
