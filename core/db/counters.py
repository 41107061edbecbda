"""Numbers that people see, without holes: whoever takes one lets the next taker wait until its transaction ends."""

from __future__ import annotations

from sqlalchemy import Connection, text

TAKE = text("UPDATE counter SET next = next + :count WHERE name = :name RETURNING next - :count")

HOLD = text("SELECT next FROM counter WHERE name = :name FOR NO KEY UPDATE")

TAKEN = text("SELECT next - 1 FROM counter WHERE name = :name")


def take(connection: Connection, name: str, count: int = 1) -> int:
    """Take the next numbers of a counter and return the first of them."""
    first: int = connection.execute(TAKE, {"name": name, "count": count}).scalar_one()
    return first


def hold(connection: Connection, name: str) -> int:
    """Let nobody else take a number until this transaction ends; return the next one, which nobody has."""
    following: int = connection.execute(HOLD, {"name": name}).scalar_one()
    return following


def taken(connection: Connection, name: str) -> int:
    """Return the last number taken; 0: none yet."""
    last: int = connection.execute(TAKEN, {"name": name}).scalar_one()
    return last
