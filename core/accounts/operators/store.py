"""The table of operators: who may view, propose or decide for which account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

RIGHTS_OF = text("""
SELECT "right" FROM account_operator WHERE account = :account AND login = :login AND revoked_at IS NULL
""")


def given(connection: Connection, account: str, login: str) -> frozenset[str]:
    """Return the rights that the login was given for the account."""
    return frozenset(connection.execute(RIGHTS_OF, {"account": account, "login": login}).scalars())


def rights_of(connection: Connection, account: str, login: str) -> frozenset[str]:
    """Return what the login may do for the account; whoever may do anything may look."""
    found = given(connection, account, login)
    return found | {"view"} if found else found


@dataclass(frozen=True, slots=True)
class Operator:
    """One right of one login for one account."""

    account: str
    login: str
    right: str
    granted_at: datetime
    granted_by: str
    revoked_at: datetime | None
    revoked_by: str | None

    @property
    def body(self) -> dict[str, Any]:
        """The right as callers read it."""
        ended = {"revoked_at": self.revoked_at.isoformat() if self.revoked_at else None, "revoked_by": self.revoked_by}
        return {
            "account": self.account,
            "login": self.login,
            "right": self.right,
            "granted_at": self.granted_at.isoformat(),
            "granted_by": self.granted_by,
            **ended,
        }


LIST = text("""
SELECT account, login, "right", granted_at, granted_by, revoked_at, revoked_by FROM account_operator
WHERE account = :account AND (:past OR revoked_at IS NULL) ORDER BY login, id
""")


def operators(connection: Connection, account: str, *, past: bool = False) -> list[Operator]:
    """Return the account's operators by name; with ``past`` those of before as well."""
    rows = connection.execute(LIST, {"account": account, "past": past}).mappings()
    return [Operator(**row) for row in rows]


ACCOUNTS_OF = text("""
SELECT DISTINCT account FROM account_operator WHERE login = :login AND revoked_at IS NULL ORDER BY account
""")


def accounts_of(connection: Connection, login: str) -> Sequence[str]:
    """Return the accounts that a login serves."""
    return connection.execute(ACCOUNTS_OF, {"login": login}).scalars().all()


GRANT = text("""
INSERT INTO account_operator (account, login, "right", granted_at, granted_by)
VALUES (:account, :login, :right, :at, :by)
ON CONFLICT (account, login, "right") WHERE revoked_at IS NULL DO NOTHING
""")

REVOKE = text("""
UPDATE account_operator SET revoked_at = :at, revoked_by = :by
WHERE account = :account AND login = :login AND "right" = :right AND revoked_at IS NULL
""")


def grant(connection: Connection, account: str, login: str, right: str, *, at: datetime, by: str) -> bool:
    """Give a right; False when the login has it."""
    row = {"account": account, "login": login, "right": right, "at": at, "by": by}
    return connection.execute(GRANT, row).rowcount == 1


def revoke(connection: Connection, account: str, login: str, right: str, *, at: datetime, by: str) -> bool:
    """Take a right away; False when the login has none."""
    row = {"account": account, "login": login, "right": right, "at": at, "by": by}
    return connection.execute(REVOKE, row).rowcount == 1
