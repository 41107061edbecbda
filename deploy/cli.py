"""The one command: joins the commands of every package, and adds those that run the whole system on one machine."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import typer
from rich.console import Console
from rich.live import Live

from chaos import cli as chaos_cli
from chaos.session import Target
from core import cli as core_cli
from core.cli import records
from core.settings import settings
from deploy.bench.cli import bench
from deploy.demo.cli import demo
from deploy.operate import accounts as operate_accounts
from deploy.operate import command
from deploy.operate import ownership as operate_ownership
from deploy.operate import parameters as operate_parameters
from deploy.playground import lifecycle, screen, tokens
from deploy.playground.commands import DATABASE
from deploy.playground.plan import Plan
from deploy.playground.preflight import CannotStartError
from deploy.playground.state import State, default_state, secrets_of
from ha import cli as ha_cli
from ha import control
from monitoring import cli as monitoring_cli

app = typer.Typer(
    help="The carbon allowance registry: run it, break it, prove it.",
    cls=command.Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(demo)
app.command()(bench)
core_cli.account_app.add_typer(operate_accounts.app)
command.join(
    app,
    {
        "account": core_cli.account_app,
        "audit": core_cli.audit_app,
        "day": core_cli.day_app,
        "ownership": operate_ownership.app,
        "rules": operate_parameters.app,
    },
)
app.add_typer(core_cli.ledger_app, name="ledger")
app.command()(core_cli.reconcile)
app.add_typer(chaos_cli.app, name="drill")
app.add_typer(monitoring_cli.app, name="slo")
app.add_typer(ha_cli.app, name="ha")


def _say(line: str) -> None:
    typer.echo(line, err=True)


@contextmanager
def _open_target() -> Iterator[Target]:
    """Drills need no import of ours: here they are given the running playground, else a private one."""
    try:
        with lifecycle.open_playground(say=_say):
            state = State(default_state())  # inside, this is the one that was opened
            yield Target(control.find(state.root), lambda name: tokens.mint(state, name))
    except (CannotStartError, lifecycle.StartFailedError) as error:
        raise control.NoPlaygroundError(str(error)) from error


chaos_cli.open_target = _open_target


def _nearest_dsn() -> str:
    """Records are read from the database that the environment names, else from the playground of this folder."""
    state = State(default_state())
    if "REGISTRY_DSN" in os.environ or not state.control.exists():
        return settings().dsn
    plan = Plan(int(state.instance_file.read_text(encoding="utf-8")))
    return plan.sql_uri("registry_app", secrets_of(state).app, DATABASE)


records.default_dsn = _nearest_dsn


class _Waiting:
    """Prints each step of a start once, when it is reached."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0
        self._status = console.status("starting every process")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def report(self, progress: dict[str, Any]) -> None:
        for step in progress["done"][self._shown :]:
            self._console.print(f"  [green]done[/] {step['step']} [dim]{step['at_s']:.1f} s[/]")
        self._shown = len(progress["done"])
        if progress["waiting_for"]:
            self._status.update(f"waiting: {progress['waiting_for']}")


@app.command()
def up(
    detach: bool = typer.Option(False, "--detach", help="Return once writes are taken; `registry down` stops it."),
    fresh: bool = typer.Option(False, "--fresh", help="Delete the data of earlier runs first."),
    instance: int | None = typer.Option(
        None, min=1, max=254, help="Second number of every address, 127.N.x.y; another one when these are taken."
    ),
) -> None:
    """Run the whole system on this machine: two sites, a witness, exchange, bank, monitoring."""
    root, console = default_state(), Console()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # a shell's background job would ignore Ctrl-C
    try:
        started = lifecycle.start(root, tie="free" if detach else "tied", fresh=fresh, instance=instance, say=_say)
        with _Waiting(console) as waiting:
            status = lifecycle.wait_ready(started, waiting.report)
        _show_addresses(status, root, console, foreground=not detach)
        if not detach:
            _show_until_stopped(started, console)
    except (CannotStartError, lifecycle.StartFailedError) as error:
        _say(str(error))
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        _say("stopping everything, data stays")
        lifecycle.stop(root)


def _show_addresses(status: dict[str, Any], root: Path, console: Console, *, foreground: bool) -> None:
    console.print(screen.farewell(status))
    for name, line in screen.lines_to_copy(status):
        console.print(f"[bold]{name:<13}[/]", end="")
        console.print(line, style="cyan", soft_wrap=True, markup=False, highlight=False)
    console.print(screen.ending(root, foreground=foreground), style="yellow", soft_wrap=True, highlight=False)


def _show_until_stopped(started: lifecycle.Started, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as shown:
        while started.warden.poll() is None:
            if console.is_terminal:
                with suppress(control.NoPlaygroundError):
                    shown.update(screen.live(started.control.status()), refresh=True)
            time.sleep(1)
    _say("the playground was stopped")


@app.command()
def status(as_json: bool = typer.Option(False, "--json", help="The machine-readable form.")) -> None:
    """Show nodes, roles, lines, services and endpoints of the running playground."""
    try:
        seen = control.find(default_state()).status()
    except control.NoPlaygroundError as error:
        _say(str(error))
        raise typer.Exit(2) from error
    if as_json:
        print(json.dumps(seen, indent=2))
    else:
        Console().print(screen.live(seen))


@app.command()
def down() -> None:
    """Stop the playground in order; its data stays."""
    try:
        ran = lifecycle.stop(default_state(), _say)
    except CannotStartError as error:
        _say(str(error))
        raise typer.Exit(2) from error
    print("the playground is stopped; its data stays" if ran else "no playground runs")


@app.command()
def token(
    name: str = typer.Option(..., "--as", help="Who calls. Two names are two people: one proposes, one approves."),
) -> None:
    """Print a bearer token for the playground's API."""
    state = State(default_state())
    if not state.issuer_key.exists():
        _say(f"no playground has run in {state.root}: start one with `registry up`")
        raise typer.Exit(2)
    print(tokens.mint(state, name))


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    sys.exit(app())
