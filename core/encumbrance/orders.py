"""What people ask for: pledge, freeze, release, realisation, deduction; and the first reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from core.accounts.rules import Account, Purpose, Side, is_registry, refuse_source, refuse_target
from core.encumbrance.rules import EVERYTHING, FREEZE, IN_FORCE, PLEDGE, Encumbrance, number_of
from core.ledger.rules import fits, is_amount
from core.quantities import CASH
from core.refusals import Reason, Refused
from core.texts import is_plain_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A pledge or a freeze as asked for; the amount is not judged yet."""

    kind: str
    account: str
    asset: str | None
    amount: Any
    everything: str | None
    creditor: str
    creditor_account: str | None
    document: str
    reference: str | None
    begins: date
    ends: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A release, realisation or deduction as asked for; the amount is not judged yet."""

    number: int
    document: str
    amount: Any
    taker: str
    asset: str | None
    instruction: str | None


def read_pledge(body: Mapping[str, Any], *, today: date) -> Order | Refused:
    """Read a pledge as proposed."""
    if not (is_plain_text(body.get("creditor")) and is_plain_text(body.get("asset"), 40)):
        return Refused(Reason.MALFORMED, "creditor and asset are texts.")
    return _read(PLEDGE, body, creditor=str(body["creditor"]), everything=None, today=today)


def read_freeze(body: Mapping[str, Any], *, today: date) -> Order | Refused:
    """Read a freeze as proposed: an amount of an asset, or everything."""
    if not is_plain_text(body.get("court")):
        return Refused(Reason.MALFORMED, "court: who orders the freeze.")
    everything, asset = body.get("everything"), body.get("asset")
    if everything is None and not is_plain_text(asset, 40):
        return Refused(Reason.MALFORMED, "asset and amount, or everything: in, out or all.")
    alone = asset is None and body.get("amount") is None
    if everything is not None and not (isinstance(everything, str) and everything in EVERYTHING and alone):
        return Refused(Reason.MALFORMED, "everything is in, out or all, and then neither asset nor amount is named.")
    return _read(FREEZE, body, creditor=str(body["court"]), everything=everything, today=today)


def _read(kind: str, body: Mapping[str, Any], *, creditor: str, everything: str | None, today: date) -> Order | Refused:
    taker, reference = body.get("creditor_account"), body.get("reference")
    if not (is_plain_text(body.get("account"), 40) and is_plain_text(body.get("document"))):
        return Refused(Reason.MALFORMED, "account and document are texts.")
    if not all(value is None or is_plain_text(value) for value in (taker, reference)):
        return Refused(Reason.MALFORMED, "creditor_account and reference are texts, where they are given.")
    begins, ends = day_of(body.get("from_day"), today), day_of(body.get("to_day"), None)
    if isinstance(begins, Refused) or isinstance(ends, Refused):
        return Refused(Reason.MALFORMED, "from_day and to_day are dates, YYYY-MM-DD.")
    if begins is None or (ends is not None and ends < max(begins, today)):
        return Refused(Reason.MALFORMED, "to_day: not before from_day, and not over already.")
    return Order(
        kind=kind,
        account=body["account"],
        asset=body.get("asset"),
        amount=body.get("amount"),
        everything=everything,
        creditor=creditor,
        creditor_account=taker,
        document=body["document"],
        reference=reference,
        begins=begins,
        ends=ends,
    )


def day_of(value: object, otherwise: date | None) -> date | Refused | None:
    """Read a date as JSON carries it."""
    if value is None:
        return otherwise
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return Refused(Reason.MALFORMED, "A date is written YYYY-MM-DD.")


def read_ending(body: Mapping[str, Any], *, takes: bool) -> Ending | Refused:
    """Read what ends an encumbrance or a part of it; ``takes`` when somebody gets what it holds."""
    taker, instruction, asset = body.get("to_account", ""), body.get("instruction"), body.get("asset")
    if not is_plain_text(body.get("document")):
        return Refused(Reason.MALFORMED, "document: what it rests on.")
    if takes and not is_plain_text(taker, 40):
        return Refused(Reason.MALFORMED, "to_account: who gets it.")
    if not all(value is None or is_plain_text(value) for value in (instruction, asset)):
        return Refused(Reason.MALFORMED, "instruction and asset are texts, where they are given.")
    number = number_of(body.get("encumbrance"))
    return Ending(
        number=number or 0,
        document=str(body["document"]),
        amount=body.get("amount"),
        taker=taker,
        asset=asset,
        instruction=instruction,
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an account and an asset at the moment of decision."""

    source: Side
    """Its balance is what is free: nobody has an earlier claim to it."""
    secured: int
    """Already in the bucket that the order would fill."""
    trading: bool
    """The units may be sold at any moment."""
    known_product: bool
    used: bool = False
    """The document encumbers this already."""
    creditor: Account | None = None


def decide_pledge(order: Order, facts: Facts) -> int | Refused:
    """Return the amount to hold for the pledge, or the first reason why not."""
    refused = refuse_source(order.account, facts.source.account, with_exchange=facts.trading) or _refuse_used(facts)
    if refused is None and order.creditor_account is not None:
        refused = _refuse_taker(order.creditor_account, facts.creditor, giver=order.account)
    if refused is None:
        refused = _refuse_own(order.account) or _refuse_amount(order, facts)
    if refused is not None:
        return refused
    if order.amount > facts.source.balance:
        return short_of(order.asset, facts.source.balance)
    return int(order.amount)


def decide_freeze(order: Order, facts: Facts) -> int | Refused:
    """Return what can be held at once, zero while the rest or all must wait; or the first reason why not.

    A court's order is carried out whatever the account's state, and for more than the account holds: what is not
    there, or is with the exchange, is held as soon as it comes, in the order of the freezes.
    """
    refused = refuse_reach(order.account, facts.source.account) or _refuse_used(facts) or _refuse_own(order.account)
    if refused is None and order.everything is None:
        refused = _refuse_amount(order, facts)
    if refused is not None:
        return refused
    if order.everything is not None or facts.trading:
        return 0
    return min(int(order.amount), facts.source.balance)


def refuse_reach(number: str, account: Account | None) -> Refused | None:
    """Refuse an account that a court's order cannot reach. A freeze moves nothing out, so a block does not stop it."""
    bare = replace(account, blocked=None) if account is not None else None
    return refuse_source(number, bare, with_exchange=False, purpose=Purpose.COURT)


def _refuse_used(facts: Facts) -> Refused | None:
    return Refused(Reason.DOCUMENT_USED) if facts.used else None


def _refuse_own(account: str) -> Refused | None:
    if is_registry(account):
        return Refused(Reason.ACCOUNT_KIND, "The registry's own accounts are not encumbered.")
    return None


def _refuse_taker(
    number: str, account: Account | None, *, giver: str, purpose: Purpose = Purpose.ORDINARY
) -> Refused | None:
    refused = refuse_target(number, account, purpose=purpose)
    if refused is not None:
        return refused
    if number == giver:
        return Refused(Reason.TARGET_IS_SOURCE)
    if is_registry(number):
        return Refused(Reason.ACCOUNT_KIND, "The registry's own accounts secure nothing.")
    return None


def _refuse_amount(order: Order, facts: Facts) -> Refused | None:
    if not is_amount(order.amount) or not fits(facts.secured, order.amount):
        return Refused(Reason.QUANTITY_INVALID)
    return None if facts.known_product else Refused(Reason.PRODUCT_UNKNOWN)


def short_of(asset: str | None, free: int) -> Refused:
    """Say that an account holds too little of an asset that may still be disposed of."""
    reason = Reason.INSUFFICIENT_CASH if asset == CASH else Reason.INSUFFICIENT_UNITS
    return Refused(reason, f"Free: {free}.")


def endable(found: Encumbrance | None, *, kinds: frozenset[str]) -> Encumbrance | Refused:
    """Return an encumbrance that can end; refused is one that is not there, not in force, or ends another way."""
    if found is None:
        return Refused(Reason.ENCUMBRANCE_UNKNOWN)
    if found.kind not in kinds:
        return Refused(Reason.ENCUMBRANCE_KIND, f"{found.name} is a {found.kind.lower()}.")
    if found.state not in IN_FORCE:
        return Refused(Reason.ENCUMBRANCE_NOT_IN_FORCE, f"It is {found.state}.")
    return found


def decide_release(found: Encumbrance, ending: Ending) -> int | Refused:
    """Return how much of an encumbrance in force is released; a freeze of everything is lifted as a whole."""
    if found.everything is not None:
        return Refused(Reason.QUANTITY_INVALID, "It is lifted as a whole.") if ending.amount is not None else 0
    if ending.amount is None:
        return found.outstanding
    if not is_amount(ending.amount):
        return Refused(Reason.QUANTITY_INVALID)
    if ending.amount > found.outstanding:
        return Refused(Reason.ENCUMBRANCE_EXCEEDED, f"It is for {found.outstanding}.")
    return ending.amount


@dataclass(frozen=True, slots=True)
class Taking:
    """What is known when somebody is to get what an encumbrance holds."""

    giver: Account | None
    taker: Account | None
    taker_has: int
    available: int
    """What a freeze of everything may take from, besides what is held."""
    trading: bool


def decide_taking(found: Encumbrance, ending: Ending, facts: Taking) -> int | Refused:
    """Return how much a realisation or deduction takes, exactly what was stated; or the first reason why not."""
    reaches = found.everything is not None
    purpose = Purpose.ORDINARY if found.kind == PLEDGE else Purpose.COURT
    refused = refuse_source(
        found.account, facts.giver, with_exchange=reaches and facts.trading, purpose=purpose
    ) or _refuse_taker(ending.taker, facts.taker, giver=found.account, purpose=purpose)
    if refused is None and found.kind == PLEDGE:
        refused = _refuse_stranger(found, ending)
    if refused is not None:
        return refused
    if not is_amount(ending.amount) or not fits(facts.taker_has, ending.amount):
        return Refused(Reason.QUANTITY_INVALID)
    if (ending.asset is None) == reaches:
        return Refused(Reason.PRODUCT_UNKNOWN, "The asset is named where everything is frozen, and only there.")
    most = facts.available if reaches else found.held
    if ending.amount > most:
        return Refused(Reason.ENCUMBRANCE_EXCEEDED, f"It holds {most}.")
    return ending.amount


def _refuse_stranger(found: Encumbrance, ending: Ending) -> Refused | None:
    """A pledge is realised to its creditor; to anybody else only by an instruction to sell."""
    if ending.instruction is None and ending.taker != found.creditor_account:
        return Refused(
            Reason.CREDITOR_OTHER, f"The creditor's account is {found.creditor_account or 'not registered'}."
        )
    return None
