"""The banks' tables: which notices were booked; and our cash as a bank must see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from core.ledger.rules import SYSTEM_OWNERS
from core.quantities import CASH

CLAIM = text("""
INSERT INTO bank_notice (bank, message_id, fingerprint, answer)
VALUES (:bank, :message_id, :fingerprint, CAST(:answer AS jsonb))
ON CONFLICT (bank, message_id) DO NOTHING RETURNING 1
""")
BOOKED = text("SELECT fingerprint, answer FROM bank_notice WHERE bank = :bank AND message_id = :message_id")


def claim(connection: Connection, *, bank: str, message_id: str, fingerprint: bytes, answer: Mapping[str, Any]) -> bool:
    """Keep a notice and its answer; False when a notice of this id was kept before."""
    row = {"bank": bank, "message_id": message_id, "fingerprint": fingerprint, "answer": json.dumps(answer)}
    return connection.execute(CLAIM, row).first() is not None


def booked(connection: Connection, *, bank: str, message_id: str) -> tuple[bytes, dict[str, Any]]:
    """Return fingerprint and answer of a notice that was kept before."""
    fingerprint, answer = connection.execute(BOOKED, {"bank": bank, "message_id": message_id}).one()
    return bytes(fingerprint), answer


# Cash may come in for every account that may still hold some; only one never opened, or closed, takes none.
BANK_OF = text("""
SELECT number, bank FROM account
WHERE number = ANY(CAST(:numbers AS text[])) AND number ~ '^[EIP]'
  AND state IN ('OPEN', 'RESTRICTED', 'SUSPENDED', 'CLOSURE_PENDING')
""")


def bank_of(connection: Connection, numbers: Sequence[str]) -> dict[str, str]:
    """Return at which bank each of the accounts keeps its cash; unknown accounts are absent."""
    rows = connection.execute(BANK_OF, {"numbers": list(numbers)})
    return {row.number: row.bank for row in rows}


CASH_OF_BANKS = text("""
SELECT a.bank, l.owner, sum(l.balance)::bigint AS fen
FROM ledger_account l JOIN account a ON a.number = l.owner
WHERE l.asset = :cash AND NOT l.owner = ANY(CAST(:system AS text[]))
GROUP BY a.bank, l.owner ORDER BY a.bank, l.owner
""")


def cash_of_banks(connection: Connection) -> dict[str, dict[str, int]]:
    """Return by bank what each account's cash adds up to over all buckets."""
    found: dict[str, dict[str, int]] = {}
    facts = {"cash": CASH, "system": sorted(SYSTEM_OWNERS)}
    for bank, owner, fen in connection.execute(CASH_OF_BANKS, facts):
        found.setdefault(bank, {})[owner] = fen
    return found
