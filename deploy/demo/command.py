"""`registry demo`: checks what was asked, finds or starts a playground, plays the day, shows and saves the verdict."""

from __future__ import annotations

import os
import random
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from chaos.market.published import DataError, PublishedDay, published_day
from chaos.market.solver import solve
from chaos.session import Target
from chaos.verdict import Verdict
from core.clock.calendar import CalendarError, is_trading_day
from deploy.demo.play import PICTURE, Demo, Stage
from deploy.demo.screen import Steps, final, save_picture
from deploy.playground import lifecycle, tokens
from deploy.playground.preflight import CannotStartError
from deploy.playground.state import State, default_state
from ha import control

OUT = Path("out/demo")
DEFAULT_BASE = "48.00"
"""Yuan: the base price of the market's first day."""
DATA_VARIABLE = "REGISTRY_MARKET_DATA"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line said."""

    day: date
    data: Path | None
    base_fen: int
    seed: int
    keep: bool
    base: str = DEFAULT_BASE
    """``base_fen`` as it was typed, in yuan."""

    @property
    def repeat(self) -> str:
        """The exact command that repeats this run."""
        words = ["registry", "demo", "--day", self.day.isoformat(), "--seed", str(self.seed)]
        if self.data is not None:
            words += ["--data", str(self.data)]
        if self.base != DEFAULT_BASE:
            words += ["--base", self.base]
        return shlex.join(words)


def data_file(named: Path | None) -> Path | None:
    """Return the file to read: the one named, else the one of the environment, else none."""
    from_environment = os.environ.get(DATA_VARIABLE)
    return named or (Path(from_environment) if from_environment else None)


def checked(asked: Asked) -> PublishedDay:
    """Return the day's figures; DataError with one clear line when it cannot be played."""
    try:
        if not is_trading_day(asked.day):
            raise DataError(f"the market is closed on {asked.day}: choose a trading day")
    except CalendarError as error:
        raise DataError(str(error)) from error
    published = published_day(asked.day, file=asked.data, base_fen=asked.base_fen)
    deals = solve(published, random.Random(asked.seed))  # noqa: S311  # refused before anything starts
    if not deals:
        raise DataError(f"nothing was traded on {asked.day}: choose a day with trades")
    return published


def run(asked: Asked, console: Console) -> Verdict:
    """Play the demo. DataError and CannotStartError: nothing was started, or nothing is left of it."""
    published = checked(asked)
    try:
        OUT.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStartError(f"{OUT} cannot be written: {error.strerror}") from error
    with Steps(console) as steps, _playground(asked, steps.say) as (root, status):
        demo = Demo(_stage(root, status), published, seed=asked.seed, out=OUT, repeat=asked.repeat, say=steps.say)
        verdict = demo.play()
    shown = final(verdict, published, took_s=steps.elapsed_s, folder=OUT)
    console.print(shown)
    save_picture(OUT / PICTURE, shown)
    if asked.keep:
        console.print("the playground runs on: `registry status` shows it, `registry down` stops it")
    return verdict


@contextmanager
def _playground(asked: Asked, say: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The running playground; else with --keep a new one that stays; else a private one that is ended."""
    root, starting = default_state(), "starting four database nodes, a witness, two sites' services, exchange and bank"
    if lifecycle.is_running(State(root)):
        say("looking at the playground that runs")
        yield root, control.find(root).status()
    elif asked.keep:
        if State(root).nodes.exists():
            raise CannotStartError(
                f"{root} holds the data of an earlier playground: run `registry up --detach` to play on it, "
                "or `registry up --detach --fresh` to begin anew, then this command again"
            )
        say(starting)
        started = lifecycle.start(root, tie="free", say=say)
        yield root, lifecycle.wait_ready(started)
    else:
        say(starting)
        with lifecycle.private_playground(say) as started:
            yield started.state.root, started.control.status()
            say("stopping")


def _stage(root: Path, status: dict[str, Any]) -> Stage:
    state, runner = State(root), control.find(root)
    urls = {service["kind"]: service["url"] for service in status["services"]}
    return Stage(
        target=Target(runner, lambda name: tokens.mint(state, name)),
        api=status["endpoints"]["api"],
        exchange_url=urls["exchange"],
        bank_url=urls["bank"],
    )
