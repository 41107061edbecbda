"""Commands about pledges, judicial freezes and public notices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deploy.operate.session import Api, As, AsJson, Key, Token, session, show, show_rows

app = typer.Typer(no_args_is_help=True, help="Pledges, judicial freezes, deductions, public notices.")

Number = Annotated[str, typer.Argument(help="number of the encumbrance, as ENC-00000001")]
Account = Annotated[str, typer.Argument(help="account number")]
Asset = Annotated[str, typer.Argument(help="CEA-<vintage>, or CNY")]
Quantity = Annotated[int, typer.Argument(help="tonnes, or fen")]
Taker = Annotated[str, typer.Argument(help="account number of who gets it")]
Document = Annotated[str, typer.Option(help="what it rests on")]
Until = Annotated[str, typer.Option("--to", help="last day, YYYY-MM-DD")]


def given(**said: Any) -> dict[str, Any]:
    """Return what was said; an empty text was not."""
    return {name: value for name, value in said.items() if value not in ("", None)}


@app.command("pledge")
def pledge(  # noqa: PLR0913  # one option for each field
    account: Account,
    asset: Asset,
    quantity: Quantity,
    *,
    creditor: Annotated[str, typer.Option(help="who is secured")],
    document: Document,
    creditor_account: Annotated[str, typer.Option(help="to which it is realised")] = "",
    reference: str = "",
    to: Until = "",
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose a pledge; what it takes is held at once."""
    body = given(account=account, asset=asset, quantity=quantity, creditor=creditor, document=document, to=to)
    body |= given(creditor_account=creditor_account, reference=reference)
    with session(who, api, token) as registry:
        show(registry.post("/v1/pledges", body, key=key), as_json=as_json)


@app.command("freeze")
def freeze(  # noqa: PLR0913  # one option for each field
    account: Account,
    *,
    court: Annotated[str, typer.Option(help="who orders it")],
    document: Document,
    asset: Annotated[str, typer.Option(help="CEA-<vintage>, or CNY")] = "",
    quantity: Annotated[int | None, typer.Option(help="tonnes, or fen; what is not there yet waits")] = None,
    everything: Annotated[str, typer.Option(help="in, out or all, instead of asset and quantity")] = "",
    to: Until = "",
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose to carry out a court's freeze; what is there is held at once."""
    body = given(account=account, court=court, document=document, asset=asset, quantity=quantity, to=to)
    body |= given(everything=everything)
    with session(who, api, token) as registry:
        show(registry.post("/v1/freezes", body, key=key), as_json=as_json)


@app.command("release")
def release(
    number: Number,
    *,
    document: Document,
    quantity: Annotated[int | None, typer.Option(help="a part; else all that is outstanding")] = None,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose to give a pledge or freeze free."""
    with session(who, api, token) as registry:
        body = given(document=document, quantity=quantity)
        show(registry.post(f"/v1/encumbrances/{number}/release", body, key=key), as_json=as_json)


@app.command("realise")
def realise(  # noqa: PLR0913  # one option for each field
    number: Number,
    to_account: Taker,
    quantity: Quantity,
    *,
    document: Document,
    instruction: Annotated[str, typer.Option(help="to sell to somebody else than the creditor")] = "",
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose that a pledge goes to its creditor."""
    with session(who, api, token) as registry:
        body = given(document=document, quantity=quantity, to_account=to_account, instruction=instruction)
        show(registry.post(f"/v1/encumbrances/{number}/realise", body, key=key), as_json=as_json)


@app.command("deduct")
def deduct(  # noqa: PLR0913  # one option for each field
    number: Number,
    to_account: Taker,
    quantity: Quantity,
    *,
    document: Document,
    asset: Annotated[str, typer.Option(help="where everything is frozen, and only there")] = "",
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose to take out of a freeze what a court's decision states."""
    with session(who, api, token) as registry:
        body = given(document=document, quantity=quantity, to_account=to_account, asset=asset)
        show(registry.post(f"/v1/encumbrances/{number}/deduct", body, key=key), as_json=as_json)


@app.command("show")
def show_one(
    number: Number, *, who: As = "auditor", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """Show a pledge or freeze and everything that happened to it."""
    with session(who, api, token) as registry:
        show(registry.get(f"/v1/encumbrances/{number}"), as_json=as_json)


@app.command("list")
def list_account(
    account: Account,
    *,
    after: str = "",
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """List what encumbers an account, by rank."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/accounts/{account}/encumbrances?after={after}")
    columns = ("number", "kind", "asset", "quantity", "everything", "creditor", "document", "state", "held", "waiting")
    show_rows(body["encumbrances"], columns, body=body, as_json=as_json)
    if body["next"] and not as_json:
        typer.echo(f"more: --after {body['next']}", err=True)


@app.command("notices")
def notices(
    *,
    before: int | None = None,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show the registry's public notices, the newest first."""
    with session(who, api, token) as registry:
        body = registry.get("/v1/notices" + (f"?before={before}" if before is not None else ""))
    show_rows(body["notices"], ("number", "market_day", "kind", "text"), body=body, as_json=as_json)
    if body["next"] and not as_json:
        typer.echo(f"more: --before {body['next']}", err=True)
