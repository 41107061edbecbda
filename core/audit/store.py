"""The audit trail: one row for every change, written in the transaction of the change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

RECORD = text("""
INSERT INTO audit_event (caller, action, subject, detail) VALUES (:caller, :action, :subject, CAST(:detail AS jsonb))
""")


def record(connection: Connection, *, caller: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Note who did what to which account, task or plan."""
    row = {"caller": caller, "action": action, "subject": subject, "detail": json.dumps(detail, ensure_ascii=False)}
    connection.execute(RECORD, row)
