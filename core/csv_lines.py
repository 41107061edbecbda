"""Reads an uploaded CSV file strictly: known columns, whole rows, storable text, and every wrong row named."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.refusals import LineError, Reason, Refused

CELL_MAX = 1000
"""Characters of one field; no field of ours needs more."""

FOREIGN_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record; ``line`` is where it begins in the file, whose first line is 1."""

    line: int
    cells: Mapping[str, str]
    """By column, without spaces around; empty where the field is."""


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file says: rows that can be read, and what is wrong with the others."""

    rows: Sequence[Row]
    errors: Sequence[LineError]


def read(raw: bytes, *, columns: Sequence[str], optional: Collection[str] = (), lines_max: int) -> Lines | Refused:
    """Read a file with a header row; the columns may stand in any order, an optional one may be missing.

    Refused as a whole is what is no such file: another encoding, other columns, nothing in it, too many lines.
    UTF-8 with or without a byte order mark; comma, double quotes as RFC 4180 has them, any line ending.
    """
    text = _decoded(raw)
    if isinstance(text, Refused):
        return text
    records = _records(text)
    first = next(records, None)
    if first is None:
        return Refused(Reason.MALFORMED, f"The file is empty; it begins with the columns {', '.join(columns)}.")
    if isinstance(first, LineError):
        return Refused(first.reason, f"line {first.line}: {first.detail}")
    header = [name.strip().lower() for name in first[1]]
    wrong = _wrong_header(header, columns, optional)
    if wrong:
        return Refused(Reason.MALFORMED, wrong)
    rows: list[Row] = []
    errors: list[LineError] = []
    for record in records:
        found = record if isinstance(record, LineError) else _row(*record, header)
        if isinstance(found, LineError):
            errors.append(found)
        else:
            rows.append(found)
        if len(rows) + len(errors) > lines_max:
            return Refused(Reason.MALFORMED, f"More than {lines_max} lines.")
    return Lines(rows, errors)


def _decoded(raw: bytes) -> str | Refused:
    for mark, name in FOREIGN_MARKS.items():
        if raw.startswith(mark):
            return Refused(Reason.MALFORMED, f"The file is {name}; save it as CSV in UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Refused(Reason.MALFORMED, f"line {line}: not UTF-8; save the file as CSV in UTF-8.")


def _records(text: str) -> Iterator[tuple[int, list[str]] | LineError]:
    """Yield records with the line each begins at; blank lines are none; nothing follows what cannot be parsed."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield LineError(begins, Reason.MALFORMED, f"{error}; the rest of the file was not read")
            return
        if any(cell.strip() for cell in record):
            yield begins, record


def _wrong_header(header: Sequence[str], columns: Sequence[str], optional: Collection[str]) -> str:
    missing = [name for name in columns if name not in header and name not in optional]
    if missing:
        return f"line 1: the columns {', '.join(columns)} are expected, {', '.join(missing)} is missing."
    unknown = [repr(name[:40]) for name in header if name not in columns]
    if unknown:
        return f"line 1: there is no column {', '.join(unknown[:10])}."
    return "line 1: a column stands twice." if len(set(header)) != len(header) else ""


def _row(line: int, record: Sequence[str], header: Sequence[str]) -> Row | LineError:
    if len(record) != len(header):
        return LineError(line, Reason.MALFORMED, f"{len(record)} fields, {len(header)} are expected")
    cells = {name: cell.strip() for name, cell in zip(header, record, strict=True)}
    for name, cell in cells.items():
        if len(cell) > CELL_MAX:
            return LineError(line, Reason.MALFORMED, f"{name}: more than {CELL_MAX} characters")
        if not cell.replace("\u3000", " ").isprintable():  # a full-width space is ordinary here
            return LineError(line, Reason.MALFORMED, f"{name}: a control character or a line break")
    return Row(line, cells)
