"""`registry demo`: one whole trading day with two faults in it, and a verdict."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import typer
from rich.console import Console

from chaos.market.published import DataError
from core.quantities import fen_of_yuan
from deploy.demo.command import DEFAULT_BASE, Asked, data_file, run
from deploy.playground.lifecycle import StartFailedError
from deploy.playground.preflight import CannotStartError
from ha.control import NoPlaygroundError

CANNOT_BE_PLAYED = (DataError, CannotStartError, StartFailedError, NoPlaygroundError)


def demo(
    day: str = typer.Option("2021-07-16", help="The market day to play."),
    data: Path | None = typer.Option(
        None, help="A file with a row a trading day; without it the one that REGISTRY_MARKET_DATA names."
    ),
    base: str = typer.Option(DEFAULT_BASE, help="Previous close of the file's first row, in yuan."),
    seed: int | None = typer.Option(None, help="Repeats an earlier run's firms, trades and clients."),
    keep: bool = typer.Option(
        False,
        "--keep",
        help="Leave the playground running; one that stopped with data must be started, or made anew, first.",
    ),
) -> None:
    """Play a whole trading day on a real cluster, with a cut line and a dead primary in it, and judge the outcome."""
    chosen = random.SystemRandom().randrange(1, 100_000) if seed is None else seed
    try:
        asked = Asked(_day(day), data_file(data), _base(base), chosen, keep, base)
        verdict = run(asked, Console())
    except CANNOT_BE_PLAYED as error:
        typer.echo(f"registry demo: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.echo("registry demo: interrupted; what was started is stopped", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(0 if verdict.word == "pass" else 1)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DataError(f"--day is a date as 2021-07-16, not {text!r}") from None


def _base(text: str) -> int:
    try:
        base_fen = fen_of_yuan(text)
    except ValueError as error:
        raise DataError(f"--base: {error}") from None
    if base_fen <= 0:
        raise DataError(f"--base: a price is above zero, not {text}")
    return base_fen
