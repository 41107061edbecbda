"""Account numbers and what a request about accounts must satisfy."""

from __future__ import annotations

import re

KINDS = {"E": "key emitter", "I": "institution", "P": "person", "S": "the registry itself"}

SERIALS = 10**8
"""An account number has eight digits of its own."""

_FORM = re.compile(r"([EIPS])([0-9]{2})-([0-9]{8})-([0-9]{2})", re.ASCII)


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
