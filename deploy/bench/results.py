"""What a benchmark found: rows beside their reference, merged by name into one file, and shown as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

RESULTS = Path("out/bench/results.json")


@dataclass(frozen=True, slots=True)
class Reference:
    """What the figure is held against, measured in the same run."""

    name: str
    figure: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    name: str
    figure: float
    unit: str
    reference: Reference
    ratio: float
    goal: str | None
    """In words; None for a figure that is only told."""
    met: bool | None
    setup: str
    seed: int | None
    at: str


def row(  # it names every column of the published row
    name: str,
    figure: float,
    unit: str,
    *,
    reference: Reference,
    goal: str | None = None,
    met: bool | None = None,
    setup: str,
    seed: int | None = None,
) -> Row:
    """Make a row of now; its ratio is the figure in references."""
    ratio = figure / reference.figure if reference.figure else 0.0
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Row(name, round(figure, 3), unit, reference, round(ratio, 3), goal, met, setup, seed, at)


def merge(rows: Iterable[Row], path: Path = RESULTS) -> None:
    """Write rows into the file; a row of the same name is replaced, the others stay."""
    known = {one["name"]: one for one in read(path)}
    known |= {one.name: asdict(one) for one in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(list(known.values()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path = RESULTS) -> list[dict[str, object]]:
    """Read what earlier runs have left; a file that cannot be read is begun anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [one for one in found if isinstance(one, dict) and "name" in one] if isinstance(found, list) else []


def all_met(rows: Iterable[Row]) -> bool:
    """Tell whether every goal of these rows is met."""
    return all(one.met is not False for one in rows)


def table(rows: Sequence[Row]) -> Table:
    """Show rows as people read them; how they were measured stands below each."""
    shown = Table(title="registry bench", title_justify="left", show_lines=True)
    for column in ("name", "figure", "ratio", "goal", "met", "beside, and how"):
        shown.add_column(column, justify="right" if column in {"figure", "ratio"} else "left", overflow="fold")
    for one in rows:
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: "-"}[one.met]
        reference = f"{one.reference.name}: {one.reference.figure:,.2f}"
        figure = f"{one.figure:,.2f} {one.unit}"
        shown.add_row(one.name, figure, f"{one.ratio:.2f}", one.goal or "-", met, f"{reference}\n[dim]{one.setup}[/]")
    return shown
