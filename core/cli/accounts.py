"""Commands that show registration accounts."""

from __future__ import annotations

from typing import Any

import typer
from sqlalchemy import Connection

from core.accounts import service as accounts
from core.cli.records import READER, AsJson, Dsn, find, show
from core.refusals import Refused

account_app = typer.Typer(no_args_is_help=True, help="Registration accounts.")


@account_app.command("show")
def show_account(number: str, dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show an account and what it holds."""

    def both(connection: Connection) -> dict[str, Any] | None:
        found, held = accounts.get(connection, READER, number), accounts.holdings(connection, READER, number)
        if isinstance(found, Refused) or isinstance(held, Refused):
            return None
        return {**found.body, "holdings": held.body["holdings"], "serials": held.body["serials"]}

    show(find(dsn, both, f"No account {number}."), as_json=as_json)
