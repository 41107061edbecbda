"""Commands about changes of ownership outside the market: cancellation, certificates, merger, split, inheritance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from core.ownership.cancelling import faults_of
from deploy.operate.session import REFUSED, stop

app = typer.Typer(no_args_is_help=True, help="Voluntary cancellation, certificates, merger, split, inheritance.")

File = Annotated[Path, typer.Argument(help="JSON file", exists=True, dir_okay=False)]


@app.command("verify")
def verify(file: File) -> None:
    """Check a certificate with nothing but itself: no registry is asked. Exit code 1 when it is not what it says."""
    said = _json_of(file)
    faults = faults_of(said)
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(REFUSED)
    typer.echo(f"{said['number']} is whole: SHA-256 {said['sha256']}")


def _json_of(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        stop(f"{file} is no JSON: {error}")
    if not isinstance(said, dict):
        stop(f"{file} holds no JSON object.")
    return said
