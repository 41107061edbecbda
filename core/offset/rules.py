"""What a lot of offset units goes through, and what an application to offset with lots must satisfy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from uuid import UUID

from core.emissions.years.rules import is_year
from core.refusals import Reason, Refused
from core.texts import is_plain_text

FREEZING = "FREEZING"
"""The other registry was asked to freeze the units and has not answered."""
SYNCED = "SYNCED"
"""待抵销: frozen there, and known here."""
SELECTED = "SELECTED"
CONFIRMED = "CONFIRMED"
"""The authority has confirmed; the other registry is asked to cancel the units."""
USED = "USED"
RELEASING = "RELEASING"
RELEASED = "RELEASED"

FREEZE = "freeze"
CANCEL = "cancel"
RELEASE = "release"

PENDING = "PENDING"
REGISTERED = "REGISTERED"

FROZEN_DAYS = 30
"""Then either side lets go of units that nobody has confirmed."""
LOTS_MAX = 100
SERIAL_MAX = 999_999_999_999
_PROJECT = re.compile("[A-Z0-9][A-Z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lot:
    """Units of one project, first and last serial included, that are used for offset as a whole, and once."""

    id: str
    account: str
    project: str
    first: int
    last: int
    state: str
    until: datetime
    application: str | None = None
    note: str = ""

    @property
    def tonnes(self) -> int:
        """How many units these are, a tonne each."""
        return self.last - self.first + 1

    @property
    def body(self) -> dict[str, Any]:
        """The lot as callers read it."""
        return {
            "id": self.id,
            "account": self.account,
            "project": self.project,
            "first": self.first,
            "last": self.last,
            "tonnes": self.tonnes,
            "state": self.state,
            "application": self.application,
            "until": self.until.isoformat(),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Units:
    """Offset units that an account wants frozen."""

    account: str
    project: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Application:
    """Lots with which an account wants to offset a part of a year's obligation."""

    account: str
    year: int
    lots: tuple[UUID, ...]


def read_units(body: Mapping[str, Any]) -> Units | Refused:
    """Read which units are to be frozen."""
    account, project = body.get("account"), body.get("project")
    first, last = body.get("first"), body.get("last")
    if not is_plain_text(account, 40):
        return Refused(Reason.MALFORMED, "account: the account that will offset.")
    if not isinstance(project, str) or _PROJECT.fullmatch(project) is None:
        return Refused(Reason.MALFORMED, "project: capital letters, digits and hyphens, at most 40.")
    if not (_is_serial(first) and _is_serial(last) and first <= last):
        return Refused(Reason.QUANTITY_INVALID, "first and last: serials from 1, in order.")
    return Units(account, project, first, last)


def _is_serial(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= SERIAL_MAX


def read_application(body: Mapping[str, Any]) -> Application | Refused:
    """Read an application to offset as proposed."""
    account, year, lots = body.get("account"), body.get("year"), body.get("lots")
    if not (is_plain_text(account, 40) and is_year(year)):
        return Refused(Reason.MALFORMED, "account, and year: the compliance year, such as 2020.")
    if not isinstance(lots, list) or not 0 < len(lots) <= LOTS_MAX:
        return Refused(Reason.MALFORMED, f"lots: a list of 1 to {LOTS_MAX} lots.")
    try:
        return Application(account, year, tuple(UUID(str(lot)) for lot in lots))
    except ValueError:
        return Refused(Reason.LOT_UNKNOWN)


def refuse_lots(application: Application, found: Sequence[Lot], *, now: datetime) -> Refused | None:
    """Refuse lots that cannot be selected, for the first reason there is."""
    if len(set(application.lots)) != len(application.lots):
        return Refused(Reason.LOT_TWICE)
    own = {lot.id: lot for lot in found if lot.account == application.account}
    for number in application.lots:
        if str(number) not in own:
            return Refused(Reason.LOT_UNKNOWN, f"{number}.")
        refused = refuse_state(own[str(number)], SYNCED, now=now)
        if refused is not None:
            return refused
    return None


def refuse_state(lot: Lot, wanted: str, *, now: datetime) -> Refused | None:
    """Refuse a lot that is in another state, or whose time is over."""
    if lot.state != wanted:
        return Refused(Reason.LOT_NOT_READY, f"{lot.id} is {lot.state}.")
    if now >= lot.until:
        return Refused(Reason.LOT_EXPIRED, f"{lot.id} was frozen until {lot.until.isoformat()}.")
    return None


def until_of(now: datetime) -> datetime:
    """Return the moment up to which units frozen now stay so."""
    return now + timedelta(days=FROZEN_DAYS)


def state_of_application(lots: Sequence[Lot]) -> str:
    """Say where an application stands that the authority has confirmed, from what became of its lots."""
    states = {lot.state for lot in lots}
    if CONFIRMED in states:
        return CONFIRMED
    return REGISTERED if USED in states else RELEASED
