"""`registry ha`: the cluster's roles at a glance, and the power switch of each node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.table import Table

from ha import control

app = typer.Typer(help="Look at the cluster, and switch its nodes off and on.", no_args_is_help=True)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (control.NoPlaygroundError, control.ControlRefusedError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def status() -> None:
    """Show who is primary, who confirms, how far each node is behind."""
    with _one_line_errors():
        seen = control.status()
    table = Table("node", "site", "role", "state", "timeline", "lag")
    for node in seen["nodes"]:
        lag = "" if node["lag_bytes"] is None else f"{node['lag_bytes']:,} B"
        table.add_row(node["name"], node["site"], node["role"] or "-", node["state"], str(node["timeline"] or ""), lag)
    Console().print(table)


@app.command("power-off")
def power_off(
    node: str,
    heal_after_s: float | None = typer.Option(None, help="Power comes back by itself after so many seconds."),
) -> None:
    """Kill every process of NODE at once."""
    with _one_line_errors():
        answer = control.power_off(node, heal_after_s=heal_after_s)
    print(f"{node} is off: {answer['killed']} processes killed")


@app.command("power-on")
def power_on(node: str) -> None:
    """Start the processes of NODE again."""
    with _one_line_errors():
        control.power_on(node)
    print(f"{node} is on")
