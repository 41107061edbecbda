"""Results are kept by name, shown with what they are held against, and decide how the command ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from deploy.bench import cli
from deploy.bench.benchmarks import Benchmark, Plan
from deploy.bench.ground import BenchError
from deploy.bench.results import Reference, Row, all_met, merge, read, row, table


def a_row(name: str, *, figure: float = 150.0, met: bool | None = True) -> Row:
    held_against = Reference("pgbench -N", 100.0)
    return row(name, figure, "transfers/s", reference=held_against, goal=">= 1.4 x", met=met, setup="2 cores", seed=7)


def test_a_row_has_exactly_the_published_columns(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "results.json"
    merge([a_row("transfers")], path)
    (kept,) = json.loads(path.read_text())

    assert list(kept) == [
        "name", "figure", "unit", "reference", "ratio", "goal", "met", "setup", "seed", "at",
    ]  # fmt: skip
    assert kept["reference"] == {"name": "pgbench -N", "figure": 100.0}
    assert (kept["figure"], kept["ratio"], kept["met"]) == (150.0, 1.5, True)


def test_rows_are_merged_by_name(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    merge([a_row("transfers"), a_row("bulk")], path)
    merge([a_row("transfers", figure=90.0, met=False)], path)

    assert [(kept["name"], kept["figure"]) for kept in read(path)] == [("transfers", 90.0), ("bulk", 150.0)]


@pytest.mark.parametrize("left", ["", "{", "{}", "[1, 2]", '[{"figure": 1}]'])
def test_a_file_that_is_none_is_begun_anew(tmp_path: Path, left: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(left)
    merge([a_row("bulk")], path)

    assert [kept["name"] for kept in read(path)] == ["bulk"]


def test_a_figure_without_a_goal_fails_nothing() -> None:
    assert all_met([a_row("a"), a_row("b", met=None)])
    assert not all_met([a_row("a"), a_row("b", met=False)])


def test_the_table_says_figure_reference_ratio_goal_and_how() -> None:
    paper = io.StringIO()
    Console(width=200, file=paper).print(table([a_row("transfers"), a_row("bulk", met=False)]))
    shown = paper.getvalue()
    for said in ("transfers", "150.00 transfers/s", "pgbench -N: 100.00", "1.50", ">= 1.4 x", "yes", "no", "2 cores"):
        assert said in shown


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """Run the command with made-up benchmarks; return how it ended and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*rows: Row, fails: Exception | None = None, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
        def measure(chosen: list[Benchmark], plan: Plan) -> list[Row]:
            assert plan.seed > 0
            if fails is not None:
                raise fails
            return list(rows)

        monkeypatch.setattr(cli, "_measure", measure)
        import typer  # noqa: PLC0415

        app = typer.Typer()
        app.command()(cli.bench)
        done = CliRunner().invoke(app, list(arguments))
        return done.exit_code, done.output

    return run


def test_it_ends_with_0_when_goals_are_met_1_when_not_2_when_it_cannot(ended: object) -> None:
    assert callable(ended)
    assert ended(a_row("transfers"))[0] == 0
    assert ended(a_row("transfers"), a_row("bulk", met=False))[0] == 1
    assert ended(fails=BenchError("no cluster"))[0] == 2
    assert ended(arguments=("nothing-of-this-name",))[0] == 2


def test_json_is_what_is_kept(ended: object) -> None:
    assert callable(ended)
    code, output = ended(a_row("transfers"), arguments=("--json",))
    assert (code, json.loads(output)[0]["name"]) == (0, "transfers")
