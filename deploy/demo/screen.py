"""What a person sees of the demo: each step as it happens, and a verdict to take in at a glance."""

from __future__ import annotations

import io
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from chaos.judge import budget_share
from chaos.market.published import PublishedDay
from chaos.verdict import COLOURS, Verdict
from core.quantities import yuan_of_fen

PICTURE = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{ font: {char_height}px monospace; line-height: {line_height}px }}
    .{unique_id}-title {{ font: bold 18px sans-serif }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
"""A picture of a terminal that needs nothing from elsewhere: Rich's own form loads its fonts from the internet."""


class Steps:
    """Prints each step with the time it took, and shows that the current one is still going on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._step: str | None = None
        self._begun = self._since = time.monotonic()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(failed=error is not None)
        self._status.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._begun

    def say(self, step: str) -> None:
        """End the step before and begin this one."""
        self._end(failed=False)
        self._step, self._since = step, time.monotonic()
        self._status.update(step)

    def _end(self, *, failed: bool) -> None:
        if self._step is not None:
            mark = "[red]no[/]  " if failed else "[green]done[/]"
            self._console.print(f"{mark} {self._step} [dim]{time.monotonic() - self._since:.1f} s[/]", highlight=False)
        self._step = None


def final(verdict: Verdict, published: PublishedDay, *, took_s: float, folder: Path) -> RenderableType:
    """Return the last screen."""
    colour = COLOURS[verdict.word]
    title = f"[bold {colour}]{verdict.word.upper()}[/]  {published.day}, seed {verdict.seed}, {took_s:.0f} s"
    failed = [check for check in verdict.checks if not check.passed]
    lines = [f"[red]no[/] {check.name} [dim]{check.detail}[/]" for check in failed]
    lines.append(f"[dim]{len(verdict.checks) - len(failed)} of {len(verdict.checks)} checks passed[/]")
    lines += [
        f"verdict  {folder / 'verdict.json'}",
        f"report   {verdict.extra['report']}",
        f"repeat   {verdict.repeat}",
    ]
    return Panel(Group(_table(verdict, published), "", *lines), title=title, border_style=colour, expand=False)


def save_picture(path: Path, shown: RenderableType) -> None:
    """Keep the last screen as a picture."""
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(shown)
    console.save_svg(str(path), title="make demo", code_format=PICTURE)


def _table(verdict: Verdict, published: PublishedDay) -> Table:
    day: dict[str, Any] | None = verdict.extra["day"]
    found = verdict.figures
    table = Table.grid(padding=(0, 3))
    requests = f"[dim]of {found.acknowledged:,} acknowledged writes, {found.client_retries} retries[/]"
    rows = [
        ("lost", f"{found.lost}"),
        ("twice", f"{found.duplicated}"),
        ("failed requests", f"{found.failed_requests}  {requests}"),
        ("longest write gap", f"{found.longest_write_gap_s:.1f} s"),
        ("budget used", budget_share(found.budget_used_s)),
    ]
    if day is not None:
        sent = ("trades sent = booked = settled", f"{day['sent']:,} = {day['booked']:,} = {day['settled']:,}")
        rows = [sent, *rows, *_day_rows(day, published)]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _day_rows(day: dict[str, Any], published: PublishedDay) -> list[tuple[str, str]]:
    close = f"{yuan_of_fen(day['close_fen'])} yuan/t, {day['change_pct']} %"
    return [
        ("close, registry | published", f"{close} | {yuan_of_fen(published.close_fen)}"),
        ("listed", f"{day['listed_t']:,} t for {_yuan(day['listed_fen'])} yuan"),
        ("block", f"{day['block_t']:,} t for {_yuan(day['block_fen'])} yuan"),
        ("cleared, both legs", f"{_yuan(day['cleared_fen'])} yuan"),
    ]


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"
