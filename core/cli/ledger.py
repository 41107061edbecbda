"""Commands that verify the ledger as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import typer
from sqlalchemy import Connection

from core.cli.records import AsJson, Dsn, find, show
from core.ledger import store as ledger
from core.settlement import store as settlement

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger as a whole.")

VERIFY_WITHIN_S = 3600.0
"""A pass over every transfer there ever was takes what it takes; the deadline only ends what hangs."""


@ledger_app.command("verify")
def verify_ledger(dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Recompute the hash chain and all balances from the transfers, and compare ledger and units.

    Exit code 0: all is as it was booked. 1: something is not, and is named. 2: it could not be looked at.
    """
    found = find(dsn, _verify, "There is no ledger.", within_s=VERIFY_WITHIN_S)
    if as_json:
        show(found, as_json=True)
    else:
        for line in _verdict(found):
            typer.echo(line)
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
