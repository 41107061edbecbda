"""Asks every data node whether it keeps what it acknowledges when the power goes; a killed process cannot tell."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from chaos.faults import Status
from chaos.history import History

NEEDED = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on"}
"""Without any one of these a drill by SIGKILL would pass and a power cut would lose data."""

CONNECT_S = 5


def note_durability(status: Status, history: History) -> None:
    """Note each data node's settings; a node that cannot be asked is noted with the reason, and fails the drill."""
    login = conninfo_to_dict(status["endpoints"]["write"][0])
    for node in status["nodes"]:
        if node["role"] != "witness":
            found = _settings(login | {"host": node["address"], "port": 5432, "connect_timeout": CONNECT_S})
            history.note("observer", "ok", "durability", {"node": node["name"], "needed": NEEDED, "found": found})


def _settings(login: dict[str, Any]) -> dict[str, str]:
    try:
        with psycopg.connect(**login, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(NEEDED),)
            ).fetchall()
    except psycopg.Error as error:
        return {"error": str(error)}
    return dict(rows)
