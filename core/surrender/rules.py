"""What handing units in against verified emissions must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.accounts.rules import Side, refuse_source, vintage_of
from core.approvals.rules import is_plain_text
from core.ledger.rules import fits, is_amount
from core.quantities import Vintage
from core.refusals import Reason, Refused


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


def read_application(body: Mapping[str, Any]) -> Application | Refused:
    """Read an application as proposed, or as a task kept it."""
    account, product, year = body.get("account"), body.get("product"), body.get("year")
    if not (is_plain_text(account, 40) and is_plain_text(product, 40)):
        return Refused(Reason.MALFORMED, "account and product are texts.")
    if type(year) is not int or not 2000 <= year <= 2099:
        return Refused(Reason.MALFORMED, "year: the compliance year, such as 2020.")
    return Application(account, product, body.get("tonnes"), year)


def decide(
    application: Application, *, source: Side, pending: int, trading: bool, known_product: bool
) -> int | Refused:
    """Return the tonnes to hold for surrender, or the first reason why not.

    ``pending`` is what the account has on hold already, ``trading`` that its units may be sold right now.
    """
    refused = refuse_source(application.account, source.account, with_exchange=trading)
    if refused is not None:
        return refused
    if not application.account.startswith("E"):
        return Refused(Reason.NUMBER_INVALID, "Only key emitters surrender.")
    if not is_amount(application.tonnes) or not fits(pending, application.tonnes):
        return Refused(Reason.QUANTITY_INVALID)
    if application.vintage is None or not known_product:
        return Refused(Reason.PRODUCT_UNKNOWN)
    if application.tonnes > source.balance:
        return Refused(Reason.INSUFFICIENT_UNITS, f"Available: {source.balance}.")
    return application.tonnes
