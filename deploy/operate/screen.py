"""Shows what the registry answered: a record, a table of rows, a refusal, what is to be done next."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

import typer
from rich.console import Console
from rich.table import Table

from core.quantities import CASH, yuan_of_fen

ROWS_SHOWN = 100
"""Rows inside a record on the screen; a list that was asked for is shown whole."""
LINES_SHOWN = 20
"""Wrong lines on the screen; a file has them all."""
AMOUNTS = frozenset({"amount", "total", "held", "waiting", "outstanding"})
"""Fields that are fen where the asset beside them is cash."""
AUTHORITY = "authority_checker"


def record(body: Mapping[str, Any]) -> None:
    """Show one record: its plain facts, then each list of it as a table of its own; a text as it was written."""
    if isinstance(body.get("text"), str) and "\n" in body["text"]:
        typer.echo(body["text"], nl=not body["text"].endswith("\n"))
        return
    facts, tables = {}, {}
    for name, value in _flat(body):
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            tables[name] = value
        else:
            facts[name] = value
    if facts:
        table = Table(show_header=False)
        for name, value in facts.items():
            table.add_row(name, _cell(name, value, body))
        console().print(table)
    for name, found in tables.items():
        rows(found[:ROWS_SHOWN], title=name)
        if len(found) > ROWS_SHOWN:
            typer.echo(f"and {len(found) - ROWS_SHOWN} more; --json or --out FILE has them all")


def rows(found: Sequence[Mapping[str, Any]], columns: Sequence[str] = (), *, title: str | None = None) -> None:
    """Show records below one another; without columns, those in which anything is said."""
    named = list(columns) or [
        name
        for name in dict.fromkeys(name for row in found for name in row)
        if any(row.get(name) not in (None, "", [], {}) for row in found)
    ]
    table = Table(*named, title=title, title_justify="left")
    for row in found:
        table.add_row(*(_cell(name, row.get(name), row) for name in named))
    console().print(table if named else f"{title or 'found'}: none")


def echo(body: Any) -> None:
    """Show a body as the JSON it is."""
    typer.echo(as_text(body))


def as_text(body: Any) -> str:
    """Write a body as JSON for a person to read."""
    return json.dumps(body, ensure_ascii=False, indent=2)


def write_rows(file: IO[str], found: Sequence[Mapping[str, Any]]) -> None:
    """Write records as CSV, under every name that any of them has."""
    names = list(dict.fromkeys(name for row in found for name in row))
    table = csv.writer(file)
    table.writerow(names)
    table.writerows([_plain(row.get(name)) for name in names] for row in found)


def refusal(said: Any, status: int) -> None:
    """Say a refusal: code, sentence, wrong lines, and what to do next."""
    body = said if isinstance(said, dict) else {}
    problem(f"{body.get('code', status)}: {body.get('title', 'refused')} {body.get('detail') or ''}".rstrip())
    wrong_lines(body.get("errors") or [])
    if body.get("next"):
        problem(f"  {body['next']}")


def wrong_lines(errors: Sequence[Mapping[str, Any]]) -> None:
    """Name the first lines that are wrong."""
    for error in errors[:LINES_SHOWN]:
        where = " ".join(str(error[name]) for name in ("line", "column") if error.get(name))
        problem(
            f"  line {where}: {error.get('code', '')} {error.get('title', '')} {error.get('detail') or ''}".rstrip()
        )
    if len(errors) > LINES_SHOWN:
        problem(f"  and {len(errors) - LINES_SHOWN} more")


def next_step(body: Any) -> None:
    """Say who has to do what, where an answer is not the end of it."""
    if not (isinstance(body, dict) and isinstance(body.get("approval"), dict)):
        return
    approval = body["approval"]
    if body.get("state") == "AWAITING_APPROVAL":
        who = "an authority's checker" if approval.get("decides") == AUTHORITY else "a second person"
        name = "ministry-checker" if approval.get("decides") == AUTHORITY else "SOMEBODY"
        problem(f"{who}: registry task approve {body['id']} --as {name}")
    elif body.get("state") == "DELAYED":
        problem(f"approved; carried out by itself when it is due: {approval.get('not_before')}")


def problem(line: str) -> None:
    """Say a line beside the answer."""
    typer.echo(line, err=True)


def console(*, err: bool = False) -> Console:
    """Fit the terminal; into a pipe nothing is cut off."""
    wide = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if wide else 200, markup=False, highlight=False, stderr=err)


def _flat(body: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Name what is inside a record by the way to it: ``approval.decides``."""
    found: list[tuple[str, Any]] = []
    for name, value in body.items():
        if isinstance(value, dict) and value:
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", value))
    return found


def _cell(name: str, value: Any, beside: Mapping[str, Any]) -> str:
    last = name.rpartition(".")[2]
    fen = last.endswith("_fen") or (last in AMOUNTS and beside.get("asset") == CASH)
    if fen and isinstance(value, int) and not isinstance(value, bool):
        return f"{value} ({yuan_of_fen(value)} yuan)"
    return _plain(value)


def _plain(value: Any) -> str:
    if value in (None, [], {}):
        return ""
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        return ", ".join(str(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
