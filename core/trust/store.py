"""The tables of trusted accounts and of the limits accounts set for themselves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from core.trust.rules import Control, Trusted

FIND = text("""
SELECT account, trusted, effective_at FROM trusted_account
WHERE account = :account AND trusted = :trusted AND removed_at IS NULL
""")

PAGE = text("""
SELECT account, trusted, effective_at FROM trusted_account
WHERE account = :account AND removed_at IS NULL AND trusted > :after ORDER BY trusted LIMIT :limit
""")

ADD = text("""
INSERT INTO trusted_account (account, trusted, effective_at) VALUES (:account, :trusted, :effective_at)
""")

REMOVE = text("""
UPDATE trusted_account SET removed_at = :at
WHERE account = :account AND trusted = :trusted AND removed_at IS NULL
""")

CONTROL = text("SELECT tonnes_max, fen_max, trusted_only FROM account_control WHERE account = :account")

SET_CONTROL = text("""
INSERT INTO account_control (account, tonnes_max, fen_max, trusted_only, changed_at)
VALUES (:account, :tonnes_max, :fen_max, :trusted_only, :at)
ON CONFLICT (account) DO UPDATE SET (tonnes_max, fen_max, trusted_only, changed_at)
    = (excluded.tonnes_max, excluded.fen_max, excluded.trusted_only, excluded.changed_at)
""")


def find(connection: Connection, account: str, trusted: str) -> Trusted | None:
    """Return the entry of an account's list, in effect or on its way."""
    row = connection.execute(FIND, {"account": account, "trusted": trusted}).mappings().first()
    return Trusted(**row) if row is not None else None


def page(connection: Connection, account: str, *, after: str, limit: int) -> list[Trusted]:
    """Return entries of an account's list in order of number."""
    rows = connection.execute(PAGE, {"account": account, "after": after, "limit": limit}).mappings()
    return [Trusted(**row) for row in rows]


def add(connection: Connection, entry: Trusted) -> None:
    """Put an account on a list."""
    row = {"account": entry.account, "trusted": entry.trusted, "effective_at": entry.effective_at}
    connection.execute(ADD, row)


def remove(connection: Connection, account: str, trusted: str, *, at: datetime) -> bool:
    """Take an account off a list; False when it is not on it."""
    return connection.execute(REMOVE, {"account": account, "trusted": trusted, "at": at}).rowcount > 0


def control(connection: Connection, account: str) -> Control:
    """Return what the account has limited itself to."""
    row = connection.execute(CONTROL, {"account": account}).mappings().first()
    return Control(**row) if row is not None else Control()


def set_control(connection: Connection, account: str, wanted: Control, *, at: datetime) -> None:
    """Write what the account limits itself to."""
    connection.execute(SET_CONTROL, {"account": account, "at": at, **wanted.body})
