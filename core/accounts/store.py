"""The table of accounts, and the small read that tells whose holdings the exchange has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from core.accounts.rules import Account, Application, number_of

FIND = text("""
SELECT number, name, credit_code, state, bank, applied_at, opened_at FROM account
WHERE number = ANY(CAST(:numbers AS text[]))
""")

PAGE = text("""
SELECT number, name, credit_code, state, bank, applied_at, opened_at FROM account
WHERE number > :after AND number !~ '^S' ORDER BY number LIMIT :limit
""")

LOCK_NUMBERS = text("SELECT next FROM counter WHERE name = 'account' FOR UPDATE")

TAKE_NUMBERS = text("UPDATE counter SET next = next + :count WHERE name = 'account' RETURNING next - :count")

TAKEN_CODES = text("SELECT credit_code FROM account WHERE credit_code = ANY(CAST(:codes AS text[]))")

INSERT = text("""
INSERT INTO account (number, name, credit_code, bank, state, applied_at)
SELECT number, name, credit_code, bank, 'APPLIED', :at
FROM unnest(CAST(:numbers AS text[]), CAST(:names AS text[]), CAST(:codes AS text[]), CAST(:banks AS text[]))
    AS a (number, name, credit_code, bank)
""")

OPEN_ACCOUNTS = text("""
UPDATE account SET state = 'OPEN', opened_at = :at WHERE number = ANY(CAST(:numbers AS text[])) AND state = 'APPLIED'
""")

# The subject may apply again, so its credit code is set free; the task keeps what was applied for.
TURN_DOWN = text("""
UPDATE account SET state = 'REJECTED', credit_code = NULL
WHERE number = ANY(CAST(:numbers AS text[])) AND state = 'APPLIED'
""")

# A halted day counts until it is delivered: the exchange's view of the account is the one its trades rest on.
# A day that gave way to a later one is halted too, but without a break and without a trade: it holds nobody's units.
STANDING_IN_OPENING = text("""
SELECT DISTINCT p.account
FROM market_day d
JOIN opening_position p ON p.day = d.day AND p.account = ANY(CAST(:numbers AS text[]))
 AND p.version = (SELECT max(o.version) FROM opening o WHERE o.day = d.day)
WHERE d.state <> ALL(CAST(:free AS text[]))
  AND (d.state <> 'HALTED' OR (
      (d.breaks <> '[]' OR EXISTS (SELECT FROM trade t WHERE t.market_day = d.day))
      AND NOT EXISTS (SELECT FROM market_day_event e WHERE e.day = d.day AND e.state = 'DELIVERED')))
""")

DELIVERED = ("DELIVERED", "OPENING_BUILT", "REPORTED")
NOT_TRADING_YET = ("OPENING_SENT", "OPENING_ACKED")


def find(connection: Connection, numbers: Collection[str]) -> dict[str, Account]:
    """Return those of the accounts that exist, by number."""
    rows = connection.execute(FIND, {"numbers": list(numbers)}).mappings()
    return {row["number"]: Account(**row) for row in rows}


def page(connection: Connection, *, after: str, limit: int) -> list[Account]:
    """Return subjects' accounts in order of number, from the one after the cursor."""
    return [Account(**row) for row in connection.execute(PAGE, {"after": after, "limit": limit}).mappings()]


def lock_numbers(connection: Connection) -> None:
    """Let nobody else open accounts until this transaction ends, so that what is checked next stays true."""
    connection.execute(LOCK_NUMBERS)


def taken_codes(connection: Connection, codes: Collection[str]) -> set[str]:
    """Return those of the credit codes that have an account."""
    return set(connection.execute(TAKEN_CODES, {"codes": list(codes)}).scalars())


def apply(connection: Connection, applications: Sequence[Application], *, at: datetime) -> list[Account]:
    """Give each application the next number and keep it as an account that is not open yet."""
    first = connection.execute(TAKE_NUMBERS, {"count": len(applications)}).scalar_one()
    numbered = enumerate(applications, start=first)
    made = [
        Account(number_of(a.kind, a.province, serial), a.name, a.credit_code, "APPLIED", a.bank, at, None)
        for serial, a in numbered
    ]
    columns = {
        "numbers": [account.number for account in made],
        "names": [account.name for account in made],
        "codes": [account.credit_code for account in made],
        "banks": [account.bank for account in made],
    }
    connection.execute(INSERT, columns | {"at": at})
    return made


def open_accounts(connection: Connection, numbers: Sequence[str], *, at: datetime) -> int:
    """Open applied accounts; return how many were."""
    return connection.execute(OPEN_ACCOUNTS, {"numbers": list(numbers), "at": at}).rowcount


def turn_down(connection: Connection, numbers: Sequence[str]) -> int:
    """Reject applied accounts; return how many were."""
    return connection.execute(TURN_DOWN, {"numbers": list(numbers)}).rowcount


def with_exchange(connection: Connection, number: str) -> bool:
    """Tell whether what the account holds is with the exchange, in the newest opening data of a day in progress."""
    return number in those_with_exchange(connection, [number])


def those_with_exchange(connection: Connection, numbers: Collection[str]) -> set[str]:
    """Return those of the accounts of which the same is true."""
    return _standing_in_opening(connection, numbers, free=DELIVERED)


def may_be_sold(connection: Connection, number: str) -> bool:
    """Tell whether the account stands in the opening data of a day that trades or is being settled."""
    return number in _standing_in_opening(connection, [number], free=DELIVERED + NOT_TRADING_YET)


def _standing_in_opening(connection: Connection, numbers: Collection[str], *, free: Sequence[str]) -> set[str]:
    asked = {"numbers": list(numbers), "free": list(free)}
    return set(connection.execute(STANDING_IN_OPENING, asked).scalars())
