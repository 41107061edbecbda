"""What an allocation plan says and does: who may receive, how much each line changes, and what the cap allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.accounts.rules import Account, Purpose, is_emitter, refuse_source, refuse_target
from core.quantities import MAX_AMOUNT, SERIALS_PER_VINTAGE, SerialRange, Vintage
from core.refusals import LineError, Reason, Refused

FULL, PRE, FINAL, ADJUST, TAKE_BACK = "full", "pre", "final", "adjust", "take_back"
KINDS = {
    FULL: "each line is allocated whole",
    PRE: "each line is a basis, of which a share in percent is allocated now",
    FINAL: "each line is what is due in the end; the difference from the plans before is allocated or taken back",
    ADJUST: "each line is a change of the plans before, above or below zero",
    TAKE_BACK: "each line goes back",
}
FOLLOWING = frozenset({FINAL, ADJUST, TAKE_BACK})
"""Kinds that change an earlier plan."""


@dataclass(frozen=True, slots=True)
class Line:
    """One account of the plan; the quantity is not judged until ``work_out``."""

    account: str
    tonnes: Any
    withheld: str | None = None
    """Why its units are kept back; None where they are handed out."""
    number: int = 0
    """Where it stands in what was uploaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which accounts get how much of one vintage, under a name that works once."""

    vintage: Vintage
    name: str
    lines: tuple[Line, ...]
    kind: str = FULL
    share_percent: int | None = None
    follows: int | None = None
    """Number of the plan that this one changes."""
    province: str | None = None
    """All accounts are firms that this province answers for."""
    unreadable: tuple[LineError, ...] = ()
    """Lines of the upload that could not even be read."""

    @property
    def stated(self) -> int:
        """Sum of the lines as they are stated; only of a plan that ``work_out`` let pass."""
        return sum(line.tonnes for line in self.lines)

    @property
    def issue_id(self) -> str:
        """The name of the issue that the plan becomes, and the reference of all it books."""
        return f"{self.vintage.product}/{self.name}"

    @property
    def is_plain(self) -> bool:
        """True for a plan that says nothing but who gets how much."""
        return self.kind == FULL and self.province is None and not any(line.withheld for line in self.lines)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at the moment of decision; the maps are by account."""

    accounts: Mapping[str, Account]
    issued: int = 0
    """Serials of the vintage that there ever were."""
    stock: int = 0
    """Tonnes that were issued and came back: they are handed out again first."""
    allocated: int = 0
    """Tonnes of the vintage that plans have given, less what came back."""
    cap: int | None = None
    executed: bool = False
    """A plan of this name was carried out."""
    may_issue: bool = True
    followed: bool = True
    """The plan that it changes was carried out, and is of the same product."""
    granted: Mapping[str, int] = field(default_factory=dict)
    """What the plans that it follows have granted so far."""
    withheld: Mapping[str, int] = field(default_factory=dict)
    """What is withheld under them."""
    available: Mapping[str, int] = field(default_factory=dict)
    deductions: Mapping[str, int] = field(default_factory=dict)
    trading: frozenset[str] = frozenset()
    """Accounts whose units may be sold right now. Before trading starts the exchange is sent new opening data."""
    provinces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """What one line does; all but ``granted`` are zero or more."""

    line: Line
    granted: int
    """By how much the account's allocation changes, below zero when some goes back."""
    allocated: int = 0
    withheld: int = 0
    deducted: int = 0
    """Granted, and at once worked off against an earlier shortfall: not issued."""
    withdrawn: int = 0
    """Taken back out of what was withheld."""
    taken_back: int = 0
    owed: int = 0
    """To be taken back and not there: deducted from the next allocations."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Everything that carrying a plan out does, as a dry run shows it and as the real run books it."""

    plan: Plan
    shares: Sequence[Share]
    serials: SerialRange | None
    """What is newly issued."""

    def sum_of(self, what: str) -> int:
        """Add up one figure of all shares."""
        return sum(getattr(share, what) for share in self.shares)

    @property
    def body(self) -> dict[str, Any]:
        """The effect as people read it; figures that are nought are left out."""
        said: dict[str, Any] = {
            "serials": None if self.serials is None else str(self.serials),
            "tonnes": self.sum_of("granted"),
        }
        figures = ("withheld", "deducted", "taken_back", "withdrawn", "owed")
        return said | {name: total for name in figures if (total := self.sum_of(name))}


def work_out(plan: Plan, facts: Facts) -> Effect | Refused:
    """Say what carrying the plan out does, or refuse it for every wrong line at once."""
    if not facts.followed:
        return Refused(Reason.PLAN_NOT_EXECUTED)
    shares: list[Share] = []
    errors = list(plan.unreadable)
    seen: set[str] = set()
    for line in plan.lines:
        made = _share(plan, line, facts, twice=line.account in seen)
        seen.add(line.account)
        if isinstance(made, Refused):
            errors.append(LineError(line.number, made.reason, f"{line.account} {made.detail}".strip()))
        else:
            shares.append(made)
    if errors:
        return Refused.of_lines(sorted(errors, key=lambda error: error.line))
    out = sum(share.allocated + share.withheld for share in shares)
    back = sum(share.taken_back + share.withdrawn for share in shares)
    new = max(0, out - back - facts.stock)
    refused = _refuse_total(plan, facts, out=out, back=back, new=new)
    if refused is not None:
        return refused
    made_new = SerialRange(plan.vintage, facts.issued + 1, facts.issued + new) if new else None
    return Effect(plan, shares, made_new)


def _refuse_total(plan: Plan, facts: Facts, *, out: int, back: int, new: int) -> Refused | None:
    if facts.issued + new >= SERIALS_PER_VINTAGE:
        return Refused(Reason.QUANTITY_INVALID, f"{new} t do not fit into the serials of {plan.vintage.product}.")
    if facts.executed:
        return Refused(Reason.PLAN_EXECUTED, plan.name)
    if out and not facts.may_issue:
        return Refused(Reason.PRODUCT_UNKNOWN, f"{plan.vintage.product} is not open for issue.")
    after = facts.allocated + out - back
    if facts.cap is not None and out and after > facts.cap:
        said = f"{facts.allocated} t are allocated and would be {after} t; the cap is {facts.cap} t."
        return Refused(Reason.CAP_EXCEEDED, f"{plan.vintage.product}: {said}")
    return None


def _share(plan: Plan, line: Line, facts: Facts, *, twice: bool) -> Share | Refused:
    account = facts.accounts.get(line.account)
    if account is None:
        return refuse_target(line.account, None) or Refused(Reason.TARGET_UNKNOWN)
    if not is_emitter(line.account):
        return Refused(Reason.ACCOUNT_KIND, "Only key emitters are allocated allowances.")
    if plan.province is not None and facts.provinces.get(line.account) != plan.province:
        return Refused(Reason.LINE_OF_ELSEWHERE)
    change = _change(plan, line, facts.granted.get(line.account, 0))
    if isinstance(change, Refused):
        return change
    if twice:
        return Refused(Reason.PLAN_LINE_TWICE)
    return _more(line, change, account, facts) if change >= 0 else _less(line, -change, account, facts)


def _change(plan: Plan, line: Line, granted: int) -> int | Refused:
    """Return by how much the line changes what the account is allocated."""
    tonnes = line.tonnes
    if type(tonnes) is not int or not -MAX_AMOUNT <= tonnes <= MAX_AMOUNT:
        return Refused(Reason.QUANTITY_INVALID)
    least = {FINAL: 0, ADJUST: -granted, FULL: 1, PRE: 1, TAKE_BACK: 1}[plan.kind]
    if tonnes < least or (plan.kind == ADJUST and tonnes == 0) or (plan.kind == TAKE_BACK and tonnes > granted):
        detail = f"{granted} t were allocated under the plan." if plan.kind in {ADJUST, TAKE_BACK} else ""
        return Refused(Reason.QUANTITY_INVALID, detail)
    if plan.kind == PRE:
        return int(tonnes) * (plan.share_percent or 0) // 100
    if plan.kind == FINAL:
        return int(tonnes) - granted
    return -tonnes if plan.kind == TAKE_BACK else tonnes


def _more(line: Line, tonnes: int, account: Account, facts: Facts) -> Share | Refused:
    """Allocate, less what the account still owes; a line that is withheld waits for its account too."""
    refused = None if line.withheld or not tonnes else refuse_target(line.account, account)
    if refused is not None:
        return refused
    deducted = min(tonnes, facts.deductions.get(line.account, 0))
    left = tonnes - deducted
    given, kept = (0, left) if line.withheld else (left, 0)
    return Share(line, tonnes, allocated=given, withheld=kept, deducted=deducted)


def _less(line: Line, tonnes: int, account: Account, facts: Facts) -> Share | Refused:
    """Take back: first what is withheld, then what is available; what is missing is owed."""
    withdrawn = min(tonnes, facts.withheld.get(line.account, 0))
    taken = min(tonnes - withdrawn, facts.available.get(line.account, 0))
    if taken:
        trading = line.account in facts.trading
        refused = refuse_source(line.account, account, with_exchange=trading, purpose=Purpose.COMPLIANCE)
        if refused is not None:
            return refused
    return Share(line, -tonnes, withdrawn=withdrawn, taken_back=taken, owed=tonnes - withdrawn - taken)
