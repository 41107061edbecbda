"""Reads a plan as people upload it, as JSON or as a CSV file; what its lines say is judged later, all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core import csv_lines
from core.accounts.rules import LINES_MAX, vintage_of
from core.allocation.rules import FOLLOWING, FULL, KINDS, PRE, Line, Plan
from core.ledger.rules import is_amount
from core.provinces import is_province
from core.quantities import Vintage
from core.refusals import Reason, Refused
from core.texts import is_plain_text

FILE_LINES_MAX = 60_000
"""Lines of a plan that comes as a file."""

COLUMNS = ("account", "tonnes", "withheld")

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def read_plan(body: Mapping[str, Any]) -> Plan | Refused:
    """Read a plan as proposed, or as a task kept it: with ``lines``, or with a file's bytes, as Latin-1, in ``csv``.

    ``charset`` is the encoding of such a file where that is not UTF-8.
    """
    vintage = vintage_of(body.get("product"))
    refused = _refuse_frame(body)
    if refused is not None:
        return refused
    if "csv" in body:
        found = csv_lines.read(
            body["csv"].encode("latin-1"),
            columns=COLUMNS,
            optional=("withheld",),
            encoding=body.get("charset", "utf-8"),
            lines_max=FILE_LINES_MAX,
        )
        if isinstance(found, Refused):
            return found
        lines, unreadable = tuple(_line_of(row) for row in found.rows), tuple(found.errors)
    else:
        refused = _refuse_lines(body.get("lines"))
        if refused is not None:
            return refused
        unreadable = ()
        lines = tuple(
            Line(line["account"], line.get("tonnes"), line.get("withheld"), number)
            for number, line in enumerate(body["lines"], start=1)
        )
    if vintage is None:
        return Refused(Reason.PRODUCT_UNKNOWN, "A product is CEA-<year>.")
    if not lines and not unreadable:
        return Refused(Reason.PLAN_EMPTY)
    return _plan_of(body, vintage, lines, unreadable)


def _plan_of(body: Mapping[str, Any], vintage: Vintage, lines: tuple[Line, ...], unreadable: Any) -> Plan:
    return Plan(
        vintage=vintage,
        name=body["plan"],
        lines=lines,
        kind=body.get("kind") or FULL,
        share_percent=body.get("share_percent"),
        follows=body.get("follows"),
        province=body.get("province"),
        unreadable=unreadable,
    )


def _line_of(row: csv_lines.Row) -> Line:
    tonnes = row.cells["tonnes"]
    whole = int(tonnes) if _WHOLE.fullmatch(tonnes) else tonnes
    return Line(row.cells["account"], whole, row.cells.get("withheld") or None, row.line)


def _refuse_lines(lines: object) -> Refused | None:
    if not isinstance(lines, list) or len(lines) > LINES_MAX:
        return Refused(Reason.MALFORMED, f"lines: a list of at most {LINES_MAX}.")
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, Mapping) or not is_plain_text(line.get("account"), 40):
            return Refused(Reason.MALFORMED, f"line {number}: an account and its tonnes.")
        if line.get("withheld") is not None and not is_plain_text(line["withheld"]):
            return Refused(Reason.MALFORMED, f"line {number}: withheld says why, in at most 200 characters.")
    return None


def _refuse_frame(body: Mapping[str, Any]) -> Refused | None:
    """Refuse a name that is none, and what does not fit together of kind, share, plan before and province."""
    kind, share, follows = body.get("kind") or FULL, body.get("share_percent"), body.get("follows")
    province = body.get("province")
    rules = (
        (is_plain_text(body.get("plan"), 100), "plan: a name of at most 100 characters."),
        (kind in KINDS, f"kind: one of {', '.join(KINDS)}."),
        ((share is not None) == (kind == PRE), "share_percent: with kind pre, and with no other."),
        (share is None or (type(share) is int and 1 <= share <= 100), "share_percent: a whole number from 1 to 100."),
        ((follows is not None) == (kind in FOLLOWING), f"follows: with {', '.join(sorted(FOLLOWING))}, and no other."),
        (follows is None or is_amount(follows), "follows: the number of the plan that this one changes."),
        (province is None or is_province(province), "province: two digits by GB/T 2260."),
    )
    return next((Refused(Reason.MALFORMED, said) for holds, said in rules if not holds), None)
