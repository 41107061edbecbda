"""What one may look for among the accounts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.accounts.rules import KINDS, RESTRICTION_PENDING, STATES
from core.provinces import is_province
from core.refusals import Reason, Refused
from core.texts import is_plain_text

PART_MAX = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts are asked for; None is any."""

    part: str | None = None
    """Part of a name, a credit code or a number; the case of ASCII letters does not matter."""
    state: str | None = None
    kind: str | None = None
    province: str | None = None
    sector: str | None = None
    of: Sequence[str] | None = None
    """Only among these numbers."""


def read_wanted(body: Mapping[str, Any]) -> Wanted | Refused:
    """Read what a caller looks for; an empty value is none."""
    asked = {name: body.get(name) or None for name in ("q", "state", "kind", "province", "sector")}
    checks = {
        "q": (is_plain_text(asked["q"], PART_MAX), f"a part of one line, at most {PART_MAX} characters."),
        "state": (asked["state"] in {*STATES, RESTRICTION_PENDING}, f"{', '.join(STATES)}, {RESTRICTION_PENDING}."),
        "kind": (asked["kind"] in KINDS and asked["kind"] != "S", "E, I or P."),
        "province": (is_province(asked["province"]), "two digits by GB/T 2260."),
        "sector": (_is_like(asked["sector"], "[a-z][a-z0-9_]{0,31}"), "a code such as power."),
    }
    for name, (is_good, rule) in checks.items():
        if asked[name] is not None and not is_good:
            return Refused(Reason.MALFORMED, f"{name}: {rule}")
    part = asked.pop("q")
    return Wanted(part=part.strip() if part else None, **asked)


def _is_like(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None
