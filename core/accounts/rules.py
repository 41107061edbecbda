"""Account numbers, and what opening an account must satisfy."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from core.clock.rules import market_time
from core.provinces import is_province
from core.quantities import Vintage
from core.refusals import LineError, Reason, Refused
from core.texts import is_plain_text

KINDS = {"E": "key emitter", "I": "institution", "P": "person", "S": "the registry itself"}

BANKS = frozenset({"B001"})
"""Settlement banks with which a subject can keep its cash."""

DEFAULT_BANK = "B001"

OPEN = "OPEN"
APPLIED = "APPLIED"
RESTRICTED = "RESTRICTED"
SUSPENDED = "SUSPENDED"
CLOSURE_PENDING = "CLOSURE_PENDING"
CLOSED = "CLOSED"
REJECTED = "REJECTED"
RESTRICTION_PENDING = "RESTRICTION_PENDING"
"""Decided, and not in force before the exchange knows: the account goes on as it was."""
STATES = (APPLIED, OPEN, RESTRICTED, SUSPENDED, CLOSURE_PENDING, CLOSED, REJECTED)

INWARD, OUTWARD, EVERYTHING = "in", "out", "all"
RESTRICTIONS = (INWARD, OUTWARD, EVERYTHING)


SERIALS = 10**8
"""An account number has eight digits of its own."""

OPENINGS_VALID_DAYS = 20
"""A pile of applications takes a second person longer than one."""

LINES_MAX = 20_000
"""Lines of one batch: eight times the market's accounts, and still a transaction of about a second."""

_FORM = re.compile(r"([EIPS])([0-9]{2})-([0-9]{8})-([0-9]{2})", re.ASCII)


class Purpose(Enum):
    """What units are moved for; some moves go on where others are stopped."""

    ORDINARY = "ordinary"
    COMPLIANCE = "compliance"
    """Surrender, its reversal, carrying over, and return: a restriction of one direction does not stop them."""
    COURT = "court"
    """What a court orders works on every account that is open, restricted or suspended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A registration account; its number says kind and province."""

    number: str
    name: str
    credit_code: str | None
    state: str
    bank: str
    applied_at: datetime
    opened_at: datetime | None
    sector: str | None = None
    contact: Mapping[str, str] | None = None
    restriction: str | None = None
    """What may not move while RESTRICTED: in, out or all."""
    blocked: str | None = None
    """Why reconciliation has stopped it; None when it has not."""
    pending_state: str | None = None
    pending_restriction: str | None = None
    """What was decided and waits for the exchange to know."""
    exchange_notified_at: datetime | None = None

    @property
    def kind(self) -> str:
        """E, I, P or S."""
        return self.number[0]

    @property
    def stopped(self) -> str | None:
        """The direction in which nothing moves: in, out or all; None for an account that is not RESTRICTED."""
        return (self.restriction or EVERYTHING) if self.state == RESTRICTED else None

    @property
    def shown_state(self) -> str:
        """The state as people read it: a restriction that is decided shows as pending until the exchange knows."""
        return RESTRICTION_PENDING if self.pending_state in {RESTRICTED, SUSPENDED} else self.state

    @property
    def body(self) -> dict[str, Any]:
        """The account as callers read it."""
        pending = {"state": self.pending_state, "restriction": self.pending_restriction} if self.pending_state else None
        told = self.exchange_notified_at
        return {
            "number": self.number,
            "name": self.name,
            "kind": self.kind,
            "province": self.number[1:3],
            "sector": self.sector,
            "credit_code": self.credit_code,
            "contact": dict(self.contact) if self.contact else None,
            "bank": self.bank,
            "state": self.shown_state,
            "restriction": self.stopped,
            "pending": pending,
            "blocked": self.blocked,
            "exchange_notified_at": market_time(told).isoformat() if told else None,
        }


@dataclass(frozen=True, slots=True)
class Application:
    """What a subject that wants an account has said about itself."""

    kind: str
    province: str
    name: str
    credit_code: str | None
    bank: str
    sector: str | None = None
    contact: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of an application."""

    column: str
    reason: Reason
    detail: str


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


def is_registry(number: str) -> bool:
    """Tell whether the account is one of the registry's own."""
    return number.startswith("S")


def is_emitter(number: str) -> bool:
    """Tell whether the account is a key emitter's."""
    return number.startswith("E")


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


CONTACT_FIELDS = ("person", "phone", "email", "address")


def faults_of(body: Mapping[str, Any], *, banks: Collection[str] = BANKS) -> list[Fault]:
    """Name every field of an application that is wrong, in the order in which fields are judged."""
    kind, sector = body.get("kind"), body.get("sector")
    checks = [
        ("name", is_plain_text(body.get("name")), "one line of at most 200 characters."),
        ("kind", isinstance(kind, str) and kind in KINDS and kind != "S", "E, I or P."),
        ("province", is_province(body.get("province")), "two digits by GB/T 2260."),
        ("credit_code", _is_code(body.get("credit_code")), "eighteen digits and capital letters."),
        ("sector", sector is None or _is_like(sector, r"[a-z][a-z0-9_]{0,31}"), "a code such as power, or nothing."),
        ("sector", sector is None or kind == "E", "only a key emitter has one."),
        ("contact", _is_contact(body.get("contact")), f"texts by name: {', '.join(CONTACT_FIELDS)}."),
    ]
    faults = [Fault(column, Reason.MALFORMED, f"{column}: {rule}") for column, is_good, rule in checks if not is_good]
    bank = body.get("bank", DEFAULT_BANK)
    if not isinstance(bank, str) or bank not in banks:
        faults.append(Fault("bank", Reason.BANK_UNKNOWN, ""))
    return faults


def read_application(body: Mapping[str, Any], *, banks: Collection[str] = BANKS) -> Application | Refused:
    """Read and judge one application; the detail names the field."""
    faults = faults_of(body, banks=banks)
    if faults:
        return Refused(faults[0].reason, faults[0].detail)
    return Application(
        kind=body["kind"],
        province=body["province"],
        name=body["name"],
        credit_code=body.get("credit_code"),
        bank=body.get("bank", DEFAULT_BANK),
        sector=body.get("sector"),
        contact=body.get("contact") or None,
    )


def _is_like(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _is_code(value: object) -> bool:
    return value is None or _is_like(value, r"[0-9A-Z]{18}")


def _is_contact(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, Mapping) and all(
        name in CONTACT_FIELDS and is_plain_text(said, 200) for name, said in value.items()
    )


_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def doubts_of(application: Application | Account, *, sectors: Collection[str]) -> list[str]:
    """Say what a reviewer should look at twice; none of it refuses an application. ``sectors`` are those covered."""
    code, doubts = application.credit_code, []
    if code is None:
        doubts.append("credit_code: there is none.")
    elif application.kind != "P" and not _code_checks(code):
        doubts.append("credit_code: the check character by GB 32100 does not fit.")
    if application.kind == "E" and application.sector is None:
        doubts.append("sector: a key emitter should have one.")
    elif application.sector is not None and application.sector not in sectors:
        doubts.append("sector: none of those covered so far.")
    return doubts


def _code_checks(code: str) -> bool:
    """Tell whether the last character of a unified social credit code is its check character (GB 32100)."""
    if any(letter not in _CODE_LETTERS for letter in code):
        return False
    sum_ = sum(_CODE_LETTERS.index(letter) * weight for letter, weight in zip(code, _CODE_WEIGHTS, strict=False))
    return _CODE_LETTERS[(31 - sum_ % 31) % 31] == code[17]


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


def refuse_source(
    number: str, account: Account | None, *, with_exchange: bool, purpose: Purpose = Purpose.ORDINARY
) -> Refused | None:
    """Refuse a giving account, for the first reason there is.

    Surrender, its reversal, carrying over and return go on under a restriction of one direction, as in the field: a
    firm that may not sell must still be able to comply. A court's order works on an account that is restricted or
    suspended.
    """
    if account is None:
        return Refused(Reason.SOURCE_UNKNOWN, _hint(number))
    if account.state not in _OPEN_FOR[purpose]:
        return Refused(Reason.SOURCE_NOT_OPEN, f"It is {account.state}.")
    if account.blocked is not None:
        return Refused(Reason.SOURCE_BLOCKED, account.blocked)
    if _is_stopped(account, OUTWARD, purpose):
        return Refused(Reason.SOURCE_RESTRICTED, f"Restricted: {account.stopped}.")
    if with_exchange:
        return Refused(Reason.SOURCE_WITH_EXCHANGE)
    return None


def refuse_target(number: str, account: Account | None, *, purpose: Purpose = Purpose.ORDINARY) -> Refused | None:
    """Refuse a receiving account, for the first reason there is."""
    if account is None:
        return Refused(Reason.TARGET_UNKNOWN, _hint(number))
    if account.state not in _OPEN_FOR[purpose]:
        return Refused(Reason.TARGET_NOT_OPEN, f"It is {account.state}.")
    if account.blocked is not None:
        return Refused(Reason.TARGET_BLOCKED, account.blocked)
    if _is_stopped(account, INWARD, purpose):
        return Refused(Reason.TARGET_RESTRICTED, f"Restricted: {account.stopped}.")
    return None


_OPEN_FOR: Mapping[Purpose, Collection[str]] = {
    Purpose.ORDINARY: (OPEN, RESTRICTED),
    Purpose.COMPLIANCE: (OPEN, RESTRICTED),
    Purpose.COURT: (OPEN, RESTRICTED, SUSPENDED),
}


def _is_stopped(account: Account, direction: str, purpose: Purpose) -> bool:
    """Tell whether a restriction keeps units from moving in this direction for this purpose."""
    if purpose is Purpose.COURT:
        return False
    if purpose is Purpose.COMPLIANCE:
        return account.stopped == EVERYTHING
    return account.stopped in {direction, EVERYTHING}


def _hint(number: str) -> str:
    return "" if check(number) else "The check digits do not fit."
