"""The table of tenures, and the role under which a province reads."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, text

from core.authority.rules import Tenure

# The role owns nothing and may look at nothing but the views of schema "province", each cut to its own firms.
SEE_AS = text("""
SELECT set_config('role', 'registry_province', true), set_config('search_path', 'province', true),
       set_config('registry.province', :province, true)
""")

HISTORY = text("""
SELECT number AS account, substr(number, 2, 2) AS province, opened_on AS from_day
FROM (SELECT number, coalesce(opened_at, applied_at)::date AS opened_on FROM account WHERE number = :account) AS own
UNION ALL
SELECT account, province, from_day FROM account_province WHERE account = :account
ORDER BY from_day
""")

INSERT = text("""
INSERT INTO account_province (account, province, from_day, reason, proposed_by, decided_by)
VALUES (:account, :province, :from_day, :reason, :proposed_by, :decided_by)
""")


def see_as(connection: Connection, province: str) -> None:
    """Let this transaction see what the province's authority may see, and nothing else, whatever it asks."""
    connection.execute(SEE_AS, {"province": province})


def history(connection: Connection, account: str) -> list[Tenure] | None:
    """Return who answered for the account since when, oldest first; None when it is not there."""
    rows = connection.execute(HISTORY, {"account": account}).mappings()
    return [Tenure(**row) for row in rows] or None


def insert(connection: Connection, tenure: Tenure, *, reason: str, proposed_by: str, decided_by: str) -> None:
    """Note a new tenure."""
    row = {"account": tenure.account, "province": tenure.province, "from_day": tenure.from_day, "reason": reason}
    connection.execute(INSERT, row | {"proposed_by": proposed_by, "decided_by": decided_by})


RESPONSIBLE = text("SELECT responsible_province(:account, CAST(:day AS date))")


def responsible(connection: Connection, account: str, day: date) -> str | None:
    """Return the province that answers for the account on a day."""
    found: str | None = connection.execute(RESPONSIBLE, {"account": account, "day": day}).scalar_one()
    return found
