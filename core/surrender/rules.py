"""What handing units in against verified emissions must satisfy, and what taking it back must."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.accounts.rules import Purpose, Side, is_emitter, refuse_source, vintage_of
from core.emissions.obligations.rules import PENALISED, Obligation, refuse_more
from core.emissions.years.rules import YearRules, is_year
from core.ledger.rules import fits, is_amount
from core.quantities import SerialRange, Vintage
from core.refusals import Reason, Refused
from core.texts import is_plain_text

PENDING = "PENDING"
SURRENDERED = "SURRENDERED"
RELEASED = "RELEASED"
REVERSED = "REVERSED"


@dataclass(frozen=True, slots=True)
class Application:
    """Units of one vintage that a subject hands in for a compliance year; the quantity is not judged yet."""

    account: str
    product: str
    tonnes: Any
    year: int

    @property
    def vintage(self) -> Vintage | None:
        """The vintage of the units; None when the product is none."""
        return vintage_of(self.product)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrender:
    """An application as it is kept, and what became of it."""

    id: str
    account: str
    year: int
    product: str
    tonnes: int
    state: str
    authority: bool
    """The authority decides, on it and on its reversal."""
    applied_at: datetime
    task: str | None = None
    done_at: datetime | None = None
    reversible_until: datetime | None = None
    serials: list[list[int]] | None = field(default=None)

    @property
    def blocks(self) -> list[SerialRange]:
        """The very units that were handed in."""
        return [SerialRange.of_bounds(low, high) for low, high in self.serials or ()]

    @property
    def body(self) -> dict[str, Any]:
        """The surrender as callers read it."""
        return {
            "id": self.id,
            "account": self.account,
            "year": self.year,
            "product": self.product,
            "tonnes": self.tonnes,
            "state": self.state,
            "task": self.task,
            "done_at": self.done_at.isoformat() if self.done_at else None,
            "reversible_until": self.reversible_until.isoformat() if self.reversible_until else None,
            "serials": [block.body for block in self.blocks],
        }


def read_application(body: Mapping[str, Any]) -> Application | Refused:
    """Read an application as proposed, or as a task kept it."""
    account, product, year = body.get("account"), body.get("product"), body.get("year")
    if not (is_plain_text(account, 40) and is_plain_text(product, 40)):
        return Refused(Reason.MALFORMED, "account and product are texts.")
    if not is_year(year):
        return Refused(Reason.MALFORMED, "year: the compliance year, such as 2020.")
    return Application(account, product, body.get("tonnes"), year)


def decide(
    application: Application,
    *,
    source: Side,
    pending: int,
    trading: bool,
    known_product: bool,
    rules: YearRules,
    obligation: Obligation,
) -> int | Refused:
    """Return the tonnes to hold for surrender, or the first reason why not.

    ``pending`` is what the account has on hold already, ``trading`` that its units may be sold right now. Only units
    that are free count: what is pledged, frozen or bought today is in other buckets.
    """
    refused = refuse_source(application.account, source.account, with_exchange=trading, purpose=Purpose.COMPLIANCE)
    if refused is not None:
        return refused
    if not is_emitter(application.account):
        return Refused(Reason.ACCOUNT_KIND, "Only key emitters surrender.")
    if not is_amount(application.tonnes) or not fits(pending, application.tonnes):
        return Refused(Reason.QUANTITY_INVALID)
    if application.vintage is None or not known_product:
        return Refused(Reason.PRODUCT_UNKNOWN)
    if application.tonnes > source.balance:
        return Refused(Reason.INSUFFICIENT_UNITS, f"Available: {source.balance}.")
    return refuse_for_year(application, obligation, rules) or application.tonnes


def refuse_for_year(application: Application, obligation: Obligation, rules: YearRules) -> Refused | None:
    """Refuse what the year does not take, for the first reason there is."""
    if obligation.state == PENALISED:
        return Refused(Reason.OBLIGATION_PENALISED)
    if application.vintage is not None and not rules.counts(application.vintage.year):
        counting = ", ".join(str(year) for year in rules.vintages or ())
        return Refused(Reason.VINTAGE_NOT_USABLE, f"For {rules.year} these count: {counting}.")
    return refuse_more(obligation, application.tonnes, rules)


def read_reversal(body: Mapping[str, Any]) -> tuple[UUID, str] | Refused:
    """Read a reversal as proposed: which surrender, and why."""
    reason = body.get("reason")
    if not is_plain_text(reason, 500):
        return Refused(Reason.MALFORMED, "reason: say in words why.")
    try:
        return UUID(str(body.get("surrender"))), reason
    except ValueError:
        return Refused(Reason.SURRENDER_UNKNOWN)


def refuse_reversal(
    surrender: Surrender, *, now: datetime, obligation: Obligation, target: Refused | None
) -> Refused | None:
    """Refuse to take a surrender back, for the first reason there is; ``target``: the account cannot receive."""
    if target is not None:
        return target
    if obligation.state == PENALISED:
        return Refused(Reason.OBLIGATION_PENALISED)
    if surrender.state != SURRENDERED:
        return Refused(Reason.SURRENDER_NOT_DONE, f"It is {surrender.state}.")
    if surrender.reversible_until is None or now > surrender.reversible_until:
        until = surrender.reversible_until.isoformat() if surrender.reversible_until else "never"
        return Refused(Reason.REVERSAL_TOO_LATE, f"It could be reversed until {until}.")
    return None
