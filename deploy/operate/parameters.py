"""Commands about the market's rules: what holds on a day, and changes tried out and proposed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.operate import screen
from deploy.operate.session import Api, As, AsJson, Key, Token, Wait, session, show, stop
from ha.client import WITHIN_S

app = typer.Typer(no_args_is_help=True, help="The market's rules: products, modes, limits, hours, calendar, caps.")

Date = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what it would do; nothing is proposed")]


@app.command("show")
def show_rules(
    day: Date,
    *,
    who: As = "auditor",
    api: Api = None,
    token: Token = "",
    wait: Wait = WITHIN_S,
    as_json: AsJson = False,
) -> None:
    """Show the rules of a market day as they are decided by now, with its price limits."""
    with session(who, api, token, within_s=wait) as registry:
        rules = registry.get(f"/v1/market-rules/{day:%Y-%m-%d}")
    limits = rules.pop("limits")
    if as_json:
        screen.echo(rules | {"limits": limits})
    else:
        screen.record(rules)
        _show_limits(limits)


@app.command("set")
def set_parameter(  # noqa: PLR0913  # one option for each field
    kind: Annotated[str, typer.Argument(help="sector, product, vintage, mode, limit, tick, hours, calendar, cap")],
    name: Annotated[str, typer.Argument(help="CEA-2021, listed, listed/CEA-2021, price, steel, 2021-10-08")],
    value: Annotated[str, typer.Argument(help="the whole value, as '{\"percent\": 5}'")],
    *,
    why: Annotated[str, typer.Option(help="what the change is for")],
    since: Annotated[
        str, typer.Option("--from", help="first market day on which it holds; a calendar date's own")
    ] = "",
    dry_run: DryRun = False,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    wait: Wait = WITHIN_S,
    as_json: AsJson = False,
) -> None:
    """Propose a new version of one parameter; another person approves the task."""
    change = {"kind": kind, "name": name, "value": _json(value)} | ({"effective_from": since} if since else {})
    _send({"changes": [change], "why": why}, who, api, token, key, wait_s=wait, dry_run=dry_run, as_json=as_json)


@app.command("propose")
def propose(
    file: Annotated[Path, typer.Argument(help='JSON: {"changes": [{kind, name, value, effective_from}], "why": ...}')],
    *,
    dry_run: DryRun = False,
    who: As = "operator",
    api: Api = None,
    token: Token = "",
    key: Key = "",
    wait: Wait = WITHIN_S,
    as_json: AsJson = False,
) -> None:
    """Propose the changes of a file together: all or none."""
    try:
        body = _json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        stop(f"{file} cannot be read: {error}.")
    _send(body, who, api, token, key, wait_s=wait, dry_run=dry_run, as_json=as_json)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        stop(f"This is no JSON: {error}.")


def _send(  # the options of a command
    body: Any, who: str, api: list[str] | None, token: str, key: str, *, wait_s: float, dry_run: bool, as_json: bool
) -> None:
    with session(who, api, token, within_s=wait_s) as registry:
        answer = registry.post(f"/v1/parameters{'/dry-run' if dry_run else ''}", body, key=key)
    if dry_run and not as_json:
        _show_foreseen(answer["outcome"])
    else:
        show(answer, as_json=as_json)


def _show_foreseen(seen: Mapping[str, Any]) -> None:
    """Show what changes would do, as far as it differs from what is."""
    columns = ("kind", "name", "effective_from", "value_before", "value")
    screen.rows(seen["changes"], columns)
    for day in seen["days"]:
        typer.echo(
            f"On {day['day']}: products that come {day['products']['added'] or 'none'}, go "
            f"{day['products']['removed'] or 'none'}; who holds them: {day['holders'] or 'nobody'}"
        )
        _show_limits(_differences(day["before"]["limits"], day["after"]["limits"]))
    days = seen["trading_days"]
    if days["now"] != days["then"]:
        typer.echo(f"Trading days after {days['after']}: now {', '.join(days['now'])}")
        typer.echo(f"  then {', '.join(days['then'])}")
    trades = seen["trades"]
    if trades is not None:
        screen.rows(trades["refused_then"], ("code", "sentence", "trades", "tonnes"))
        typer.echo(f"Of the trades of {trades['day']}, {trades['accepted']} would be accepted again.")


def _differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the limits that would change beside those that are."""
    was = {(one["product"], one["mode"]): one for one in before}
    found = []
    for one in after:
        old = was.pop((one["product"], one["mode"]), {})
        if old != one:
            found.append(one | {"low_before": old.get("low_fen"), "high_before": old.get("high_fen")})
    gone = [{**old, "low_before": old["low_fen"], "high_before": old["high_fen"]} for old in was.values()]
    return found + [{**one, "low_fen": None, "high_fen": None} for one in gone]


def _show_limits(limits: list[dict[str, Any]]) -> None:
    columns = ["product", "mode", "previous_close_fen", "low_fen", "high_fen"]
    columns += ["low_before", "high_before"] if any("low_before" in one for one in limits) else []
    screen.rows(limits, columns)
