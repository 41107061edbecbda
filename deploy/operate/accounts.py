"""Commands about registration accounts: apply, review, find, restrict, close, and who may act."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from deploy.operate.bulk import open_bulk
from deploy.operate.session import Api, As, AsJson, Key, Token, session, show, show_rows, stop

app = typer.Typer()
app.command("open-bulk")(open_bulk)

Number = Annotated[str, typer.Argument(help="account number")]
Reason = Annotated[str, typer.Option(help="why; it stands in the account's history")]


@app.command("open")
def open_account(  # noqa: PLR0913  # one option for each field of an application
    name: str,
    *,
    kind: Annotated[str, typer.Option(help="E key emitter, I institution, P person")],
    province: Annotated[str, typer.Option(help="two digits by GB/T 2260")],
    credit_code: Annotated[str, typer.Option(help="unified social credit code")] = "",
    sector: Annotated[str, typer.Option(help="of a key emitter: power, steel, cement, aluminium")] = "",
    document: Annotated[
        list[str] | None, typer.Option(help="KIND:REFERENCE:FILE, more than once; the file is hashed, not sent")
    ] = None,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Apply for an account; another person reviews its documents and opens it."""
    body: dict[str, Any] = {"name": name, "kind": kind, "province": province}
    body |= {n: v for n, v in (("credit_code", credit_code), ("sector", sector)) if v}
    with session(who, api, token) as registry:
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
def review(
    number: Number,
    *,
    file: Annotated[list[Path], typer.Option(help="a document as it lies before you, more than once")],
    remarks: str = "",
    who: As = "checker",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Confirm an application's documents: each file is hashed and held against the list."""
    body: dict[str, Any] = {"documents": [hash_of(path) for path in file]}
    body |= {"remarks": remarks} if remarks else {}
    with session(who, api, token) as registry:
        show(registry.post(f"/v1/accounts/{number}/document-review", body), as_json=as_json)


@app.command("find")
def find(  # noqa: PLR0913  # one option for each filter
    part: Annotated[str, typer.Argument(help="part of a name, credit code or number")] = "",
    *,
    state: str = "",
    kind: str = "",
    province: str = "",
    sector: str = "",
    after: str = "",
    limit: int = 50,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Find accounts."""
    asked = {"q": part, "state": state, "kind": kind, "province": province, "sector": sector, "after": after}
    query = urlencode({name: value for name, value in asked.items() if value} | {"limit": limit})
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/accounts?{query}")
    columns = ("number", "name", "kind", "province", "sector", "credit_code", "state", "restriction")
    show_rows(body["accounts"], columns, body=body, as_json=as_json)
    if body["next"] and not as_json:
        typer.echo(f"more: --after {body['next']}", err=True)


def _change(number: str, action: str, reason: str, who: str, api: list[str] | None, token: str, **more: str) -> Any:
    with session(who, api, token) as registry:
        return registry.post(f"/v1/accounts/{number}/state", {"action": action, "reason": reason} | more)


@app.command("restrict")
def restrict(
    number: Number,
    direction: Annotated[str, typer.Argument(help="in, out or all")],
    *,
    reason: Reason,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Propose that units may no longer move in a direction; the exchange is told before it takes effect."""
    show(_change(number, "restrict", reason, who, api, token, restriction=direction), as_json=as_json)


@app.command("unrestrict")
def unrestrict(
    number: Number, *, reason: Reason, who: As = "operator", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """Propose to lift a restriction."""
    show(_change(number, "unrestrict", reason, who, api, token), as_json=as_json)


@app.command("suspend")
def suspend(
    number: Number, *, reason: Reason, who: As = "operator", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """Propose to stop an account altogether."""
    show(_change(number, "suspend", reason, who, api, token), as_json=as_json)


@app.command("resume")
def resume(
    number: Number, *, reason: Reason, who: As = "operator", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """Propose to let a suspended account go on as before."""
    show(_change(number, "resume", reason, who, api, token), as_json=as_json)


@app.command("close")
def close(
    number: Number, *, reason: Reason, who: As = "operator", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """Propose to close an account that has nothing left."""
    show(_change(number, "close", reason, who, api, token), as_json=as_json)


@app.command("history")
def history(
    number: Number, *, who: As = "auditor", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """Show every change of an account's state, why and by whom."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/accounts/{number}/states")
    columns = ("at", "state_before", "state", "restriction", "reason", "proposed_by", "decided_by")
    show_rows(body["changes"], columns, body=body, as_json=as_json)


@app.command("operators")
def operators(
    number: Number,
    *,
    past: bool = False,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show who may view, propose or decide for an account."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/accounts/{number}/operators?past={str(past).lower()}")
    columns = ("login", "right", "granted_at", "granted_by", "revoked_at", "revoked_by")
    show_rows(body["operators"], columns, body=body, as_json=as_json)


@app.command("operator")
def operator(
    number: Number,
    action: Annotated[str, typer.Argument(help="add or remove")],
    login: Annotated[str, typer.Argument(help="the name in the person's token")],
    right: Annotated[str, typer.Argument(help="view, maker or checker")],
    *,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Propose to give somebody a right for an account, or to take it away."""
    body = {"login": login, "right": right, "action": action}
    with session(who, api, token) as registry:
        show(registry.post(f"/v1/accounts/{number}/operators", body), as_json=as_json)
