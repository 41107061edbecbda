"""Every table is shown to a province cut to its firms, shown whole, or hidden: and of each it is said which."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from core.db import migrate

RELATIONS = """
SELECT relname FROM pg_class WHERE relnamespace = 'registry'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname
"""


@pytest.fixture
def visibility() -> ModuleType:
    scripts = ScriptDirectory(str(Path(migrate.__file__).with_name("migrations")))
    found = scripts.get_revision("0011")
    assert found is not None
    module: ModuleType = found.module
    return module


def test_of_every_table_it_is_said_whether_a_province_sees_it(owner_dsn: str, visibility: Any) -> None:
    with psycopg.connect(owner_dsn) as connection:
        there = {name for (name,) in connection.execute(RELATIONS)}
    said = [
        *visibility.BY_ACCOUNT,
        *visibility.BY_CONDITION,
        *visibility.PUBLIC,
        *visibility.OF_ITS_OWN,
        *visibility.HIDDEN,
    ]
    assert sorted(said) == sorted(there)


def test_what_is_hidden_has_no_view_and_the_rest_has_one(owner_dsn: str, visibility: Any) -> None:
    with psycopg.connect(owner_dsn) as connection:
        shown = {name for (name,) in connection.execute(RELATIONS.replace("'registry'", "'province'"))}
    expected = {*visibility.BY_ACCOUNT, *visibility.BY_CONDITION, *visibility.PUBLIC, *visibility.OF_ITS_OWN, "own"}
    assert shown == expected
