"""Reads a CSV of applications and names everything that is wrong with it, row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import csv_lines
from core.accounts.rules import BANKS, CONTACT_FIELDS, Application, faults_of, read_application
from core.refusals import LineError, Reason, Refused

ROWS_MAX = 60_000
"""Twenty-four times the market's accounts; one file is one transaction of a few seconds."""
BYTES_MAX = 100 * 1024 * 1024
"""No row needs more than 1.5 kB."""

OPTIONAL = ("credit_code", "sector", "bank", *(f"contact_{name}" for name in CONTACT_FIELDS))
COLUMNS = ("name", "kind", "province", *OPTIONAL)
ALIASES: Mapping[str, str] = {
    "名称": "name",
    "类型": "kind",
    "省份": "province",
    "统一社会信用代码": "credit_code",
    "行业": "sector",
    "结算银行": "bank",
    "联系人": "contact_person",
    "电话": "contact_phone",
    "邮箱": "contact_email",
    "地址": "contact_address",
}
"""Headings as they stand in the forms of the trade."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class File:
    """What a file says: applications with the lines they stand on, and everything that is wrong."""

    sha256: str
    lines: Sequence[int] = ()
    applications: Sequence[Application] = ()
    errors: Sequence[LineError] = field(default=())


def read_file(
    content: bytes, *, encoding: str = "utf-8", banks: Collection[str] = BANKS, progress: Progress | None = None
) -> File | Refused:
    """Read a whole file; Refused when it is no table of applications at all, else every wrong row is in ``errors``."""
    if len(content) > BYTES_MAX:
        return Refused(Reason.FILE_TOO_LARGE, f"At most {BYTES_MAX} bytes.")
    found = csv_lines.read(
        content, columns=COLUMNS, optional=OPTIONAL, aliases=ALIASES, encoding=encoding, lines_max=ROWS_MAX
    )
    if isinstance(found, Refused):
        return found
    table = _Table(banks)
    for count, row in enumerate(found.rows, start=1):
        table.take(row)
        if progress is not None:
            progress(count)
    errors = sorted([*found.errors, *table.errors], key=lambda error: error.line)
    return File(hashlib.sha256(content).hexdigest(), table.lines, table.applications, errors)


class _Table:
    """Collects what rows say, and compares each with those before it."""

    def __init__(self, banks: Collection[str]) -> None:
        self._banks = banks
        self._codes: dict[str, int] = {}
        self._seen: dict[tuple[str, ...], int] = {}
        self.lines: list[int] = []
        self.applications: list[Application] = []
        self.errors: list[LineError] = []

    def take(self, row: csv_lines.Row) -> None:
        """Read one row, or note all that is wrong with it."""
        body = _body(row.cells)
        faults = [
            LineError(row.line, fault.reason, fault.detail, fault.column)
            for fault in faults_of(body, banks=self._banks)
        ]
        faults += self._repeated(row, body.get("credit_code"))
        application = read_application(body, banks=self._banks) if not faults else None
        if isinstance(application, Application):
            self.lines.append(row.line)
            self.applications.append(application)
        self.errors += faults

    def _repeated(self, row: csv_lines.Row, code: str | None) -> list[LineError]:
        whole = tuple(row.cells.values())
        before = self._seen.setdefault(whole, row.line)
        if before != row.line:
            return [LineError(row.line, Reason.FILE_LINE_TWICE, f"As line {before}.")]
        if code is None:
            return []
        before = self._codes.setdefault(code, row.line)
        if before != row.line:
            return [LineError(row.line, Reason.SUBJECT_HAS_ACCOUNT, f"As line {before}.", "credit_code")]
        return []


def _body(named: Mapping[str, str]) -> dict[str, Any]:
    """Word a row as the application it is; an empty field is one that is not there."""
    contact = {name: named[f"contact_{name}"] for name in CONTACT_FIELDS if named.get(f"contact_{name}")}
    body: dict[str, Any] = {name: value for name, value in named.items() if value and not name.startswith("contact_")}
    return body | ({"contact": contact} if contact else {})


def with_taken(file: File, taken: Collection[str]) -> list[LineError]:
    """Return all errors of the file in order of lines, those of subjects that have an account included."""
    known = [
        LineError(line, Reason.SUBJECT_HAS_ACCOUNT, application.credit_code or "", "credit_code")
        for line, application in zip(file.lines, file.applications, strict=True)
        if application.credit_code in taken
    ]
    return sorted([*file.errors, *known], key=lambda error: error.line)
