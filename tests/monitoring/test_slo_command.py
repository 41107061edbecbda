"""`registry slo`: exit codes and lines that a person or a script can rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitoring import check, cli, generate


@pytest.fixture
def runs() -> CliRunner:
    return CliRunner()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGISTRY_PLAYGROUND_STATE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", ["check", "report"])
def test_without_a_playground_there_is_one_line_and_exit_code_2(runs: CliRunner, state: Path, command: str) -> None:
    found = runs.invoke(cli.app, [command])
    assert found.exit_code == 2
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "registry up" in found.stderr


def test_with_a_silent_prometheus_there_is_one_line_and_exit_code_2(
    runs: CliRunner, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "prometheus_url", lambda: "http://127.0.0.1:1")
    found = runs.invoke(cli.app, ["check"])
    assert found.exit_code == 2
    assert found.stderr.count("\n") == 1


def test_a_young_system_is_not_enough_evidence_and_exit_code_3(
    runs: CliRunner, state: Path, monkeypatch: pytest.MonkeyPatch, prometheus_url: str
) -> None:
    monkeypatch.setattr(check, "prometheus_url", lambda: prometheus_url)
    words = runs.invoke(cli.app, ["check"])
    assert words.exit_code == 3
    assert words.stdout.startswith("not enough evidence: 100.0000% of ")
    machine = runs.invoke(cli.app, ["check", "--json"])
    assert machine.exit_code == 3
    assert json.loads(machine.stdout)["verdict"] == "not enough evidence"


def test_the_report_shows_the_account_and_every_window(
    runs: CliRunner, state: Path, monkeypatch: pytest.MonkeyPatch, prometheus_url: str
) -> None:
    monkeypatch.setattr(check, "prometheus_url", lambda: prometheus_url)
    found = runs.invoke(cli.app, ["report"])
    assert found.exit_code == 3
    for word in ("budget used", "259.2", "30d", "14.4 page", "Alerts firing"):
        assert word in found.stdout


def test_stale_files_are_named_and_exit_code_1(runs: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs.invoke(cli.app, ["rules", "--check"]).exit_code == 0
    monkeypatch.setattr(generate, "stale", lambda: [generate.FOLDER / "rules" / "slo.yaml"])
    found = runs.invoke(cli.app, ["rules", "--check"])
    assert found.exit_code == 1
    assert "stale: monitoring/rules/slo.yaml" in found.stdout


def test_a_forecast_shows_its_assumptions(runs: CliRunner, tmp_path: Path) -> None:
    found = runs.invoke(cli.app, ["simulate", "--windows", "200", "--drills", str(tmp_path)])
    assert found.exit_code == 0
    assert "planned switchover" in found.stdout
    assert "P(bad time <= 259.2 s in 30 days)" in found.stdout
    machine = runs.invoke(cli.app, ["simulate", "--windows", "200", "--drills", str(tmp_path), "--json"])
    assert 0 <= json.loads(machine.stdout)["kept_share"] <= 1
