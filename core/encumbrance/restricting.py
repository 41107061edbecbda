"""Restricts an account for a freeze of everything, and tells the exchange what a court froze while it trades."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from core.approvals.rules import Caller, Task
from core.encumbrance.rules import Encumbrance
from core.refusals import Refused


def restrict(connection: Connection, caller: Caller, one: Encumbrance, *, task: Task) -> Refused | None:
    """See below."""
    raise NotImplementedError


def lift(connection: Connection, caller: Caller, one: Encumbrance, *, task: Task | None) -> Refused | None:
    """See below."""
    raise NotImplementedError


def announce(connection: Connection, one: Encumbrance, *, day: date) -> None:
    """Tell."""
