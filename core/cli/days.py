"""Commands that show market days."""

from __future__ import annotations

import typer

from core.cli.records import AsJson, Date, Dsn, find, show
from core.day import service as days
from core.reports import service as reports

day_app = typer.Typer(no_args_is_help=True, help="Market days.")


@day_app.command("show")
def show_day(day: Date, dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show how far a market day is."""
    record = find(dsn, lambda connection: days.show(connection, day.date()), f"No market day {day.date()}.")
    show(record, as_json=as_json)


@day_app.command("report")
def show_report(day: Date, dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show the daily clearing report of a day."""
    record = find(dsn, lambda connection: reports.show(connection, day.date()), f"No report of {day.date()}.")
    if as_json:
        show(record, as_json=True)
    else:
        typer.echo(record["text"])
