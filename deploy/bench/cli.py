"""`registry bench`: figures beside their references, goals met or not."""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import typer
from rich.console import Console

from deploy.bench import balance, bulk, transfers, transfers_sql
from deploy.bench.benchmarks import HISTORY, Benchmark, Plan
from deploy.bench.ground import BenchError, Ground
from deploy.bench.results import RESULTS, Row, all_met, merge, table
from deploy.playground.lifecycle import StartFailedError, open_playground
from deploy.playground.preflight import CannotStartError
from ha.control import ControlRefusedError, NoPlaygroundError

BENCHMARKS: tuple[Benchmark, ...] = (
    transfers.BENCHMARK,
    transfers_sql.BENCHMARK,
    bulk.BENCHMARK,
    balance.BENCHMARK,
)
NAMES = ", ".join(one.name for one in BENCHMARKS)
CANNOT = (BenchError, CannotStartError, StartFailedError, NoPlaygroundError, ControlRefusedError, OSError)


def bench(
    name: str | None = typer.Argument(None, help=f"One of: {NAMES}. All without one."),
    as_json: bool = typer.Option(False, "--json", help="The machine-readable form."),
    seconds: float = typer.Option(15.0, min=1.0, max=600.0, help="How long each load runs."),
    seed: int | None = typer.Option(None, help="Repeats an earlier run's choice of accounts."),
    history: int = typer.Option(HISTORY, min=1, help="`balance`: transfers that are there before it is read."),
) -> None:
    """Measure the registry on a real cluster, each figure beside a reference of the same run."""
    chosen = [one for one in BENCHMARKS if name in {None, one.name}]
    if not chosen:
        typer.echo(f"registry bench: no benchmark {name}; there are {NAMES}", err=True)
        raise typer.Exit(2)
    plan = Plan(seconds, random.SystemRandom().randrange(1, 100_000) if seed is None else seed, history)
    try:
        rows = _measure(chosen, plan)
    except CANNOT as error:
        typer.echo(f"registry bench: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.echo("registry bench: interrupted; what was started is stopped", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps([asdict(one) for one in rows], indent=2, ensure_ascii=False))
    else:
        Console().print(table(rows))
        print(f"kept in {RESULTS}")
    raise typer.Exit(0 if all_met(rows) else 1)


def _measure(chosen: list[Benchmark], plan: Plan) -> list[Row]:
    found: list[Row] = []
    console = Console(stderr=True)
    with console.status("a cluster to measure") as status, open_playground(say=console.print):
        ground = Ground.running()
        for one in chosen:

            def say(line: str, name: str = one.name) -> None:
                console.print(f"  [dim]{name}[/] {line}")
                status.update(f"{name}: {line}")

            rows = one.run(ground, plan, say)
            merge(rows)
            found += rows
    return found
