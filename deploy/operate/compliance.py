"""Commands about compliance: emissions, obligations, surrender, offset, carry-over, and what each would come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.operate.session import Api, As, AsJson, Key, Token, definite, session, show, show_rows, stop

app = typer.Typer(no_args_is_help=True, help="Verified emissions, obligations, surrender, offset, carry-over.")

Account = Annotated[str, typer.Argument(help="account number")]
Year = Annotated[int, typer.Argument(help="compliance year, such as 2020")]
Product = Annotated[str, typer.Argument(help="CEA-<vintage>")]
Tonnes = Annotated[int, typer.Argument(help="whole tonnes")]
Reason = Annotated[str, typer.Option(help="why, in words")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what it would come to; nothing is proposed")]


@app.command("emissions")
def emissions(
    file: Annotated[Path, typer.Argument(help="CSV (account,tonnes,reason), or JSON as the API takes it")],
    *,
    year: Annotated[int, typer.Option(help="of a CSV file")] = 0,
    who: As = "ministry-maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Upload verified emissions as the authority; another of its people confirms them."""
    content = _read(file)
    with session(who, api, token) as registry:
        if file.suffix.lower() == ".json":
            answer = registry.post("/v1/emissions", _json(content.decode("utf-8", "replace")), key=key)
        else:
            path, headers = f"/v1/emissions/csv?year={year}", {"Content-Type": "text/csv"}
            answer = definite(registry.ask("POST", path, content=content, headers=headers, key=key))
    if as_json:
        return show(answer, as_json=True)
    return show({"id": answer["id"], "state": answer["state"], "lines": len(answer["lines"])}, as_json=False)


@app.command("show")
def show_account(
    account: Account,
    year: Annotated[int | None, typer.Argument(help="one year; else all")] = None,
    *,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show what an account owes: of one year with its history, the days left and what is short; or over all years."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/obligations/{account}" + (f"/{year}" if year is not None else ""))
    if year is not None:
        return show(body, as_json=as_json)
    columns = ("year", "state", "due", "surrendered", "offset", "missing", "deadline", "days_left", "deducted")
    return show_rows(body["obligations"], columns, body=body, as_json=as_json)


@app.command("list")
def list_year(
    year: Year,
    *,
    state: Annotated[str, typer.Option(help="OPEN, PART, MET, SHORT, PENALISED, MISSING_DATA")] = "",
    after: str = "",
    limit: int = 100,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """List a year's obligations; a province sees its own firms."""
    query = f"state={state}&after={after}&limit={limit}"
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/compliance-years/{year}/obligations?{query}")
    columns = ("account", "state", "due", "surrendered", "offset", "missing", "deducted")
    show_rows(body["obligations"], columns, body=body, as_json=as_json)
    if body["next"] and not as_json:
        typer.echo(f"more: --after {body['next']}", err=True)


@app.command("year")
def year_rules(  # noqa: PLR0913  # one option for each field
    year: Year,
    *,
    deadline: Annotated[str, typer.Option(help="last market day in time, YYYY-MM-DD; without it: show the rules")] = "",
    vintages: Annotated[str, typer.Option(help="whose units count, as 2019,2020")] = "",
    offset_basis_points: Annotated[int, typer.Option(help="of the amount due, 500 = 5 %")] = 500,
    reversal_days: Annotated[int, typer.Option(help="in which a surrender can be taken back")] = 30,
    reason: Reason = "",
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show what counts for a compliance year, or propose it."""
    with session(who, api, token) as registry:
        if not deadline:
            return show(registry.get(f"/v1/compliance-years/{year}"), as_json=as_json)
        body = {
            "year": year,
            "deadline": deadline,
            "vintages": [_whole(one) for one in vintages.split(",")],
            "offset_basis_points": offset_basis_points,
            "reversal_days": reversal_days,
            "reason": reason,
        }
        return show(registry.post("/v1/compliance-years", body, key=key), as_json=as_json)


@app.command("surrender")
def surrender(  # noqa: PLR0913  # one option for each field
    account: Account,
    product: Product,
    tonnes: Tonnes,
    year: Year,
    *,
    dry_run: DryRun = False,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Hand units in for a year; they are held at once and gone on approval."""
    body = {"account": account, "product": product, "tonnes": tonnes, "year": year}
    with session(who, api, token) as registry:
        show(registry.post(_path("/v1/surrenders", dry_run=dry_run), body, key=key), as_json=as_json)


@app.command("reverse")
def reverse(
    surrender_id: Annotated[str, typer.Argument(help="`hold` of the surrender's task")],
    *,
    reason: Reason,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose to take a surrender back within its time."""
    with session(who, api, token) as registry:
        show(registry.post(f"/v1/surrenders/{surrender_id}/reverse", {"reason": reason}, key=key), as_json=as_json)


@app.command("penalise")
def penalise(
    account: Account,
    year: Year,
    *,
    reason: Reason,
    who: As = "ministry-maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Propose a penalty for an obligation that is short; what is missing comes off the next allocation."""
    with session(who, api, token) as registry:
        body = {"account": account, "year": year, "reason": reason}
        show(registry.post("/v1/penalties", body, key=key), as_json=as_json)


@app.command("freeze-offset")
def freeze_offset(  # noqa: PLR0913  # one option for each field
    account: Account,
    project: Annotated[str, typer.Argument(help="project number in the offset registry")],
    first: Annotated[int, typer.Argument(help="first serial")],
    last: Annotated[int, typer.Argument(help="last serial")],
    *,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Have the offset registry freeze units for an account."""
    with session(who, api, token) as registry:
        body = {"account": account, "project": project, "first": first, "last": last}
        show(registry.post("/v1/offset-lots", body, key=key), as_json=as_json)


@app.command("offset-lots")
def offset_lots(
    account: Account, *, who: As = "auditor", api: Api = None, token: Token = "", as_json: AsJson = False
) -> None:
    """List an account's lots of offset units."""
    with session(who, api, token) as registry:
        body = registry.get(f"/v1/accounts/{account}/offset-lots?limit=1000")
    show_rows(body["lots"], ("id", "project", "first", "last", "tonnes", "state", "until"), body=body, as_json=as_json)


@app.command("offset")
def offset(  # noqa: PLR0913  # one option for each field
    account: Account,
    year: Year,
    lots: Annotated[list[str], typer.Argument(help="ids of lots that are SYNCED")],
    *,
    dry_run: DryRun = False,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Apply to offset a part of what is due with frozen lots."""
    body = {"account": account, "year": year, "lots": lots}
    with session(who, api, token) as registry:
        show(registry.post(_path("/v1/offsets", dry_run=dry_run), body, key=key), as_json=as_json)


@app.command("carry-over")
def carry_over(  # noqa: PLR0913  # one option for each field
    account: Account,
    product: Annotated[str, typer.Argument(help="CEA-<vintage>; without it: show the limits")] = "",
    tonnes: Annotated[int, typer.Argument(help="whole tonnes")] = 0,
    *,
    dry_run: DryRun = False,
    who: As = "maker",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Apply to carry units over into a later vintage, or show what an account may carry over."""
    with session(who, api, token) as registry:
        if product:
            body = {"account": account, "product": product, "tonnes": tonnes}
            return show(registry.post(_path("/v1/carry-overs", dry_run=dry_run), body, key=key), as_json=as_json)
        found = registry.get(f"/v1/accounts/{account}/carry-overs?limit=1000")
    columns = ("rule", "vintages", "to_vintage", "net_sold", "limit", "carried", "left", "apply_until")
    return show_rows(found["limits"], columns, body=found, as_json=as_json)


@app.command("carry-over-rule")
def carry_over_rule(
    file: Annotated[Path | None, typer.Argument(help="JSON as the API takes it; without it: show the rules")] = None,
    *,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show the rule sets of carry-over, or propose one."""
    body: Any = _json(_read(file).decode("utf-8", "replace")) if file is not None else None
    with session(who, api, token) as registry:
        if body is not None:
            return show(registry.post("/v1/carry-over-rules", body, key=key), as_json=as_json)
        found = registry.get("/v1/carry-over-rules")
    columns = ("name", "version", "vintages", "to_vintage", "base_t", "factor_thousandths", "apply_until")
    return show_rows(found["rules"], columns, body=found, as_json=as_json)


def _path(path: str, *, dry_run: bool) -> str:
    return f"{path}/dry-run" if dry_run else path


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        stop(f"{file} cannot be read: {error}.")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        stop(f"This is no JSON: {error}.")


def _whole(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()):
        stop(f"--vintages are years, as 2019,2020; {text!r} is none.")
    return int(text)
