"""The tables of documents and of their reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.accounts.documents.rules import Document
from core.clock.rules import market_time

INSERT = text("""
INSERT INTO account_document (account, kind, reference, sha256, received_on)
VALUES (:account, :kind, :reference, :sha256, :received)
""")
LIST = text("""
SELECT kind, reference, encode(sha256, 'hex') AS sha256, received_on AS received FROM account_document
WHERE account = :account ORDER BY id
""")


def keep(connection: Connection, account: str, documents: Sequence[Document]) -> None:
    """Keep the list that came with an application."""
    for one in documents:
        row = {"account": account, "kind": one.kind, "reference": one.reference, "received": one.received}
        connection.execute(INSERT, row | {"sha256": bytes.fromhex(one.sha256)})


def listed(connection: Connection, account: str) -> list[Document]:
    """Return what was handed in, in the order of the list."""
    return [Document(**row) for row in connection.execute(LIST, {"account": account}).mappings()]


@dataclass(frozen=True, slots=True)
class Review:
    """Who confirmed the list, and what he remarked."""

    reviewer: str
    remarks: str
    at: datetime

    @property
    def body(self) -> dict[str, Any]:
        """The review as callers read it."""
        return {"reviewer": self.reviewer, "remarks": self.remarks, "at": market_time(self.at).isoformat()}


REVIEW = text("SELECT reviewer, remarks, at FROM account_review WHERE account = :account")
INSERT_REVIEW = text("""
INSERT INTO account_review (account, reviewer, documents, remarks, at)
VALUES (:account, :reviewer, :documents, :remarks, :at)
""")


def review(connection: Connection, account: str) -> Review | None:
    """Return the review of an account's documents, once there was one."""
    row = connection.execute(REVIEW, {"account": account}).mappings().first()
    return Review(**row) if row is not None else None


def keep_review(connection: Connection, account: str, done: Review, *, documents: int) -> None:
    """Keep that a reviewer confirmed the list."""
    row = {"account": account, "reviewer": done.reviewer, "documents": documents, "remarks": done.remarks}
    connection.execute(INSERT_REVIEW, row | {"at": done.at})
