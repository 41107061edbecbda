"""How a command reads the registry's records straight from the current primary, and shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core.callers import AUDITOR, Caller
from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, read
from core.settings import settings

T = TypeVar("T")

READER = Caller("registry", frozenset({AUDITOR}))

default_dsn: Callable[[], str] = lambda: settings().dsn  # noqa: E731  # deploy knows a running playground's
Dsn = Annotated[str, typer.Option(help="libpq URI; else REGISTRY_DSN, else the playground that runs here")]
AsJson = Annotated[bool, typer.Option("--json", help="the record as it is")]
Date = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]


def find(dsn: str, work: Callable[[Connection], T | None], nothing: str, *, within_s: float = 10.0) -> T:
    """Read from the primary; ends the command with one clear line when there is nothing, or nobody to ask."""
    engine = write_engine(dsn or default_dsn(), pool_size=1, name="registry-cli")
    try:
        found = read(engine, work, within_s=within_s, patience_s=5)
    except NoPrimaryError as error:
        stop(f"The registry's database does not answer: {error}")
    except DBAPIError as error:
        stop(f"The registry's database does not let itself be read: {error.orig}")
    finally:
        engine.dispose()
    if found is None:
        stop(nothing)
    return found


def stop(sentence: str) -> NoReturn:
    """End the command for wrong use or missing means."""
    typer.echo(" ".join(sentence.split()), err=True)  # a driver's message may have many lines
    raise typer.Exit(2)


def show(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a record as a table, or as it is."""
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False, indent=2, default=str))
        return
    table = Table(show_header=False)
    for name, value in record.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    Console().print(table)
