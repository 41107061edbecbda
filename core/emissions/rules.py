"""What an upload of verified emissions must satisfy, line by line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.approvals.rules import is_plain_text
from core.emissions.obligations.rules import PENALISED, is_emission
from core.emissions.years.rules import is_year
from core.refusals import LineError, Reason, Refused

LINES_MAX = 20_000
COLUMNS = ("account", "tonnes", "reason")
_WHOLE = re.compile("-?[0-9]{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """An account's verified emissions of the year; the figure is not judged yet."""

    account: str
    tonnes: Any
    reason: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """Verified emissions of one year."""

    year: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an account before the upload."""

    in_reach: bool
    """It exists, and the caller's authority answers for it."""
    tonnes: int | None = None
    """Its verified emissions so far."""
    version: int = 0
    state: str = "NONE"


def read_upload(body: Mapping[str, Any]) -> Upload | Refused:
    """Read an upload as proposed, or as a task kept it."""
    year, lines = body.get("year"), body.get("lines")
    if not is_year(year):
        return Refused(Reason.MALFORMED, "year: the year of the emissions, such as 2020.")
    if not isinstance(lines, list) or not 0 < len(lines) <= LINES_MAX:
        return Refused(Reason.MALFORMED, f"lines: a list of 1 to {LINES_MAX}.")
    read = []
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, Mapping) or not is_plain_text(line.get("account"), 40):
            return Refused(Reason.MALFORMED, f"line {number}: an account and its tonnes.")
        reason = line.get("reason")
        if reason is not None and not is_plain_text(reason, 500):
            return Refused(Reason.MALFORMED, f"line {number}: a reason is one line of at most 500 characters.")
        read.append(Line(line["account"], line.get("tonnes"), reason))
    return Upload(year, tuple(read))


def read_csv(year: int, content: str) -> dict[str, Any] | Refused:
    """Turn a CSV file into the body of an upload: a header, then account, tonnes and, for corrections, a reason."""
    try:
        rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        return Refused(Reason.MALFORMED, f"The file is no CSV: {error}.")
    if not rows or [name.strip().lower() for name in rows[0]] not in (list(COLUMNS), list(COLUMNS[:2])):
        return Refused(Reason.MALFORMED, f"The first line names the columns: {','.join(COLUMNS)}.")
    lines = []
    for number, row in enumerate(rows[1:], start=1):
        if not 2 <= len(row) <= len(rows[0]):
            return Refused(Reason.MALFORMED, f"line {number}: {len(row)} columns, {len(rows[0])} are named.")
        tonnes = row[1].strip()
        line: dict[str, Any] = {"account": row[0].strip(), "tonnes": tonnes}
        if _WHOLE.fullmatch(tonnes):
            line["tonnes"] = int(tonnes)
        if len(row) > 2 and row[2].strip():
            line["reason"] = row[2].strip()
        lines.append(line)
    return {"year": year, "lines": lines}


def judge(upload: Upload, known: Mapping[str, Known], *, this_year: int) -> Refused | None:
    """Refuse the upload for every wrong line at once."""
    if upload.year >= this_year:
        return Refused(Reason.YEAR_NOT_OVER, f"It is {this_year}.")
    errors: list[LineError] = []
    seen: set[str] = set()
    for number, line in enumerate(upload.lines, start=1):
        refused = _judge_line(line, known.get(line.account, Known(in_reach=False)), twice=line.account in seen)
        seen.add(line.account)
        if refused is not None:
            errors.append(LineError(number, refused.reason, f"{line.account} {refused.detail}".strip()))
    return Refused.of_lines(errors) if errors else None


def _judge_line(line: Line, known: Known, *, twice: bool) -> Refused | None:
    if not known.in_reach:
        return Refused(Reason.ACCOUNT_UNKNOWN)
    if not line.account.startswith("E"):
        return Refused(Reason.NUMBER_INVALID, "Only key emitters have verified emissions.")
    if not is_emission(line.tonnes):
        return Refused(Reason.QUANTITY_INVALID, "Whole tonnes, from 0.")
    if twice:
        return Refused(Reason.EMISSIONS_TWICE)
    return _judge_correction(line, known) if known.version else None


def _judge_correction(line: Line, known: Known) -> Refused | None:
    if line.reason is None:
        return Refused(Reason.CORRECTION_WITHOUT_REASON, f"Verified so far: {known.tonnes} t.")
    if line.tonnes == known.tonnes:
        return Refused(Reason.EMISSIONS_UNCHANGED)
    if known.state == PENALISED:
        return Refused(Reason.OBLIGATION_PENALISED)
    return None


def accounts_of(upload: Upload) -> Sequence[str]:
    """Name the accounts of an upload, each once."""
    return list(dict.fromkeys(line.account for line in upload.lines))
