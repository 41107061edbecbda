"""The commands that show records find the database of the playground that runs here."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli import records
from core.settings import settings
from deploy import cli
from deploy.playground.state import State, secrets_of


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """The folder of a playground that was made and does not run."""
    monkeypatch.setenv("REGISTRY_PLAYGROUND_STATE", str(tmp_path))
    monkeypatch.delenv("REGISTRY_DSN", raising=False)
    made = State(tmp_path)
    made.instance_file.write_text("33", encoding="utf-8")
    return made


def test_records_are_read_from_the_running_playground_as_the_application_reads_them(state: State) -> None:
    state.control.write_text("{}", encoding="utf-8")

    assert records.default_dsn is cli._nearest_dsn
    dsn = records.default_dsn()

    assert dsn.startswith(f"postgresql://registry_app:{secrets_of(state).app}@127.33.1.1:5432,")
    assert dsn.endswith("/registry")


def test_a_database_named_in_the_environment_goes_before_the_playground(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.control.write_text("{}", encoding="utf-8")
    monkeypatch.setenv("REGISTRY_DSN", "postgresql://elsewhere/registry")

    assert records.default_dsn() == settings().dsn


def test_where_no_playground_runs_the_environment_alone_counts(state: State) -> None:
    assert records.default_dsn() == settings().dsn
