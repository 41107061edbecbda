"""Commands that show market days and accounts, straight from the current primary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from core.accounts import service as accounts
from core.approvals.rules import AUDITOR, Caller
from core.day import service as days
from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, read
from core.refusals import Refused
from core.reports import service as reports
from core.settings import settings

app = typer.Typer(no_args_is_help=True, help="The registry's own records.")
day_app = typer.Typer(no_args_is_help=True, help="Market days.")
account_app = typer.Typer(no_args_is_help=True, help="Registration accounts.")
app.add_typer(day_app, name="day")
app.add_typer(account_app, name="account")

READER = Caller("registry", frozenset({AUDITOR}))

Dsn = Annotated[str, typer.Option(help="libpq URI; REGISTRY_DSN where not given")]
AsJson = Annotated[bool, typer.Option("--json", help="the record as it is")]
Date = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]


@day_app.command("show")
def show_day(day: Date, dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show how far a market day is."""
    record = _read(dsn, lambda connection: days.show(connection, day.date()), f"No market day {day.date()}.")
    _print(record, as_json=as_json)


@day_app.command("report")
def show_report(day: Date, dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show the daily clearing report of a day."""
    record = _read(dsn, lambda connection: reports.show(connection, day.date()), f"No report of {day.date()}.")
    if as_json:
        _print(record, as_json=True)
    else:
        print(record["text"])


@account_app.command("show")
def show_account(number: str, dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show an account and what it holds."""

    def both(connection: Connection) -> dict[str, Any] | None:
        found, held = accounts.get(connection, READER, number), accounts.holdings(connection, READER, number)
        if isinstance(found, Refused) or isinstance(held, Refused):
            return None
        return {**found.body, "holdings": held.body["holdings"], "serials": held.body["serials"]}

    _print(_read(dsn, both, f"No account {number}."), as_json=as_json)


def _read(dsn: str, work: Callable[[Connection], Mapping[str, Any] | None], nothing: str) -> Mapping[str, Any]:
    engine = write_engine(dsn or settings().dsn, pool_size=1, name="registry-cli")
    try:
        found = read(engine, work, patience_s=5)
    except NoPrimaryError as error:
        _stop(f"The registry's database does not answer: {error}")
    finally:
        engine.dispose()
    if found is None:
        _stop(nothing)
    return found


def _stop(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)


def _print(record: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(record, ensure_ascii=False, indent=2, default=str))
        return
    table = Table(show_header=False)
    for name, value in record.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    Console().print(table)
