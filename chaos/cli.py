"""`registry drill`: list the drills, run them on a playground, judge saved ones again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos.drills import UnknownDrillError, drills, find_drill, judge_folder, run_drill, worst_exit_code
from chaos.history import HistoryDamagedError
from chaos.report import figures_of
from chaos.session import Target
from chaos.verdict import COLOURS, Verdict
from ha.control import ControlRefusedError, NoPlaygroundError

app = typer.Typer(help="Break something on purpose, under load, and judge what became of every write.",
                  no_args_is_help=True)  # fmt: skip

open_target: Callable[[], AbstractContextManager[Target]] | None = None
"""How to come by a playground: the running one, else a private one. Set by the program that composes us."""


@app.command("list")
def list_drills() -> None:
    """List the drills there are."""
    table = Table("name", "what happens")
    for drill in drills():
        table.add_row(drill.name, drill.title)
    Console().print(table)


@app.command()
def run(
    name: str = typer.Argument(help="A drill by name; see `registry drill list`."),
    seed: int | None = typer.Option(None, help="Repeats the clients' choices of an earlier run."),
) -> None:
    """Run one drill; out/drills/NAME-SEED/ holds all it leaves."""
    with _one_line_errors():
        find_drill(name)
        with _target() as target:
            verdict = _run_with_progress(name, target, seed)
    raise typer.Exit(worst_exit_code([verdict]))


@app.command("all")
def run_all(seed: int | None = typer.Option(None, help="Repeats the clients' choices of an earlier run.")) -> None:
    """Run every drill, one after the other, on the same playground."""
    with _one_line_errors(), _target() as target:
        verdicts = [_run_with_progress(drill.name, target, seed) for drill in drills()]
    raise typer.Exit(worst_exit_code(verdicts))


@app.command()
def judge(
    folder: Path = typer.Argument(help="What an earlier run left: out/drills/NAME-SEED."),
) -> None:
    """Judge a saved drill again, from its history alone."""
    with _one_line_errors():
        verdict = judge_folder(folder)
    show(verdict, folder)
    raise typer.Exit(worst_exit_code([verdict]))


def show(verdict: Verdict, folder: Path) -> None:
    """Print a verdict for people."""
    console = Console()
    colour = COLOURS[verdict.word]
    figures = Table.grid(padding=(0, 2))
    for name, figure in figures_of(verdict):
        figures.add_row(name, figure)
    checks = Table("check", "", "", title=f"{verdict.name}: [bold {colour}]{verdict.word}[/]", title_justify="left")
    for check in verdict.checks:
        checks.add_row(check.name, "[green]yes[/]" if check.passed else "[red]no[/]", check.detail)
    console.print(checks, figures, "", f"saved in  {folder}", f"repeat    {verdict.repeat}", sep="\n")


def _run_with_progress(name: str, target: Target, seed: int | None) -> Verdict:
    chosen = random.SystemRandom().randrange(1, 100_000) if seed is None else seed
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        verdict, folder = run_drill(
            name, target, seed=chosen, progress=lambda what: bar.update(task, description=f"{name}: {what}")
        )
    show(verdict, folder)
    return verdict


@contextmanager
def _target() -> Iterator[Target]:
    if open_target is None:
        raise NoPlaygroundError("no playground can be reached from here: use the `registry` command")
    with open_target() as target:
        yield target


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Wrong use and missing means end in one line and exit code 2."""
    try:
        yield
    except (UnknownDrillError, HistoryDamagedError, NoPlaygroundError, ControlRefusedError, OSError) as error:
        typer.echo(f"registry drill: {error}", err=True)
        raise typer.Exit(2) from error
