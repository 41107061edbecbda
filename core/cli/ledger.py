"""Commands that verify the ledger as a whole, here or from files that somebody took away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection

from core.cli.records import AsJson, Dsn, find, show, stop
from core.encumbrance import store as encumbrances
from core.ledger import export, offline
from core.ledger import store as ledger
from core.ledger.holds import store as holds
from core.ledger.seals import service as seals
from core.reconciliation import store as reconciliation

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger as a whole.")

VERIFY_WITHIN_S = 3600.0
"""A pass over every transfer there ever was takes what it takes; the deadline only ends what hangs."""

WHOLE = (
    "The hash chain is whole, its seals fit, every balance is the sum of its transfers, "
    "what is pledged or frozen is what encumbrances hold, ledger and units agree."
)

FORMATS = ["%Y-%m-%d"]


@ledger_app.command("verify")
def verify_ledger(
    dsn: Dsn = "",
    file: Annotated[Path | None, typer.Option(help="the folder of an export: no database is asked")] = None,
    public_key: Annotated[Path | None, typer.Option(help="PEM; seals count only if this key signed them")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the hash chain, the seals and all balances from the transfers, and compare ledger and units.

    What stands in the buckets pledged and frozen is held against the encumbrances there are.
    Exit code 0: all is as it was booked. 1: something is not, and is named. 2: it could not be looked at.
    """
    if file is not None:
        _verify_files(file, public_key, as_json=as_json)
        return
    if public_key is not None:
        stop("--public-key goes with --file.")
    with _progress("batches") as watch:
        found = find(dsn, lambda c: _verify(c, watch), "There is no ledger.", within_s=VERIFY_WITHIN_S)
    if as_json:
        show(found, as_json=True)
    else:
        for line in _verdict(found):
            typer.echo(line)
    if any(found.values()):
        raise typer.Exit(1)


def _verify(connection: Connection, watch: Callable[[int, int], None]) -> dict[str, Any]:
    return {
        "broken_batches": ledger.verify_chain(connection, watch),
        "wrong_seals": [asdict(seal) for seal in seals.wrong_seals(connection)],
        "drifted_balances": [asdict(place) for place in ledger.drifted(connection)],
        "short_holds": [asdict(place) for place in holds.short(connection)],
        "wrong_encumbrances": [asdict(found) for found in encumbrances.differences(connection)],
        "differing_holdings": [asdict(found) for found in reconciliation.differences(connection)],
    }


def _verdict(found: Mapping[str, Any]) -> list[str]:
    """Say in lines what is broken, or in one that nothing is."""
    broken = [f"batch {seq}: missing, extra, or not what its hash says" for seq in found["broken_batches"]]
    broken += [f"seal {seal['number']} of {seal['day']}: {seal['why']}" for seal in found["wrong_seals"]]
    broken += [
        f"balance {place['owner']} {place['asset']} {place['bucket']}: not the sum of its transfers"
        for place in found["drifted_balances"]
    ]
    broken += [
        f"balance {place['owner']} {place['asset']} {place['bucket']}: less than what is on hold in it"
        for place in found["short_holds"]
    ]
    broken += [
        f"balance {held['account']} {held['asset']} {held['bucket']}: {held['balance']}, in encumbrances {held['held']}"
        for held in found["wrong_encumbrances"]
    ]
    broken += [
        f"holding {held['account']} {held['asset']}: {held['expected']} in the ledger, {held['actual']} in units"
        for held in found["differing_holdings"]
    ]
    return broken or [WHOLE]


@ledger_app.command("export")
def export_ledger(
    folder: Annotated[Path, typer.Argument(help="a folder that is empty or not there yet")],
    since: Annotated[
        datetime | None, typer.Option("--from", formats=FORMATS, help="first day, by its seal; else from the beginning")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=FORMATS, help="last day, by its seal; else to the end")
    ] = None,
    dsn: Dsn = "",
) -> None:
    """Write the chain with its rows, the seals and the public keys into files that anybody can verify."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            stop(f"{folder} is not empty.")
    except OSError as error:
        stop(f"{folder} cannot be written: {error.strerror}.")
    span = export.Span(*(None if day is None else day.date() for day in (since, until)))
    with _progress("batches") as watch:
        try:
            written = find(
                dsn, lambda c: export.write(c, folder, span, watch), "There is no ledger.", within_s=VERIFY_WITHIN_S
            )
        except export.NoSealError as error:
            stop(str(error))
        except OSError as error:
            stop(f"{folder} cannot be written: {error.strerror}.")
    batches = written["last_seq"] - written["first_seq"] + 1
    typer.echo(f"{batches} batches, {written['transfers']} transfers, {written['seals']} seals in {folder}")


def _verify_files(folder: Path, public_key: Path | None, *, as_json: bool) -> None:
    trusted = None if public_key is None else _raw_key(public_key)
    with _progress("batches") as watch:
        try:
            found = offline.verify(folder, trusted_key=trusted, watch=watch)
        except offline.NoExportError as error:
            stop(str(error))
    if as_json:
        show(asdict(found), as_json=True)
    elif found.wrong:
        for line in found.wrong:
            typer.echo(line)
    else:
        for line in _whole(found):
            typer.echo(line)
    if found.wrong:
        raise typer.Exit(1)


def _whole(found: offline.Findings) -> Iterator[str]:
    yield f"{found.batches} batches with {found.transfers} transfers are as they were hashed; {found.seals} seals fit."
    yield "Every balance is the sum of its transfers." if found.balances_compared else "Balances were not exported."
    if found.unsigned:
        yield f"{found.unsigned} seals are not signed."
    if found.unsealed > 0:
        yield f"{found.unsealed} batches came after the last seal."
    if found.last_seal is not None:
        yield f"Last seal, to compare with the published one: {found.last_seal}"


def _raw_key(path: Path) -> bytes:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        stop(f"{path} holds no public key: {error}")
    if not isinstance(key, Ed25519PublicKey):
        stop(f"{path} holds no Ed25519 key.")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on standard error how far long work is; only where somebody looks."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
