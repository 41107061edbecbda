"""The formula of a carry-over, the rule sets that give its figures, and what an application must satisfy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.accounts.rules import Purpose, Side, refuse_source, vintage_of
from core.emissions.years.rules import as_date, as_vintages, is_count, is_year
from core.ledger.rules import fits, is_amount
from core.quantities import MAX_AMOUNT, Vintage
from core.refusals import Reason, Refused
from core.texts import is_plain_text

DONE = "DONE"
RELEASED = "RELEASED"

BASE_T = 10_000
FACTOR_THOUSANDTHS = 1500
BASE_MAX = 10**12
FACTOR_MAX = 100_000


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Which vintages may be carried over into which, and how much by whom: a base, and a multiple of net sales."""

    name: str
    version: int
    vintages: tuple[int, ...]
    to_vintage: int
    base_t: int
    factor_thousandths: int
    sold_vintages: tuple[int, ...]
    """Sales and purchases of these count; the vintages carried over, where nothing else is said."""
    sold_from: date
    sold_until: date
    apply_until: date

    def limit(self, net_sold: int) -> int:
        """Return the whole tonnes that an account may carry over; who bought more than it sold has the base."""
        return min(self.base_t + max(0, net_sold) * self.factor_thousandths // 1000, MAX_AMOUNT)

    @property
    def body(self) -> dict[str, Any]:
        """The rule set as callers read it."""
        return {
            "name": self.name,
            "version": self.version,
            "vintages": list(self.vintages),
            "to_vintage": self.to_vintage,
            "base_t": self.base_t,
            "factor_thousandths": self.factor_thousandths,
            "sold_vintages": list(self.sold_vintages),
            "sold_from": self.sold_from.isoformat(),
            "sold_until": self.sold_until.isoformat(),
            "apply_until": self.apply_until.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Application:
    """Units of one vintage that an account wants to carry over; the quantity is not judged yet."""

    account: str
    product: str
    tonnes: Any

    @property
    def vintage(self) -> Vintage | None:
        """The vintage of the units; None when the product is none."""
        return vintage_of(self.product)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account sold, net, and has carried over or asked for under one rule set."""

    net_sold: int
    carried: int

    def left(self, rule: RuleSet) -> int:
        """Return what it may still carry over."""
        return max(0, rule.limit(self.net_sold) - self.carried)


def read_rule(body: Mapping[str, Any]) -> tuple[RuleSet, str] | Refused:
    """Read a rule set and why it is laid down, as proposed or as a task kept it; its version is not known yet."""
    name, reason, to_vintage = body.get("name"), body.get("reason"), body.get("to_vintage")
    vintages = as_vintages(body.get("vintages"))
    sold = as_vintages(body.get("sold_vintages", body.get("vintages")))
    base, factor = body.get("base_t", BASE_T), body.get("factor_thousandths", FACTOR_THOUSANDTHS)
    dates = [as_date(body.get(field)) for field in ("sold_from", "sold_until", "apply_until")]
    if not (is_plain_text(name, 100) and is_plain_text(reason, 500)):
        return Refused(Reason.MALFORMED, "name, and a reason in words.")
    if vintages is None or sold is None or not is_year(to_vintage) or to_vintage <= max(vintages):
        said = "vintages, sold_vintages: different years, 2000 to 2099; to_vintage: a year after the vintages."
        return Refused(Reason.MALFORMED, said)
    if not (is_count(base, BASE_MAX) and is_count(factor, FACTOR_MAX)):
        return Refused(Reason.MALFORMED, f"base_t: 0 to {BASE_MAX}; factor_thousandths: 0 to {FACTOR_MAX}.")
    sold_from, sold_until, apply_until = dates
    if sold_from is None or sold_until is None or apply_until is None or sold_until < sold_from:
        return Refused(Reason.MALFORMED, "sold_from, sold_until, apply_until: dates, YYYY-MM-DD, in order.")
    rule = RuleSet(name, 0, vintages, to_vintage, base, factor, sold, sold_from, sold_until, apply_until)
    return rule, reason


def refuse_rule(rule: RuleSet, others: Sequence[RuleSet]) -> Refused | None:
    """Refuse a rule set that would leave a vintage with two."""
    for other in others:
        both = sorted({*rule.vintages} & {*other.vintages})
        if other.name != rule.name and both:
            return Refused(Reason.VINTAGE_RULED_TWICE, f"{other.name} carries {both[0]} over.")
    return None


def rule_for(vintage: Vintage | None, rules: Sequence[RuleSet]) -> RuleSet | None:
    """Find the rule set that a vintage belongs to."""
    return next((rule for rule in rules if vintage is not None and vintage.year in rule.vintages), None)


def read_application(body: Mapping[str, Any]) -> Application | Refused:
    """Read an application as proposed, or as a task kept it."""
    account, product = body.get("account"), body.get("product")
    if not (is_plain_text(account, 40) and is_plain_text(product, 40)):
        return Refused(Reason.MALFORMED, "account and product are texts.")
    return Application(account, product, body.get("tonnes"))


def decide(
    application: Application,
    *,
    source: Side,
    set_aside: int,
    trading: bool,
    rule: RuleSet | None,
    standing: Standing,
    today: date,
) -> tuple[int, RuleSet] | Refused:
    """Return the tonnes to carry over and by which rule set, or the first reason why not.

    ``set_aside`` is what the account has on hold already, ``trading`` that its units may be sold right now.
    """
    refused = refuse_source(application.account, source.account, with_exchange=trading, purpose=Purpose.COMPLIANCE)
    if refused is not None:
        return refused
    if not is_amount(application.tonnes) or not fits(set_aside, application.tonnes):
        return Refused(Reason.QUANTITY_INVALID)
    if application.vintage is None:
        return Refused(Reason.PRODUCT_UNKNOWN)
    if application.tonnes > source.balance:
        return Refused(Reason.INSUFFICIENT_UNITS, f"Available: {source.balance}.")
    if rule is None:
        return Refused(Reason.CARRY_OVER_UNRULED)
    return refuse_by_rule(application.tonnes, rule, standing, today=today) or (application.tonnes, rule)


def refuse_by_rule(tonnes: int, rule: RuleSet, standing: Standing, *, today: date | None) -> Refused | None:
    """Refuse what the rule set does not allow; without ``today`` the application was made in time."""
    if today is not None and today > rule.apply_until:
        return Refused(Reason.CARRY_OVER_TOO_LATE, f"Applications were taken until {rule.apply_until}.")
    if tonnes > standing.left(rule):
        formula = f"{rule.base_t} + {rule.factor_thousandths}/1000 x {max(0, standing.net_sold)} net sales"
        said = f"{formula} = {rule.limit(standing.net_sold)} t, of which {standing.carried} are carried or asked for."
        return Refused(Reason.CARRY_OVER_OVER_LIMIT, said)
    return None
