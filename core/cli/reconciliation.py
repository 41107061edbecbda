"""The command that holds ledger and units against each other, with everything that was ever booked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from sqlalchemy import Connection

from core.cli.records import AsJson, Dsn, find, show
from core.reconciliation import service
from core.reconciliation.locate import locate

WITHIN_S = 3600.0
"""A pass over every transfer and every change of hands takes what it takes; the deadline only ends what hangs."""


def reconcile(dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Compare ledger and units in total, by account, and with all transfers and changes of hands there ever were.

    It only looks: POST /v1/reconciliations keeps what differs and stops the accounts. Exit code 0: all agrees. 1:
    something differs, and is named with the records that part. 2: it could not be looked at.
    """
    found = find(dsn, _look, "There is no ledger.", within_s=WITHIN_S)
    if as_json:
        show(found, as_json=True)
    else:
        for line in _verdict(found):
            typer.echo(line)
    if found["breaks"]:
        raise typer.Exit(1)


def _look(connection: Connection) -> Mapping[str, Any]:
    compared = service.compare(connection, with_histories=True)
    return {
        "agreed": not compared.findings,
        "holdings": compared.holdings,
        "totals": dict(compared.totals),
        "breaks": [
            {**found.body, "located": locate(connection, found.account, found.asset)} for found in compared.findings
        ],
    }


def _verdict(found: Mapping[str, Any]) -> list[str]:
    if found["agreed"]:
        sums = ", ".join(f"{asset} {total['ledger']:,} t" for asset, total in sorted(found["totals"].items()))
        return [f"Ledger and units agree on {found['holdings']:,} holdings: {sums or 'nothing was issued yet'}."]
    lines = []
    for one in found["breaks"]:
        whose = f"account {one['account']}" if one["account"] else "total"
        lines.append(f"{whose} {one['asset']}: {one['ledger']} t in the ledger, {one['units']} t in units")
        lines += [f"  {_place(place)}" for place in one["located"]]
    return lines


def _place(place: Mapping[str, Any]) -> str:
    if place["place"] == "reference":
        return f"reference {place['reference']}: {place['ledger']:+} t in the ledger, {place['units']:+} t in units"
    if place["place"] == "balance":
        return f"balance {place['bucket']}: {place['balance']}, and {place['transfers']} by its transfers"
    return str(place["said"])
