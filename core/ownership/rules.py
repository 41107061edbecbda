"""Who may come after whom, and how what one account holds is divided: the same answer for a trial and the real run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.accounts.rules import Account, is_registry, refuse_source, refuse_target, vintage_of
from core.encumbrance.orders import short_of
from core.encumbrance.rules import IN_FORCE, Encumbrance, free_of, name_of, number_of
from core.ledger.rules import AVAILABLE, BOUGHT_TODAY, LOCKED, PENDING_SURRENDER, fits, is_amount
from core.quantities import CASH
from core.refusals import Reason, Refused
from core.texts import is_plain_text

INHERITANCE, MERGER, SPLIT = "inheritance", "merger", "split"
KINDS = (INHERITANCE, MERGER, SPLIT)

PARTS_MAX = 100
LINES_MAX = 200

_PERSON = "P"


@dataclass(frozen=True, slots=True)
class Part:
    """What one successor gets: amounts of assets that are free, and encumbrances with all that they hold."""

    account: str
    holdings: tuple[tuple[str, Any], ...] = ()
    encumbrances: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Succession:
    """A change of ownership by law, as asked for; the amounts are not judged yet."""

    kind: str
    giver: str
    parts: tuple[Part, ...]
    document: str
    closes: bool
    """Nothing may be left, and the account ends with it."""


def read_succession(body: Mapping[str, Any]) -> Succession | Refused:
    """Read a merger, split or inheritance as proposed, or as a task kept it."""
    kind, giver, document = body.get("kind"), body.get("account"), body.get("document")
    if kind not in KINDS or not is_plain_text(giver, 40) or not is_plain_text(document):
        return Refused(Reason.MALFORMED, f"kind ({', '.join(KINDS)}), account and document are texts.")
    if kind == MERGER:
        into = body.get("into_account")
        if not is_plain_text(into, 40) or body.get("parts") is not None:
            return Refused(Reason.MALFORMED, "A merger names into_account, and no parts: everything goes there.")
        return Succession(MERGER, giver, (Part(into),), document, closes=True)
    closes = body.get("closes", False)
    if body.get("into_account") is not None or type(closes) is not bool:
        return Refused(Reason.MALFORMED, "parts say who gets what; closes is true or false.")
    parts = _read_parts(body.get("parts"))
    if isinstance(parts, Refused):
        return parts
    return Succession(kind, giver, parts, document, closes=closes or kind == INHERITANCE)


def _read_parts(said: object) -> tuple[Part, ...] | Refused:
    if not isinstance(said, list) or not 0 < len(said) <= PARTS_MAX:
        return Refused(Reason.MALFORMED, f"parts: 1 to {PARTS_MAX} successors.")
    parts = [_read_part(one) for one in said]
    refused = next((part for part in parts if isinstance(part, Refused)), None)
    if refused is not None:
        return refused
    good = tuple(part for part in parts if isinstance(part, Part))
    named = [number for part in good for number in part.encumbrances]
    if len({part.account for part in good}) != len(good) or len(set(named)) != len(named):
        return Refused(Reason.MALFORMED, "A successor, or an encumbrance, is named twice.")
    return good


def _read_part(said: object) -> Part | Refused:
    if not isinstance(said, Mapping) or not is_plain_text(said.get("account"), 40):
        return Refused(Reason.MALFORMED, "parts: account names the successor.")
    holdings, encumbrances = said.get("holdings", []), said.get("encumbrances", [])
    if not isinstance(holdings, list) or not isinstance(encumbrances, list) or not (holdings or encumbrances):
        return Refused(Reason.MALFORMED, "parts: holdings and encumbrances are lists, and not both are empty.")
    if len(holdings) + len(encumbrances) > LINES_MAX:
        return Refused(Reason.MALFORMED, f"parts: at most {LINES_MAX} lines for one successor.")
    lines = [(str(line.get("asset")), line.get("amount")) for line in holdings if isinstance(line, Mapping)]
    assets = [asset for asset, _ in lines if asset == CASH or vintage_of(asset) is not None]
    if len(assets) != len(holdings) or len(set(assets)) != len(assets):
        return Refused(Reason.MALFORMED, "holdings: asset (CEA-<vintage> or CNY, each once) and amount.")
    numbers = [number_of(name) for name in encumbrances]
    if None in numbers:
        return Refused(Reason.MALFORMED, "encumbrances: numbers, as ENC-00000001.")
    return Part(said["account"], tuple(lines), tuple(number for number in numbers if number is not None))


@dataclass(frozen=True, slots=True)
class Estate:
    """What is known of the giver and the successors at the moment of decision."""

    giver: Account | None
    takers: Mapping[str, Account]
    held: Mapping[tuple[str, str], int]
    """The giver's balances by asset and bucket."""
    taker_held: Mapping[tuple[str, str, str], int]
    """The successors' balances by account, asset and bucket."""
    encumbrances: Sequence[Encumbrance]
    trading: bool
    open_tasks: int

    def free(self, asset: str) -> int:
        """What may be divided of an asset: no freeze waits for it."""
        return free_of(self.held.get((asset, AVAILABLE), 0), [one for one in self.encumbrances if one.asset == asset])


@dataclass(frozen=True, slots=True, order=True)
class Movement:
    """An amount that goes over to a successor and stays held the way it was."""

    taker: str
    asset: str
    bucket: str
    amount: int

    @property
    def body(self) -> dict[str, Any]:
        """The movement as callers read it."""
        return {"to_account": self.taker, "asset": self.asset, "bucket": self.bucket, "amount": self.amount}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a succession does."""

    movements: tuple[Movement, ...]
    encumbrances: tuple[tuple[Encumbrance, str], ...]
    """Which encumbrance goes to whom; its rank goes along."""
    closes: bool
    left: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The plan as callers read it."""
        return {
            "movements": [movement.body for movement in self.movements],
            "encumbrances": [{"number": one.name, "to_account": taker} for one, taker in self.encumbrances],
            "closes": self.closes,
            "left": [{"asset": a, "bucket": b, "amount": n} for (a, b), n in sorted(self.left.items()) if n],
        }


def plan(asked: Succession, estate: Estate) -> Plan | Refused:
    """Return who gets what, or the first reason why not."""
    refused = (
        refuse_source(asked.giver, estate.giver, with_exchange=estate.trading)
        or _refuse_takers(asked, estate)
        or _refuse_business(asked, estate)
    )
    if refused is not None:
        return refused
    return _whole(asked, estate) if asked.kind == MERGER else _divided(asked, estate)


def _refuse_takers(asked: Succession, estate: Estate) -> Refused | None:
    for part in asked.parts:
        refused = refuse_target(part.account, estate.takers.get(part.account))
        if refused is not None:
            return refused
        if part.account == asked.giver:
            return Refused(Reason.TARGET_IS_SOURCE)
    numbers = [asked.giver, *(part.account for part in asked.parts)]
    if any(is_registry(number) for number in numbers):
        return Refused(Reason.ACCOUNT_KIND, "The registry's own accounts take no part.")
    if any((number[0] == _PERSON) != (asked.kind == INHERITANCE) for number in numbers):
        return Refused(Reason.SUCCESSOR_KIND)
    return None


def _refuse_business(asked: Succession, estate: Estate) -> Refused | None:
    """Whoever ends has nothing on a desk any more: what is proposed would rest on an account that is gone."""
    if any(one.everything is not None for one in estate.encumbrances):
        return Refused(Reason.ACCOUNT_BUSY, "Everything it holds is frozen.")
    if not asked.closes or estate.giver is None:
        return None
    if estate.giver.pending_state is not None:
        return Refused(Reason.STATE_CHANGE_PENDING, f"{estate.giver.pending_state} is on its way.")
    pending = [f"{n} {asset} {bucket}" for (asset, bucket), n in estate.held.items() if n and bucket in ON_A_DESK]
    if pending:
        return Refused(Reason.ACCOUNT_BUSY, f"It holds {'; '.join(sorted(pending))}.")
    return Refused(Reason.ACCOUNT_BUSY, f"{estate.open_tasks} open.") if estate.open_tasks else None


ON_A_DESK = frozenset({LOCKED, PENDING_SURRENDER})


def _whole(asked: Succession, estate: Estate) -> Plan | Refused:
    [part] = asked.parts
    movements = [Movement(part.account, asset, bucket, n) for (asset, bucket), n in estate.held.items() if n]
    moved = tuple((one, part.account) for one in estate.encumbrances)
    return _checked(Plan(tuple(sorted(movements)), moved, closes=True), estate)


def _divided(asked: Succession, estate: Estate) -> Plan | Refused:
    refused = _refuse_amounts(asked, estate)
    if refused is not None:
        return refused
    alive = {one.number: one for one in estate.encumbrances if one.state in IN_FORCE}
    given = [(number, part.account) for part in asked.parts for number in part.encumbrances]
    unknown = next((number for number, _ in given if number not in alive), None)
    if unknown is not None:
        return Refused(Reason.NOT_DIVIDED, f"{asked.giver} has no encumbrance {name_of(unknown)} in force.")
    moved = [(alive[number], taker) for number, taker in given]
    left = dict(estate.held)
    movements: dict[tuple[str, str, str], int] = {}
    lines = [(part.account, asset, AVAILABLE, n) for part in asked.parts for asset, n in part.holdings]
    lines += [(taker, one.asset or "", one.bucket, one.held) for one, taker in moved if one.held]
    for taker, asset, bucket, amount in lines:
        movements[taker, asset, bucket] = movements.get((taker, asset, bucket), 0) + amount
        left[asset, bucket] = left.get((asset, bucket), 0) - amount
    if asked.closes and (any(left.values()) or len(moved) != len(estate.encumbrances)):
        rest = "; ".join(f"{n} {asset} {bucket}" for (asset, bucket), n in sorted(left.items()) if n)
        later = " Bought today: divide it tomorrow." if any(left[k] for k in left if k[1] == BOUGHT_TODAY) else ""
        return Refused(Reason.NOT_DIVIDED, f"Left: {rest or 'encumbrances'}.{later}")
    made = tuple(Movement(*key, amount) for key, amount in sorted(movements.items()))
    return _checked(Plan(made, tuple(moved), asked.closes, left), estate)


def _refuse_amounts(asked: Succession, estate: Estate) -> Refused | None:
    """Refuse amounts that are none, then what is more than there is, in the order of the parts."""
    lines = [(asset, amount) for part in asked.parts for asset, amount in part.holdings]
    if not all(is_amount(amount) for _, amount in lines):
        return Refused(Reason.QUANTITY_INVALID)
    for asset in dict.fromkeys(asset for asset, _ in lines):
        free = estate.free(asset)
        if sum(amount for one, amount in lines if one == asset) > free:
            return short_of(asset, free)
    return None


def _checked(made: Plan, estate: Estate) -> Plan | Refused:
    """Refuse what a successor's balance cannot take in."""
    for one in made.movements:
        if not fits(estate.taker_held.get((one.taker, one.asset, one.bucket), 0), one.amount):
            return Refused(Reason.QUANTITY_INVALID, f"{one.taker} cannot hold so much.")
    return made
