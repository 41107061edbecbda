"""Reads a CSV of applications and names everything that is wrong with it, row by row."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.accounts.rules import BANKS, CONTACT_FIELDS, Application, faults_of, read_application
from core.refusals import LineError, Reason, Refused

ROWS_MAX = 60_000
"""Twenty-four times the market's accounts; one file is one transaction of a few seconds."""
BYTES_MAX = 100 * 1024 * 1024
"""No row needs more than 1.5 kB."""
FIELD_MAX = 1_000
"""Characters of one field; the longest that is accepted has 200."""

REQUIRED = ("name", "kind", "province")
COLUMNS = (*REQUIRED, "credit_code", "sector", "bank", *(f"contact_{name}" for name in CONTACT_FIELDS))
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


def decode(content: bytes, encoding: str = "utf-8") -> str | Refused:
    """Read bytes as text; a byte order mark is taken off, and an encoding that is not UTF-8 is named."""
    if len(content) > BYTES_MAX:
        return Refused(Reason.FILE_TOO_LARGE, f"At most {BYTES_MAX} bytes.")
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return Refused(Reason.FILE_NOT_UTF8, f"{_guess(content)} Byte {error.start + 1} is the first that is wrong.")


def _guess(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "It is UTF-16."
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return "It is no encoding known here."
    return "It looks like GB18030."


def read_file(
    content: bytes, *, encoding: str = "utf-8", banks: Collection[str] = BANKS, progress: Progress | None = None
) -> File | Refused:
    """Read a whole file; Refused when it is no table of applications at all, else every wrong row is in ``errors``."""
    text = decode(content, encoding)
    if isinstance(text, Refused):
        return text
    rows = _rows(text)
    header = _header(next(rows, None))
    if isinstance(header, Refused):
        return header
    table = _Table(header, banks)
    for count, row in enumerate(rows, start=1):
        if count > ROWS_MAX:
            return Refused(Reason.FILE_TOO_LARGE, f"At most {ROWS_MAX} lines below the header.")
        table.take(row)
        if progress is not None:
            progress(count)
    if not table.lines and not table.errors:
        return Refused(Reason.FILE_EMPTY)
    return File(hashlib.sha256(content).hexdigest(), table.lines, table.applications, table.errors)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    fields: Sequence[str] = ()
    broken: str = ""


def _rows(text: str) -> Iterator[_Row]:
    """Split into rows with the line on which each begins; lines with nothing on them are left out.

    What cannot be read ends the file: behind an open quote nothing is what it seems.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Row(line, broken=f"{error}.")
            return
        if any(value.strip() for value in fields):
            yield _Row(line, [value.strip() for value in fields])


def _header(row: _Row | None) -> list[str] | Refused:
    if row is None:
        return Refused(Reason.FILE_EMPTY)
    if row.broken:
        return Refused(Reason.FILE_HEADER, row.broken)
    named = [ALIASES.get(value, value.lower()) for value in row.fields]
    missing = [name for name in REQUIRED if name not in named]
    strange = [name for name in named if name not in COLUMNS]
    if missing:
        return Refused(Reason.FILE_HEADER, f"Missing: {', '.join(missing)}.")
    if strange:
        return Refused(Reason.FILE_HEADER, f"Unknown: {', '.join(repr(name[:40]) for name in strange[:5])}.")
    if len(set(named)) != len(named):
        return Refused(Reason.FILE_HEADER, "A column stands twice.")
    return named


class _Table:
    """Collects what rows say, and compares each with those before it."""

    def __init__(self, header: Sequence[str], banks: Collection[str]) -> None:
        self._header, self._banks = header, banks
        self._codes: dict[str, int] = {}
        self._seen: dict[tuple[str, ...], int] = {}
        self.lines: list[int] = []
        self.applications: list[Application] = []
        self.errors: list[LineError] = []

    def take(self, row: _Row) -> None:
        """Read one row, or note all that is wrong with it."""
        broken = row.broken or self._misshapen(row)
        if broken:
            self.errors.append(LineError(row.line, Reason.FILE_BROKEN, broken))
            return
        body = _body(dict(zip(self._header, row.fields, strict=True)))
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

    def _misshapen(self, row: _Row) -> str:
        if len(row.fields) != len(self._header):
            return f"{len(row.fields)} fields under {len(self._header)} columns."
        if any(len(value) > FIELD_MAX for value in row.fields):
            return f"A field has more than {FIELD_MAX} characters."
        return ""

    def _repeated(self, row: _Row, code: str | None) -> list[LineError]:
        whole = tuple(row.fields)
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
