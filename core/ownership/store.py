"""The tables of certificates and successions; both only grow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from core.ownership.cancelling import Certificate

INSERT_CERTIFICATE = text("""
INSERT INTO certificate (number, task, account, product, tonnes, document, sha256, market_day)
VALUES (:number, CAST(:task AS uuid), :account, :product, :tonnes, :document, :sha256, :market_day)
""")


def insert_certificate(
    connection: Connection, made: Certificate, *, task: str, account: str, product: str, tonnes: int, day: date
) -> None:
    """Keep a certificate."""
    row = {"number": made.number, "task": task, "account": account, "product": product, "tonnes": tonnes}
    hashed = {"document": made.document, "sha256": bytes.fromhex(made.sha256), "market_day": day}
    connection.execute(INSERT_CERTIFICATE, row | hashed)


CERTIFICATE = text("SELECT number, document FROM certificate WHERE number = :number")
CERTIFICATES = text("""
SELECT number, document FROM certificate WHERE account = :account AND number > :after ORDER BY number LIMIT :limit
""")


def certificate(connection: Connection, number: int) -> Certificate | None:
    """Return one certificate."""
    row = connection.execute(CERTIFICATE, {"number": number}).mappings().first()
    return Certificate(**row) if row is not None else None


def certificates(connection: Connection, account: str, *, after: int, limit: int) -> list[Certificate]:
    """Return a page of an account's certificates, oldest first."""
    page = {"account": account, "after": after, "limit": limit}
    return [Certificate(**row) for row in connection.execute(CERTIFICATES, page).mappings()]


@dataclass(frozen=True, slots=True)
class Record:
    """A succession that was carried out."""

    number: int
    kind: str
    giver: str
    document: str
    movements: Sequence[dict[str, Any]]
    encumbrances: Sequence[dict[str, Any]]
    closed: bool
    market_day: date

    @property
    def body(self) -> dict[str, Any]:
        """The succession as callers read it."""
        return {
            "number": f"SUC-{self.number:08d}",
            "kind": self.kind,
            "account": self.giver,
            "document": self.document,
            "movements": list(self.movements),
            "encumbrances": list(self.encumbrances),
            "closed": self.closed,
            "market_day": self.market_day.isoformat(),
        }


INSERT_SUCCESSION = text("""
INSERT INTO succession (number, task, kind, giver, document, movements, encumbrances, closed, market_day)
VALUES (:number, CAST(:task AS uuid), :kind, :giver, :document, CAST(:movements AS jsonb),
        CAST(:encumbrances AS jsonb), :closed, :market_day)
""")


def insert_succession(connection: Connection, made: Record, *, task: str) -> None:
    """Keep a succession."""
    row = {name: getattr(made, name) for name in Record.__slots__}
    said = {name: json.dumps(list(row[name]), ensure_ascii=False) for name in ("movements", "encumbrances")}
    connection.execute(INSERT_SUCCESSION, row | said | {"task": task})


SUCCESSION = text("""
SELECT number, kind, giver, document, movements, encumbrances, closed, market_day FROM succession
WHERE number = :number
""")


def succession(connection: Connection, number: int) -> Record | None:
    """Return one succession."""
    row = connection.execute(SUCCESSION, {"number": number}).mappings().first()
    return Record(**row) if row is not None else None
