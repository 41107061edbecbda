"""Commands that show the registry's records and verify the ledger; one file for each subject."""

from __future__ import annotations

import typer

from core.cli.accounts import account_app
from core.cli.audit import audit_app
from core.cli.days import day_app
from core.cli.ledger import ledger_app
from core.cli.reconciliation import reconcile

__all__ = ["account_app", "app", "audit_app", "day_app", "ledger_app", "reconcile"]

app = typer.Typer(no_args_is_help=True, help="The registry's own records.")
app.add_typer(day_app, name="day")
app.add_typer(account_app, name="account")
app.add_typer(ledger_app, name="ledger")
app.add_typer(audit_app, name="audit")
app.command()(reconcile)
