"""The engine and its pool, with every limit: who is asked, how long silence is borne."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

CONNECT_TIMEOUT_S = 2
"""Per host; libpq's own floor."""

LIMITS: dict[str, Any] = {
    "target_session_attrs": "read-write",  # the primary, whichever node that is now
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives": 1,  # both timers are needed: each alone leaves a dead peer unnoticed for over 40 s
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 3000,
    "load_balance_hosts": "random",  # a dead first host would cost every connection its timeout
}
TIMEOUTS = {"lock_timeout": "10s", "idle_in_transaction_session_timeout": "60s"}
MIGRATION_TIMEOUTS = {"lock_timeout": "4s", "statement_timeout": "5s"}


def _options(timeouts: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in timeouts.items())


def write_engine(
    dsn: str, *, pool_size: int = 4, name: str = "registry", timeouts: Mapping[str, str] | None = None
) -> Engine:
    """Build an engine whose connections open on the current primary, or fail.

    ``dsn`` is a libpq URI; it may name several hosts. SQLAlchemy's URL cannot express that, so the
    URI is handed to psycopg whole. ``timeouts`` are the server's, beside or instead of the usual ones.
    """
    options = _options({**TIMEOUTS, **(timeouts or {})})
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, application_name=name, options=options, **LIMITS),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,  # a broken connection shows at its first statement, before anything was sent
        pool_recycle=300,
    )


def migration_engine(dsn: str) -> Engine:
    """Build the engine of the migrations: short lock and statement timeouts, no pool."""
    limits = LIMITS | {"options": _options(MIGRATION_TIMEOUTS)}
    return create_engine("postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(dsn, **limits))
