"""Commands that show market days and accounts and verify the ledger, straight from the current primary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core.accounts import service as accounts
from core.approvals.rules import AUDITOR, Caller
from core.day import service as days
from core.db.engine import write_engine
from core.db.transaction import NoPrimaryError, read
from core.ledger import store as ledger
from core.refusals import Refused
from core.reports import service as reports
from core.settings import settings
from core.settlement import store as settlement

app = typer.Typer(no_args_is_help=True, help="The registry's own records.")
day_app = typer.Typer(no_args_is_help=True, help="Market days.")
account_app = typer.Typer(no_args_is_help=True, help="Registration accounts.")
app.add_typer(day_app, name="day")
ledger_app = typer.Typer(no_args_is_help=True, help="The ledger as a whole.")
app.add_typer(account_app, name="account")
app.add_typer(ledger_app, name="ledger")

READER = Caller("registry", frozenset({AUDITOR}))

VERIFY_WITHIN_S = 3600.0
"""A pass over every transfer there ever was takes what it takes; the deadline only ends what hangs."""

default_dsn: Callable[[], str] = lambda: settings().dsn  # noqa: E731  # deploy knows a running playground's
Dsn = Annotated[str, typer.Option(help="libpq URI; else REGISTRY_DSN, else the playground that runs here")]
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


@ledger_app.command("verify")
def verify_ledger(dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Recompute the hash chain and all balances from the transfers, and compare ledger and units.

    Exit code 0: all is as it was booked. 1: something is not, and is named. 2: it could not be looked at.
    """
    found = _read(dsn, _verify, "There is no ledger.", within_s=VERIFY_WITHIN_S)
    if as_json:
        _print(found, as_json=True)
    else:
        for line in _verdict(found):
            print(line)
    if any(found.values()):
        raise typer.Exit(1)


def _verify(connection: Connection) -> dict[str, Any]:
    return {
        "broken_batches": ledger.verify_chain(connection),
        "drifted_balances": [asdict(place) for place in ledger.drifted(connection)],
        "differing_holdings": [asdict(found) for found in settlement.differences(connection)],
    }


def _verdict(found: Mapping[str, Any]) -> list[str]:
    """Say in lines what is broken, or in one that nothing is."""
    broken = [f"batch {seq}: missing, extra, or not what its hash says" for seq in found["broken_batches"]]
    broken += [
        f"balance {place['owner']} {place['asset']} {place['bucket']}: not the sum of its transfers"
        for place in found["drifted_balances"]
    ]
    broken += [
        f"holding {held['account']} {held['asset']}: {held['expected']} in the ledger, {held['actual']} in units"
        for held in found["differing_holdings"]
    ]
    return broken or ["The hash chain is whole, every balance is the sum of its transfers, ledger and units agree."]


def _read(
    dsn: str, work: Callable[[Connection], Mapping[str, Any] | None], nothing: str, *, within_s: float = 10.0
) -> Mapping[str, Any]:
    engine = write_engine(dsn or default_dsn(), pool_size=1, name="registry-cli")
    try:
        found = read(engine, work, within_s=within_s, patience_s=5)
    except NoPrimaryError as error:
        _stop(f"The registry's database does not answer: {error}")
    except DBAPIError as error:
        _stop(f"The registry's database does not let itself be read: {error.orig}")
    finally:
        engine.dispose()
    if found is None:
        _stop(nothing)
    return found


def _stop(sentence: str) -> NoReturn:
    typer.echo(" ".join(sentence.split()), err=True)  # a driver's message may have many lines
    raise typer.Exit(2)


def _print(record: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(record, ensure_ascii=False, indent=2, default=str))
        return
    table = Table(show_header=False)
    for name, value in record.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    Console().print(table)
