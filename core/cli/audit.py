"""The command that verifies the audit trail."""

from __future__ import annotations

from typing import Any

import typer
from sqlalchemy import Connection

from core.audit import store as audit
from core.cli.ledger import VERIFY_WITHIN_S
from core.cli.records import AsJson, Dsn, find, show

audit_app = typer.Typer(no_args_is_help=True, help="Who did what.")


@audit_app.callback()
def _trail() -> None:
    """Who did what, kept in a chain of hashes."""


@audit_app.command("verify")
def verify_audit(dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Recompute the hash chain of the audit trail.

    Exit code 0: every row is as it was written. 1: a link is broken, and is named. 2: it could not be looked at.
    """
    found = find(dsn, _verify, "There is no audit trail.", within_s=VERIFY_WITHIN_S)
    broken = found["broken_links"]
    if as_json:
        show(found, as_json=True)
    else:
        for seq in broken:
            typer.echo(f"link {seq}: missing, extra, or not what its rows say")
        if not broken:
            typer.echo(f"The audit chain is whole. Rows that wait for their link: {found['rows_without_link']}.")
    if broken:
        raise typer.Exit(1)


def _verify(connection: Connection) -> dict[str, Any]:
    return {"broken_links": audit.verify(connection), "rows_without_link": audit.loose(connection)}
