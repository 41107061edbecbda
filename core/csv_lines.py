"""Reads an uploaded CSV file strictly: known columns, whole rows, storable text, and every wrong row named."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from core.refusals import LineError, Reason, Refused

CELL_MAX = 1000
"""Characters of one field; no field of ours needs more."""

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
NO_ALIASES: Mapping[str, str] = MappingProxyType({})


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


def read(
    raw: bytes,
    *,
    columns: Sequence[str],
    optional: Collection[str] = (),
    aliases: Mapping[str, str] = NO_ALIASES,
    encoding: str = "utf-8",
    lines_max: int,
) -> Lines | Refused:
    """Read a file with a header row; the columns may stand in any order, an optional one may be missing.

    ``aliases`` are other headings of columns. Refused as a whole is what is no such file: another encoding than said,
    other columns, nothing in it, too many lines. With or without a byte order mark; comma, double quotes as RFC 4180
    has them, any line ending.
    """
    text = _decoded(raw, encoding)
    if isinstance(text, Refused):
        return text
    records = _records(text)
    header = _header(next(records, None), columns, optional, aliases)
    if isinstance(header, Refused):
        return header
    rows: list[Row] = []
    errors: list[LineError] = []
    for record in records:
        found = record if isinstance(record, LineError) else _row(*record, header)
        if isinstance(found, LineError):
            errors.append(found)
        else:
            rows.append(found)
        if len(rows) + len(errors) > lines_max:
            return Refused(Reason.FILE_TOO_LARGE, f"At most {lines_max} lines below the header.")
    return Lines(rows, errors) if rows or errors else Refused(Reason.FILE_EMPTY)


def _decoded(raw: bytes, encoding: str) -> str | Refused:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Refused(Reason.FILE_NOT_UTF8, f"{_guess(raw)} Byte {error.start + 1}, in line {line}, does not fit.")


def _guess(raw: bytes) -> str:
    if raw.startswith(UTF_16):
        return "It is UTF-16."
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return "It is no encoding known here."
    return "It looks like GB18030."


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
            yield LineError(begins, Reason.FILE_BROKEN, f"{error}; the rest of the file was not read")
            return
        if any(cell.strip() for cell in record):
            yield begins, record


def _header(
    first: tuple[int, list[str]] | LineError | None,
    columns: Sequence[str],
    optional: Collection[str],
    aliases: Mapping[str, str],
) -> list[str] | Refused:
    if first is None:
        return Refused(Reason.FILE_EMPTY, f"It begins with the columns {', '.join(columns)}.")
    if isinstance(first, LineError):
        return Refused(Reason.FILE_HEADER, f"line {first.line}: {first.detail}.")
    header = [aliases.get(name.strip(), name.strip().lower()) for name in first[1]]
    missing = [name for name in columns if name not in header and name not in optional]
    if missing:
        return Refused(Reason.FILE_HEADER, f"Missing: {', '.join(missing)}.")
    unknown = [repr(name[:40]) for name in header if name not in columns]
    if unknown:
        return Refused(Reason.FILE_HEADER, f"Unknown: {', '.join(unknown[:5])}.")
    return header if len(set(header)) == len(header) else Refused(Reason.FILE_HEADER, "A column stands twice.")


def _row(line: int, record: Sequence[str], header: Sequence[str]) -> Row | LineError:
    if len(record) != len(header):
        return LineError(line, Reason.FILE_BROKEN, f"{len(record)} fields under {len(header)} columns.")
    cells = {name: cell.strip() for name, cell in zip(header, record, strict=True)}
    for name, cell in cells.items():
        if len(cell) > CELL_MAX:
            return LineError(line, Reason.FILE_BROKEN, f"{name}: more than {CELL_MAX} characters.", name)
        if not cell.replace("\u3000", " ").isprintable():  # a full-width space is ordinary here
            return LineError(line, Reason.MALFORMED, f"{name}: a control character or a line break.", name)
    return Row(line, cells)
