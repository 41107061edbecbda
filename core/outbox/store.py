"""The outbox table: what others must hear, written with the change and marked once they have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Message:
    """A row still to be delivered."""

    id: int
    topic: str
    reference: str
    payload: dict[str, Any]


PUT = text("""
INSERT INTO outbox (topic, reference, payload) VALUES (:topic, :reference, CAST(:payload AS jsonb))
ON CONFLICT (topic, reference) DO NOTHING
""")


def put(connection: Connection, topic: str, reference: str, payload: Mapping[str, Any]) -> None:
    """Write a message in the transaction of its cause; the same topic and reference twice is one message."""
    row = {"topic": topic, "reference": reference, "payload": json.dumps(payload, ensure_ascii=False)}
    connection.execute(PUT, row)


WAITING = text("""
SELECT id, topic, reference, payload FROM outbox WHERE delivered_at IS NULL AND topic = :topic ORDER BY id
""")


def waiting(connection: Connection, topic: str) -> list[Message]:
    """Return the messages of a topic that nobody has acknowledged, oldest first."""
    return [Message(**row) for row in connection.execute(WAITING, {"topic": topic}).mappings()]


DELIVERED = text("UPDATE outbox SET delivered_at = now() WHERE id = :id AND delivered_at IS NULL")


def delivered(connection: Connection, message: Message) -> None:
    """Mark a message as acknowledged by its receiver; twice changes nothing."""
    connection.execute(DELIVERED, {"id": message.id})
