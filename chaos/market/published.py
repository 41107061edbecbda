"""Reads a day's published figures: from a file with a row a day, or the two days the product states itself."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from core.quantities import fen_of_yuan

COLUMNS = ("date", "open", "high", "low", "close", "listed_t", "listed_yuan", "block_t", "block_yuan")

FIRST_BASE_FEN = 4800
"""The base price of the market's first day, 48.00 yuan."""


class DataError(Exception):
    """A market-data file, row or day that cannot be used; the message is one line a person can act on."""


@dataclass(frozen=True, slots=True)
class PublishedDay:
    """One trading day as the exchange published it. Prices in fen a tonne, amounts in fen, quantities in tonnes."""

    day: date
    open_fen: int
    high_fen: int
    low_fen: int
    close_fen: int
    listed_t: int
    listed_fen: int
    block_t: int
    block_fen: int
    previous_close_fen: int
    cumulative_t_before: int
    cumulative_fen_before: int

    @property
    def cumulative_t(self) -> int:
        """Tonnes since the market opened, this day included."""
        return self.cumulative_t_before + self.listed_t + self.block_t

    @property
    def cumulative_fen(self) -> int:
        """Turnover since the market opened, this day included."""
        return self.cumulative_fen_before + self.listed_fen + self.block_fen


OPENING_DAY = PublishedDay(
    date(2021, 7, 16), 4800, 5280, 4800, 5123, 4_103_953, 21_023_005_325, 0, 0, FIRST_BASE_FEN, 0, 0
)
TEN_TONNE_DAY = PublishedDay(
    date(2021, 8, 16),
    *(5100, 5100, 5100, 5100),
    *(10, 51_000, 500_000, 2_575_000_000),
    *(5400, 6_518_832, 32_927_452_145),
)
STATED_DAYS = {known.day: known for known in (OPENING_DAY, TEN_TONNE_DAY)}
"""The days whose figures the product states itself, for when there is no file."""


def published_day(day: date, *, file: Path | None, base_fen: int = FIRST_BASE_FEN) -> PublishedDay:
    """Find one day; DataError when the file is broken or does not hold it.

    The previous close and the running totals come from the rows before it; ``base_fen`` and zero stand
    before the first row.
    """
    days = read_days(file, base_fen=base_fen) if file is not None else STATED_DAYS
    found = days.get(day)
    if found is None:
        source = f"{file} holds {_span(days)}" if file is not None else f"without a data file only {_names(days)}"
        raise DataError(f"{day} is not a known market day: {source}")
    return found


def _span(days: dict[date, PublishedDay]) -> str:
    return f"{len(days)} days from {min(days)} to {max(days)}" if days else "no day"


def _names(days: dict[date, PublishedDay]) -> str:
    return " and ".join(str(day) for day in sorted(days)) + " are known; name one with --data FILE"


def read_days(file: Path, *, base_fen: int = FIRST_BASE_FEN) -> dict[date, PublishedDay]:
    """Read a whole file, oldest day first; DataError names the line and the column that is wrong."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{file}: column {', '.join(missing)} is missing")
            return _running(file, reader, base_fen)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is not a UTF-8 CSV file: {error}") from error


def _running(file: Path, reader: csv.DictReader[str], base_fen: int) -> dict[date, PublishedDay]:
    days: dict[date, PublishedDay] = {}
    close, tonnes, fen = base_fen, 0, 0
    for row in reader:
        where = f"{file} line {reader.line_num}"
        read = _published(row, where, close, tonnes, fen)
        if days and read.day <= max(days):
            raise DataError(f"{where}: {read.day} does not come after the day before it")
        days[read.day] = read
        close, tonnes, fen = read.close_fen, read.cumulative_t, read.cumulative_fen
    return days


def _published(row: dict[str, str], where: str, close: int, tonnes: int, fen: int) -> PublishedDay:
    if None in row or None in row.values():
        raise DataError(f"{where}: the row does not have as many fields as the header")
    money = {name: _fen(row, name, where) for name in ("open", "high", "low", "close", "listed_yuan", "block_yuan")}
    return PublishedDay(
        day=_date(row["date"], where),
        open_fen=money["open"],
        high_fen=money["high"],
        low_fen=money["low"],
        close_fen=money["close"],
        listed_t=_tonnes(row, "listed_t", where),
        listed_fen=money["listed_yuan"],
        block_t=_tonnes(row, "block_t", where),
        block_fen=money["block_yuan"],
        previous_close_fen=close,
        cumulative_t_before=tonnes,
        cumulative_fen_before=fen,
    )


def _date(value: str, where: str) -> date:
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise DataError(f"{where}: date is not a date as 2021-07-16: {value!r}") from None


def _fen(row: dict[str, str], name: str, where: str) -> int:
    try:
        found = fen_of_yuan(row[name].strip())
    except ValueError:
        raise DataError(f"{where}: {name} is not an amount in yuan with at most two decimals: {row[name]!r}") from None
    if found < 0:
        raise DataError(f"{where}: {name} is negative: {row[name]!r}")
    return found


def _tonnes(row: dict[str, str], name: str, where: str) -> int:
    if re.fullmatch(r"\d{1,12}", row[name].strip(), re.ASCII) is None:
        raise DataError(f"{where}: {name} is not a whole number of tonnes: {row[name]!r}")
    return int(row[name])
