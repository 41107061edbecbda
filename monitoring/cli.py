"""Commands of the promise: `registry slo check`, `report`, `rules`, `simulate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ha.control import ControlRefusedError, NoPlaygroundError
from monitoring import check as checking
from monitoring import generate, simulate
from monitoring.burnrate import PAGE, TICKET, WINDOWS
from monitoring.objectives import load
from monitoring.samples import Prometheus, UnreachableError
from monitoring.verdict import Outcome, Verdict

app = typer.Typer(help="Is 99.99 % kept? From the outside probe's samples.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]

_COLOURS = {Outcome.KEPT: "green", Outcome.BROKEN: "red", Outcome.NOT_ENOUGH_EVIDENCE: "yellow"}


@contextmanager
def _or_exit_2() -> Iterator[None]:
    """Say in one line why there is no answer."""
    try:
        yield
    except (NoPlaygroundError, ControlRefusedError, UnreachableError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Judge the promise: exit code 0 kept, 1 broken, 3 not enough evidence, 2 nothing to ask."""
    with _or_exit_2():
        verdict = checking.current_verdict()
    if as_json:
        print(json.dumps(verdict.as_json(), indent=2))
    else:
        print(_sentence(verdict))
    raise typer.Exit(verdict.outcome.exit_code)


@app.command()
def report() -> None:
    """Show where the seconds went and how fast the budget burns; exit codes as of check."""
    with _or_exit_2():
        verdict = checking.current_verdict()
        prometheus = Prometheus(checking.prometheus_url())
        ratios = {window: prometheus.instant(f"max(slo:sli_error:ratio_rate{window})") for window in WINDOWS}
        firing = prometheus.instant('ALERTS{alertstate="firing"}')
        prometheus.close()
    console = Console()
    console.print(_numbers(verdict))
    burn = {window: found[0].value / verdict.objective.allowed for window, found in ratios.items() if found}
    console.print(_burn_table(burn))
    names = sorted({series.labels.get("alertname", "?") for series in firing})
    console.print(f"Alerts firing: {', '.join(names) if names else 'none'}")
    raise typer.Exit(verdict.outcome.exit_code)


@app.command()
def rules(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a file is stale.")
    ] = False,
) -> None:
    """Generate the Prometheus rules and the dashboard from the objective."""
    files = generate.stale() if check_only else generate.write()
    for file in files:
        print(f"{'stale' if check_only else 'written'}: {file.relative_to(generate.FOLDER.parent)}")
    if not files:
        print("All generated files are up to date.")
    raise typer.Exit(1 if files and check_only else 0)


@app.command(name="simulate")
def simulate_command(
    windows: Annotated[int, typer.Option(min=100, help="How many windows of 30 days to live through.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Repeats a forecast exactly.")] = 1,
    drills: Annotated[Path, typer.Option(help="Where drills left their verdicts.")] = Path("out/drills"),
    as_json: JsonOption = False,
) -> None:
    """Forecast how likely a month keeps the promise, from assumed fault rates and measured recovery times."""
    objective = load()
    classes = simulate.with_measured(simulate.ASSUMED, drills)
    outlook = simulate.forecast(objective, classes, windows=windows, seed=seed)
    if as_json:
        print(json.dumps(_forecast_json(outlook, classes, seed), indent=2))
        return
    table = Table(title="Assumptions, and what each class costs in an average window")
    for heading in ("fault", "a year", "outage, s", "from", "mean s lost"):
        table.add_column(heading, justify="left" if heading in {"fault", "from"} else "right")
    for fault in classes:
        span = f"{min(fault.outages_s):g} to {max(fault.outages_s):g}"
        lost = f"{outlook.bad_s_mean_by_class[fault.name]:.2f}"
        table.add_row(fault.name, f"{fault.per_year:g}", span, "drills" if fault.measured else "assumed", lost)
    Console().print(table)
    quantiles = ", ".join(f"{name} {value:.0f} s" for name, value in outlook.bad_s_quantiles.items())
    print(f"P(bad time <= {objective.budget_s:g} s in {objective.window_days} days) = {outlook.kept_share:.1%}")
    print(f"Bad time: {quantiles}. {outlook.windows} windows, seed {seed}.")


def _forecast_json(outlook: simulate.Forecast, classes: list[simulate.FaultClass], seed: int) -> dict[str, object]:
    return {
        "kept_share": outlook.kept_share,
        "windows": outlook.windows,
        "seed": seed,
        "bad_s": dict(outlook.bad_s_quantiles),
        "assumptions": [
            {
                "fault": fault.name,
                "per_year": fault.per_year,
                "outages_s": list(fault.outages_s),
                "measured": fault.measured,
                "mean_lost_s": round(outlook.bad_s_mean_by_class[fault.name], 3),
            }
            for fault in classes
        ],
    }


def _sentence(verdict: Verdict) -> str:
    """The verdict in one line."""
    account = verdict.account
    if verdict.availability is None:
        return f"{verdict.outcome.words}: the outside probe has no sample yet"
    return (
        f"{verdict.outcome.words}: {verdict.availability:.4%} of {account.observed_s:.0f} s observed, "
        f"budget used {verdict.budget_used_s:.1f} of {verdict.objective.budget_s:g} s, "
        f"longest write gap {account.longest_gap_s:.1f} s"
    )


def _numbers(verdict: Verdict) -> Table:
    objective, account = verdict.objective, verdict.account
    table = Table(title=objective.title, show_header=False)
    colour = _COLOURS[verdict.outcome]
    good = "no sample yet" if verdict.availability is None else f"{verdict.availability:.4%}"
    rows = {
        "verdict": f"[bold {colour}]{verdict.outcome.words}[/]",
        "promise": f"{objective.target * 100:g} % of {objective.window_days} days",
        "availability of the time observed": good,
        "observed": f"{account.observed_s:.0f} s",
        "bad ticks": f"{account.bad_s:.1f} s",
        "missing samples": f"{account.missing_s:.1f} s",
        "budget used": f"{verdict.budget_used_s:.1f} of {objective.budget_s:g} s",
        "longest write gap": f"{account.longest_gap_s:.2f} s",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _burn_table(burn: dict[str, float]) -> Table:
    """Burn rates by window, beside the pairs that wake somebody up."""
    table = Table(title="Burn rate (1 uses up the budget in exactly one window)")
    table.add_column("window")
    table.add_column("burn", justify="right")
    table.add_column("alerts above")
    limits = {"page": PAGE, "ticket": TICKET}
    for window, value in burn.items():
        above = [f"{pair.factor:g} {kind}" for kind, pairs in limits.items() for pair in pairs
                 if window in (pair.short, pair.long)]  # fmt: skip
        table.add_row(window, f"{value:.2f}", ", ".join(above))
    return table
