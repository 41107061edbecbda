"""Account numbers, and what opening an account must satisfy."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.approvals.rules import is_plain_text
from core.quantities import Vintage
from core.refusals import LineError, Reason, Refused

KINDS = {"E": "key emitter", "I": "institution", "P": "person", "S": "the registry itself"}

BANKS = frozenset({"B001"})
"""Settlement banks with which a subject can keep its cash."""

DEFAULT_BANK = "B001"

OPEN = "OPEN"
APPLIED = "APPLIED"

SERIALS = 10**8
"""An account number has eight digits of its own."""

LINES_MAX = 20_000
"""Lines of one batch: eight times the market's accounts, and still a transaction of about a second."""

_FORM = re.compile(r"([EIPS])([0-9]{2})-([0-9]{8})-([0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Account:
    """A registration account; its number says kind and province."""

    number: str
    name: str
    credit_code: str | None
    state: str
    bank: str
    applied_at: datetime
    opened_at: datetime | None

    @property
    def kind(self) -> str:
        """E, I, P or S."""
        return self.number[0]

    @property
    def body(self) -> dict[str, Any]:
        """The account as callers read it."""
        return {
            "number": self.number,
            "name": self.name,
            "kind": self.kind,
            "province": self.number[1:3],
            "credit_code": self.credit_code,
            "bank": self.bank,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Application:
    """What a subject that wants an account has said about itself."""

    kind: str
    province: str
    name: str
    credit_code: str | None
    bank: str


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of one side of a transfer at the moment of decision."""

    account: Account | None
    balance: int


def number_of(kind: str, province: str, serial: int) -> str:
    """Write an account number: kind, province and serial with two check digits by ISO 7064 MOD 97-10."""
    if kind not in KINDS or re.fullmatch(r"[0-9]{2}", province) is None or not 0 < serial < SERIALS:
        raise ValueError(f"no account number from kind {kind!r}, province {province!r}, serial {serial!r}")
    return f"{kind}{province}-{serial:08d}-{98 - _remainder(kind, province, f'{serial:08d}', '00'):02d}"


def check(number: str) -> bool:
    """Tell whether this is an account number with the right check digits."""
    found = _FORM.fullmatch(number)
    return found is not None and _remainder(*found.groups()) == 1 and found[4] not in {"00", "01", "99"}


def _remainder(kind: str, province: str, serial: str, digits: str) -> int:
    """Read the number with its letter as in IBAN (A = 10 ... Z = 35) and divide by 97."""
    return int(f"{ord(kind) - ord('A') + 10}{province}{serial}{digits}") % 97


def vintage_of(asset: object) -> Vintage | None:
    """Read a product name; None when it is none."""
    if not isinstance(asset, str):
        return None
    try:
        vintage = Vintage.of_product(asset)
    except ValueError:
        return None
    return vintage if vintage.product == asset else None  # other scripts have digits too


def read_application(body: Mapping[str, Any], *, banks: Collection[str] = BANKS) -> Application | Refused:
    """Read and judge one application; the detail names the field."""
    name, kind, province = body.get("name"), body.get("kind"), body.get("province")
    code, bank = body.get("credit_code"), body.get("bank", DEFAULT_BANK)
    if not is_plain_text(name):
        return Refused(Reason.MALFORMED, "name: one line of at most 200 characters.")
    if not isinstance(kind, str) or kind not in KINDS or kind == "S":
        return Refused(Reason.MALFORMED, "kind: E, I or P.")
    if not isinstance(province, str) or re.fullmatch(r"[0-9]{2}", province, re.ASCII) is None:
        return Refused(Reason.MALFORMED, "province: two digits by GB/T 2260.")
    if code is not None and (not isinstance(code, str) or re.fullmatch(r"[0-9A-Z]{18}", code, re.ASCII) is None):
        return Refused(Reason.MALFORMED, "credit_code: eighteen digits and capital letters.")
    if not isinstance(bank, str) or bank not in banks:
        return Refused(Reason.BANK_UNKNOWN)
    return Application(kind, province, name, code, bank)


def judge_batch(read: Sequence[Application | Refused], *, taken: Collection[str]) -> list[Application] | Refused:
    """Accept all applications or none; ``taken`` are the credit codes that have accounts already."""
    good: list[Application] = []
    errors: list[LineError] = []
    seen = set(taken)
    for line, application in enumerate(read, start=1):
        if isinstance(application, Refused):
            errors.append(LineError(line, application.reason, application.detail))
        elif application.credit_code is not None and application.credit_code in seen:
            errors.append(LineError(line, Reason.SUBJECT_HAS_ACCOUNT, application.credit_code))
        else:
            good.append(application)
            if application.credit_code is not None:
                seen.add(application.credit_code)
    return Refused.of_lines(errors) if errors else good


def refuse_source(number: str, account: Account | None, *, with_exchange: bool) -> Refused | None:
    """Refuse a giving account, for the first reason there is."""
    if account is None:
        return Refused(Reason.SOURCE_UNKNOWN, _hint(number))
    if account.state != OPEN:
        return Refused(Reason.SOURCE_NOT_OPEN, f"It is {account.state}.")
    if with_exchange:
        return Refused(Reason.SOURCE_WITH_EXCHANGE)
    return None


def refuse_target(number: str, account: Account | None) -> Refused | None:
    """Refuse a receiving account, for the first reason there is."""
    if account is None:
        return Refused(Reason.TARGET_UNKNOWN, _hint(number))
    if account.state != OPEN:
        return Refused(Reason.TARGET_NOT_OPEN, f"It is {account.state}.")
    return None


def _hint(number: str) -> str:
    return "" if check(number) else "The check digits do not fit."
