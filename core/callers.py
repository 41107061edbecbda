"""Who asks: the roles of people and services, and what somebody may be allowed for an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from core.refusals import Reason, Refused

MAKER = "maker"
CHECKER = "checker"
OPERATOR = "operator"
BANK_ROLE = "bank"
PROBE = "probe"
AUDITOR = "auditor"
HOLDER = "holder"
"""Somebody of a subject: may do for an account what the account's list of operators says."""
AUTHORITY_MAKER = "authority_maker"
AUTHORITY_CHECKER = "authority_checker"
"""People of the environment ministry, or of one province when the token names it."""

STAFF = (MAKER, CHECKER, OPERATOR, AUDITOR)
"""The registry's own people, who may look at every account."""
AUTHORITIES = (AUTHORITY_MAKER, AUTHORITY_CHECKER)
SEES_ALL = (*STAFF, *AUTHORITIES)
"""Roles that see what is of many accounts; of a province's people the database shows what is their firms'."""

Right = Literal["view", "maker", "checker"]
"""What somebody may do for an account."""
RIGHTS: tuple[Right, ...] = get_args(Right)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the token says."""

    name: str
    roles: frozenset[str]
    province: str | None = None
    """Two digits by GB/T 2260 for somebody of a province's authority; None for everybody else."""


def refuse_unless(caller: Caller, *roles: str) -> Refused | None:
    """Refuse a caller who has none of the roles."""
    if caller.roles.intersection(roles):
        return None
    return Refused(Reason.NOT_PERMITTED, f"Needs the role {' or '.join(roles)}.")
