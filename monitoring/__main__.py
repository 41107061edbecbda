"""`python -m monitoring probe` runs the outside probe, `python -m monitoring generate` writes rules and dashboards."""

from __future__ import annotations

import typer
from pydantic import ValidationError

from monitoring import cli, probe

app = typer.Typer(help="Processes and generators of monitoring.", no_args_is_help=True)
app.add_typer(cli.app, name="slo")
app.command(name="generate")(cli.rules)


@app.command(name="probe")
def run_probe() -> None:
    """Write and read through the endpoint until told to stop."""
    try:
        probe.main()
    except ValidationError as error:
        wrong = ", ".join(f"REGISTRY_PROBE_{'_'.join(map(str, fault['loc'])).upper()}" for fault in error.errors())
        typer.echo(f"the environment lacks or misspells {wrong}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
