"""How the database comes to be, and comes to no harm when that is done again."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory

from core.db import first_start, migrate
from core.settings import Settings


def newest() -> str | None:
    versions = Path(migrate.__file__).with_name("migrations")
    return ScriptDirectory(str(versions)).get_current_head()


def test_the_database_is_made_ready_from_the_environment_as_often_as_one_likes(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_ADMIN_DSN", postgres)
    owner = postgres.replace("postgres@", "registry_owner@").replace("/postgres", "/registry")
    monkeypatch.setenv("REGISTRY_OWNER_DSN", owner)

    first_start.main()

    with psycopg.connect(owner) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]


def test_a_process_that_serves_knows_no_password_of_those_who_own_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_OWNER_DSN", "postgresql://registry_owner:secret@127.0.0.1/registry")

    assert "secret" not in repr(Settings())
