"""What an upload of verified emissions must satisfy, line by line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import csv_lines
from core.accounts.rules import is_emitter
from core.emissions.obligations.rules import PENALISED, is_emission
from core.emissions.years.rules import is_year
from core.refusals import LineError, Reason, Refused
from core.texts import is_plain_text

LINES_MAX = 20_000
COLUMNS = ("account", "tonnes", "reason")
_WHOLE = re.compile("-?[0-9]{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """An account's verified emissions of the year; the figure is not judged yet."""

    account: str
    tonnes: Any
    reason: str | None
    number: int = 0
    """Where the line stands in what was uploaded."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Verified emissions of one year."""

    year: int
    lines: tuple[Line, ...]
    unreadable: tuple[LineError, ...] = ()
    """Lines of a file that cannot even be read."""


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
    """Read an upload as proposed or kept: with ``lines``, or with a file's bytes, as Latin-1, in ``csv``.

    ``charset`` is the encoding of such a file where that is not UTF-8.
    """
    year, lines = body.get("year"), body.get("lines")
    if not is_year(year):
        return Refused(Reason.MALFORMED, "year: the year of the emissions, such as 2020.")
    if "csv" in body:
        return _read_file(year, body["csv"].encode("latin-1"), body.get("charset", "utf-8"))
    if not isinstance(lines, list) or not 0 < len(lines) <= LINES_MAX:
        return Refused(Reason.MALFORMED, f"lines: a list of 1 to {LINES_MAX}.")
    read = []
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, Mapping) or not is_plain_text(line.get("account"), 40):
            return Refused(Reason.MALFORMED, f"line {number}: an account and its tonnes.")
        reason = line.get("reason")
        if reason is not None and not is_plain_text(reason, 500):
            return Refused(Reason.MALFORMED, f"line {number}: a reason is one line of at most 500 characters.")
        read.append(Line(line["account"], line.get("tonnes"), reason, number))
    return Upload(year, tuple(read))


def _read_file(year: int, raw: bytes, encoding: str) -> Upload | Refused:
    """Read a CSV file with the columns account, tonnes and, for corrections, reason; lines count as in the file."""
    found = csv_lines.read(raw, columns=COLUMNS, optional=("reason",), encoding=encoding, lines_max=LINES_MAX)
    if isinstance(found, Refused):
        return found
    lines = []
    for row in found.rows:
        tonnes = row.cells["tonnes"]
        whole = int(tonnes) if _WHOLE.fullmatch(tonnes) else tonnes
        lines.append(Line(row.cells["account"], whole, row.cells.get("reason") or None, row.line))
    return Upload(year, tuple(lines), tuple(found.errors))


def judge(upload: Upload, known: Mapping[str, Known], *, this_year: int) -> Refused | None:
    """Refuse the upload for every wrong line at once."""
    if upload.year >= this_year:
        return Refused(Reason.YEAR_NOT_OVER, f"It is {this_year}.")
    errors = list(upload.unreadable)
    seen: set[str] = set()
    for line in upload.lines:
        refused = _judge_line(line, known.get(line.account, Known(in_reach=False)), twice=line.account in seen)
        seen.add(line.account)
        if refused is not None:
            errors.append(LineError(line.number, refused.reason, f"{line.account} {refused.detail}".strip()))
    return Refused.of_lines(sorted(errors, key=lambda error: error.line)) if errors else None


def _judge_line(line: Line, known: Known, *, twice: bool) -> Refused | None:
    if not known.in_reach:
        return Refused(Reason.ACCOUNT_UNKNOWN)
    if not is_emitter(line.account):
        return Refused(Reason.ACCOUNT_KIND, "Only key emitters have verified emissions.")
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
