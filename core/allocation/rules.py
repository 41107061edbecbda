"""What an allocation plan must satisfy: who may receive, how much, and that no line stands twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.accounts.rules import LINES_MAX, Account, refuse_target, vintage_of
from core.approvals.rules import is_plain_text
from core.ledger.rules import is_amount
from core.quantities import SERIALS_PER_VINTAGE, Vintage
from core.refusals import LineError, Reason, Refused


@dataclass(frozen=True, slots=True)
class Line:
    """One account of the plan; the quantity is not judged until ``judge``."""

    account: str
    tonnes: Any


@dataclass(frozen=True, slots=True)
class Plan:
    """Which accounts get how much of one vintage, under a name that works once."""

    vintage: Vintage
    name: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        """Tonnes of all lines; only of a plan that ``judge`` let pass."""
        return sum(line.tonnes for line in self.lines)

    @property
    def issue_id(self) -> str:
        """The name of the issue that the plan becomes."""
        return f"{self.vintage.product}/{self.name}"


def read_plan(body: Mapping[str, Any]) -> Plan | Refused:
    """Read a plan as proposed, or as a task kept it."""
    name, lines, vintage = body.get("plan"), body.get("lines"), vintage_of(body.get("product"))
    if not is_plain_text(name, 100):
        return Refused(Reason.MALFORMED, "plan: a name of at most 100 characters.")
    if not isinstance(lines, list) or len(lines) > LINES_MAX:
        return Refused(Reason.MALFORMED, f"lines: a list of at most {LINES_MAX}.")
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, Mapping) or not is_plain_text(line.get("account"), 40):
            return Refused(Reason.MALFORMED, f"line {number}: an account and its tonnes.")
    if vintage is None:
        return Refused(Reason.PRODUCT_UNKNOWN, "A product is CEA-<year>.")
    if not lines:
        return Refused(Reason.UNITS_PLAN_EMPTY)
    return Plan(vintage, name, tuple(Line(line["account"], line.get("tonnes")) for line in lines))


def judge(plan: Plan, *, accounts: Mapping[str, Account], issued: int, executed: bool) -> Refused | None:
    """Refuse the plan for every wrong line at once; ``issued`` is how many serials the vintage has already."""
    errors = _wrong_lines(plan.lines, accounts)
    if errors:
        return Refused.of_lines(errors)
    if issued + plan.total >= SERIALS_PER_VINTAGE:
        return Refused(
            Reason.QUANTITY_INVALID, f"{plan.total} t do not fit into the serials of {plan.vintage.product}."
        )
    if executed:
        return Refused(Reason.PLAN_EXECUTED, plan.name)
    return None


def _wrong_lines(lines: Sequence[Line], accounts: Mapping[str, Account]) -> list[LineError]:
    errors: list[LineError] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        refused = _judge_line(line, accounts.get(line.account), twice=line.account in seen)
        seen.add(line.account)
        if refused is not None:
            errors.append(LineError(number, refused.reason, f"{line.account} {refused.detail}".strip()))
    return errors


def _judge_line(line: Line, account: Account | None, *, twice: bool) -> Refused | None:
    refused = refuse_target(line.account, account)
    if refused is not None:
        return refused
    if not line.account.startswith("E"):
        return Refused(Reason.NUMBER_INVALID, "Only key emitters are allocated allowances.")
    if not is_amount(line.tonnes):
        return Refused(Reason.QUANTITY_INVALID)
    return Refused(Reason.PLAN_LINE_TWICE) if twice else None
