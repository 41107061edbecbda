"""Sends a table as the file it is, with a progress bar, and writes down every row that was refused."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.operate import screen
from deploy.operate.session import REFUSED, Session, stop
from ha.client import Answer

PIECE = 64 * 1024
REPORT_COLUMNS = ("line", "column", "code", "sentence")


class Streamed:
    """A file in pieces; whoever sends it again reads it again from its beginning."""

    def __init__(self, file: Path, watch: Callable[[int], object]) -> None:
        self._file, self._watch = file, watch

    async def __aiter__(self) -> AsyncIterator[bytes]:
        sent = 0
        with self._file.open("rb") as opened:
            while piece := opened.read(PIECE):
                yield piece
                sent += len(piece)
                self._watch(sent)


def send(registry: Session, path: str, file: Path, media: str, *, key: str) -> Answer:
    """Send a file and wait for what the registry says to it."""
    try:
        size = file.stat().st_size
        with file.open("rb"):
            pass
    except OSError as error:
        stop(f"{file}: {error.strerror}.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen.console(err=True)) as progress:
        sending = progress.add_task("sending", total=size)

        def watch(sent: int) -> None:
            said = "sending" if sent < size else "the registry reads it"
            progress.update(sending, completed=sent, description=said)

        headers = {"Content-Type": media, "Content-Length": str(size)}
        answer = registry.ask("POST", path, content=Streamed(file, watch), key=key, headers=headers)
        progress.update(sending, description="sent")
    return answer


def report_of(file: Path) -> Path:
    """Name the report of wrong rows: beside the file."""
    return file.with_name(f"{file.name}.errors.csv")


def refuse_rows(report: Path, errors: Iterable[Mapping[str, Any]], refused: str) -> None:
    """Show the first wrong rows, write every one of them down, and end with exit code 1."""
    rows = list(errors)
    try:
        with report.open("w", encoding="utf-8-sig", newline="") as file:  # spreadsheets look for the mark
            table = csv.writer(file)
            table.writerow(REPORT_COLUMNS)
            for row in rows:
                sentence = f"{row['title']} {row.get('detail') or ''}".strip()
                table.writerow((row["line"], row.get("column", ""), row["code"], sentence))
    except OSError as error:
        stop(f"{report}: {error.strerror}.")
    screen.wrong_lines(rows)
    lines = len({row["line"] for row in rows})
    screen.problem(f"{lines} wrong lines, {refused}; every one of them is named in {report}.")
    raise typer.Exit(REFUSED)
