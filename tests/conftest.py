"""A real PostgreSQL for each run, a clean database for each test."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from core.db.engine import write_engine
from core.db.migrate import upgrade
from core.db.prepare import Passwords, prepare
from deploy.binaries import as_node_user, postgres_bin
from deploy.ports import free_port

FAST = {  # a test's database may die with the machine; the cluster's never does
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URI of a real PostgreSQL that this run owns."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    data, port = folder / "data", free_port("127.0.0.1")
    subprocess.run(
        as_node_user([str(postgres_bin() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"]),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = " ".join(f"-c {name}={value or repr('')}" for name, value in (FAST | {"port": str(port)}).items())
    pg_ctl = [str(postgres_bin() / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    subprocess.run(as_node_user([*pg_ctl, "-o", options, "start"]), check=True, stdout=subprocess.DEVNULL)
    try:
        admin = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        prepare(admin, Passwords(None, None, None))
        upgrade(f"postgresql://registry_owner@127.0.0.1:{port}/registry")
        yield admin
    finally:
        subprocess.run(as_node_user([*pg_ctl, "-m", "immediate", "stop"]), check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def dsn(postgres: str, request: pytest.FixtureRequest, _numbers: Iterator[int]) -> Iterator[str]:
    """The application's URI of a database of its own, migrated and empty."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE registry OWNER registry_owner")
        for role in ("registry_owner", "registry_app"):
            admin.execute(f"ALTER ROLE {role} IN DATABASE {name} SET search_path = registry")
    yield postgres.replace("postgres@", "registry_app@").replace("/postgres", f"/{name}")
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    """The application's engine on the test's own database."""
    built = write_engine(dsn, pool_size=20)
    yield built
    built.dispose()


@pytest.fixture
def owner_dsn(dsn: str) -> str:
    """The same database as the owner of its tables: what a rogue script with all rights could do."""
    return dsn.replace("registry_app@", "registry_owner@")
