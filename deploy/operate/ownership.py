"""Commands about changes of ownership outside the market: cancellation, certificates, merger, split, inheritance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from core.ownership.cancelling import faults_of
from deploy.operate.session import REFUSED, Api, As, AsJson, Key, Token, echo, session, show, show_rows, stop

app = typer.Typer(no_args_is_help=True, help="Voluntary cancellation, certificates, merger, split, inheritance.")

Account = Annotated[str, typer.Argument(help="account number")]
Document = Annotated[str, typer.Option(help="what it rests on")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what it would do; nothing is proposed")]
File = Annotated[Path, typer.Argument(help="JSON file", exists=True, dir_okay=False)]


@app.command("cancel")
def cancel(  # noqa: PLR0913  # one option for each field
    account: Account,
    product: Annotated[str, typer.Argument(help="CEA-<vintage>")],
    tonnes: int,
    *,
    beneficiary: Annotated[str, typer.Option(help="for whom or what")],
    reason: Annotated[str, typer.Option(help="why; it stands on the certificate")],
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose to give units up for good; approved, they are gone and certified."""
    body = {"account": account, "product": product, "tonnes": tonnes, "beneficiary": beneficiary, "reason": reason}
    with session(who, api, token) as registry:
        show(registry.post("/v1/cancellations", body, key=key), as_json=as_json)


@app.command("certificate")
def certificate(
    number: Annotated[str, typer.Argument(help="as VC-00000001")],
    *,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Print a certificate; with --json in the form that `verify` reads."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/certificates/{number}")
    if as_json:
        echo(body)
    else:
        typer.echo(body["text"], nl=False)


@app.command("certificates")
def certificates(
    account: Account,
    *,
    after: str = "",
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """List the certificates of an account."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/accounts/{account}/certificates?after={after}")
    rows = [{"number": one["number"], "sha256": one["sha256"], **one["certificate"]} for one in body["certificates"]]
    show_rows(
        rows, ("number", "product", "tonnes", "beneficiary", "cancelled_on", "sha256"), body=body, as_json=as_json
    )


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


def _succeed(body: dict[str, Any], dry_run: bool, who: str, api: list[str] | None, token: str, key: str) -> Any:  # noqa: FBT001
    with session(who, api, token) as registry:
        if dry_run:
            return registry.post("/v1/successions/dry-run", body)
        return registry.post("/v1/successions", body, key=key)


@app.command("merge")
def merge(  # noqa: PLR0913  # one option for each field
    account: Account,
    into: Annotated[str, typer.Argument(help="account number that goes on")],
    *,
    document: Document,
    dry_run: DryRun = False,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose that everything of one firm goes over to another, and its account closes."""
    body = {"kind": "merger", "account": account, "into_account": into, "document": document}
    show(_succeed(body, dry_run, who, api, token, key), as_json=as_json)


@app.command("divide")
def divide(
    file: File,
    *,
    dry_run: DryRun = False,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose a split or an inheritance that a file states, in the form of POST /v1/successions."""
    show(_succeed(_json_of(file), dry_run, who, api, token, key), as_json=as_json)


@app.command("succession")
def succession(
    number: Annotated[str, typer.Argument(help="as SUC-00000001")],
    *,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show a merger, split or inheritance that was carried out."""
    with session(who, api, token) as registry:
        show(registry.get(f"/v1/successions/{number}"), as_json=as_json)
