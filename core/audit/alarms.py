"""The alarm that one key came with two contents: counted, logged, and kept in the audit trail."""

from __future__ import annotations

from sqlalchemy import Connection

from core.audit import store
from core.telemetry import KEY_ALARMS, log

ACTION = "same key, other content"


def same_key_other_content(
    connection: Connection, *, caller: str, kind: str, key: str, known: bytes, sent: bytes, where: str
) -> None:
    """Note that a caller used a key again for something else; ``known`` and ``sent`` are the two fingerprints.

    It is refused whatever it was: a mistake of a client, or somebody who tries to change what was said.
    """
    KEY_ALARMS.labels(kind).inc()
    log.error("same_key_other_content", caller=caller, kind=kind, key=key, where=where)
    detail = {"kind": kind, "where": where, "known": known.hex(), "sent": sent.hex()}
    store.record(connection, caller=caller, action=ACTION, subject=key, detail=detail)
