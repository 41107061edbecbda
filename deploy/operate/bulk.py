"""Opens tens of thousands of accounts from one CSV file, with a progress bar and a report of every wrong row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.accounts.files.rules import BYTES_MAX, File, read_file
from core.refusals import LineError, Reason, Refused
from deploy.operate import screen
from deploy.operate.session import REFUSED, Api, As, AsJson, Key, Token, Wait, definite, session, show, stop
from deploy.operate.upload import refuse_rows, report_of
from ha.client import WITHIN_S


def open_bulk(  # noqa: PLR0913  # one option for each thing one may wish
    file: Annotated[Path, typer.Argument(help="CSV: name, kind, province; credit_code, sector, bank, contact_…")],
    *,
    encoding: Annotated[str, typer.Option(help="utf-8 or gb18030")] = "utf-8",
    check: Annotated[bool, typer.Option("--check", help="only look for wrong rows, on this machine")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="a new application, though the same file was sent before")
    ] = False,
    approve_as: Annotated[str, typer.Option(help="who decides at once, as the second person")] = "",
    errors: Annotated[
        Path | None, typer.Option(help="where the report of wrong rows goes; else FILE.errors.csv")
    ] = None,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    wait: Wait = WITHIN_S,
    as_json: AsJson = False,
) -> None:
    """Apply for all accounts of a file at once: every one of them or none.

    The same file sent twice is one application: its hash is the key when none is given. Exit code 1: refused, and
    every wrong row is in the report.
    """
    content = _read(file)
    report = errors or report_of(file)
    with _progress() as progress:
        found = _judge(content, encoding, progress)
        if check:
            _end_check(found, report)
            return
        waiting = progress.add_task("sending", total=None)
        with session(who, api, token, within_s=wait) as registry:
            key = key or f"file-{hashlib.sha256(content).hexdigest()}" + (f"-{uuid4()}" if again else "")
            headers = {"Content-Type": f"text/csv; charset={encoding}"}
            asked = registry.ask("POST", "/v1/accounts/csv", content=content, key=key, headers=headers)
            if not asked.ok and isinstance(asked.body, Mapping) and asked.body.get("errors"):
                progress.stop()
                refuse_rows(report, asked.body["errors"], "nothing was opened")
            body = definite(asked)
        progress.update(waiting, description="applied for", total=1, completed=1)
        if approve_as:
            body = _approve(body, approve_as, api, progress)
    if as_json:
        screen.echo(body)
    else:
        show({"task": body["id"], "task state": body["state"], **body["file"]}, as_json=False)
        screen.next_step(body)


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > BYTES_MAX:
            stop(f"{file} has {size} bytes; one file has at most {BYTES_MAX}.")
        return file.read_bytes()
    except OSError as error:
        stop(f"{file}: {error.strerror}.")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _judge(content: bytes, encoding: str, progress: Progress) -> File:
    """Read the file here first: who waits sees rows go by, and a file that is no table is not sent at all."""
    if encoding not in {"utf-8", "gb18030"}:
        stop("--encoding is utf-8 or gb18030.")
    reading = progress.add_task("reading rows", total=content.count(b"\n"))
    found = read_file(content, encoding=encoding, progress=lambda row: progress.update(reading, completed=row))
    if isinstance(found, Refused):
        progress.stop()
        typer.echo(str(found), err=True)
        if found.reason is Reason.FILE_NOT_UTF8 and "GB18030" in found.detail:
            typer.echo("  Save it as UTF-8, or repeat with --encoding gb18030.", err=True)
        raise typer.Exit(REFUSED)
    rows = len(found.lines) + len({error.line for error in found.errors})
    progress.update(reading, total=rows, completed=rows)
    return found


def _end_check(found: File, report: Path) -> None:
    if found.errors:
        refuse_rows(report, [_row(error) for error in found.errors], "nothing was opened")
    typer.echo(f"{len(found.lines)} rows, none wrong by itself; which subjects have accounts the registry knows.")


def _row(error: LineError) -> dict[str, Any]:
    said = {"line": error.line, "column": error.column, "code": error.reason.code}
    return said | {"title": error.reason.sentence, "detail": error.detail}


def _approve(body: Any, second: str, api: list[str] | None, progress: Progress) -> Any:
    deciding = progress.add_task("opening", total=None)
    if api:
        stop("--approve-as works in the playground only; elsewhere the second person decides with a token of his own.")
    with session(second, None, "") as registry:
        done = registry.post(f"/v1/tasks/{body['id']}/approve", {})
    progress.update(deciding, description="opened", total=1, completed=1)
    return done
