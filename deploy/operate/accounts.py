"""Commands about accounts that look at files of this machine: documents handed in, documents reviewed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.operate.body import dictionary
from deploy.operate.bulk import open_bulk
from deploy.operate.session import Api, As, AsJson, Key, Token, Wait, session, show, stop
from ha.client import WITHIN_S

app = typer.Typer()
app.command("open-bulk")(open_bulk)

Number = Annotated[str, typer.Argument(help="account number")]


@app.command("open")
def open_account(  # noqa: PLR0913  # one option for each field of an application
    *,
    name: Annotated[str, typer.Option(help="of the subject")],
    kind: Annotated[str, typer.Option(help="E key emitter, I institution, P person")],
    province: Annotated[str, typer.Option(help="two digits by GB/T 2260")],
    credit_code: Annotated[str, typer.Option(help="unified social credit code")] = "",
    sector: Annotated[str, typer.Option(help="of a key emitter: power, steel, cement, aluminium")] = "",
    bank: Annotated[str, typer.Option(help="settlement bank; else the registry's own choice")] = "",
    contact: Annotated[
        list[str] | None, typer.Option(help="person=, phone=, email= or address=VALUE, once for each")
    ] = None,
    document: Annotated[
        list[str] | None, typer.Option(help="KIND:REFERENCE:FILE, more than once; the file is hashed, not sent")
    ] = None,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    wait: Wait = WITHIN_S,
    as_json: AsJson = False,
) -> None:
    """Apply for an account; another person reviews its documents and opens it."""
    body: dict[str, Any] = {"name": name, "kind": kind, "province": province}
    body |= {n: v for n, v in (("credit_code", credit_code), ("sector", sector), ("bank", bank)) if v}
    if contact:
        body["contact"] = dictionary(contact, "--contact")
    with session(who, api, token, within_s=wait) as registry:
        if document:
            today = registry.get("/v1/clock")["market_day"]
            body["documents"] = [_document(one, today) for one in document]
        show(registry.post("/v1/accounts", body, key=key), as_json=as_json)


def _document(said: str, received: str) -> dict[str, str]:
    kind, _, rest = said.partition(":")
    reference, _, path = rest.rpartition(":")
    if not (kind and reference and path):
        stop("A document is KIND:REFERENCE:FILE.")
    return {"kind": kind, "reference": reference, "sha256": hash_of(Path(path)), "received": received}


def hash_of(path: Path) -> str:
    """Hash a file, or end the command when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        stop(f"{path}: {error.strerror}.")


@app.command("review")
def review(  # noqa: PLR0913  # one option for each thing one may wish
    number: Number,
    *,
    file: Annotated[list[Path], typer.Option(help="a document as it lies before you, more than once")],
    remarks: str = "",
    who: As = "checker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    wait: Wait = WITHIN_S,
    as_json: AsJson = False,
) -> None:
    """Confirm an application's documents: each file is hashed and held against the list."""
    body: dict[str, Any] = {"documents": [hash_of(path) for path in file]}
    body |= {"remarks": remarks} if remarks else {}
    with session(who, api, token, within_s=wait) as registry:
        show(registry.post(f"/v1/accounts/{number}/documents/review", body, key=key), as_json=as_json)
