"""The table of accounts, and the small read that tells whose holdings the exchange has."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from core.accounts.rules import Account, Application, number_of
from core.db import counters

COLUMNS = """number, name, credit_code, state, bank, applied_at, opened_at, sector, contact, restriction, blocked,
    pending_state, pending_restriction, exchange_notified_at"""

FIND = text(f"SELECT {COLUMNS} FROM account WHERE number = ANY(CAST(:numbers AS text[]))")  # noqa: S608  # a constant

LOCK = text("SELECT FROM account WHERE number = ANY(CAST(:numbers AS text[])) ORDER BY number FOR UPDATE")

TAKEN_CODES = text("SELECT credit_code FROM account WHERE credit_code = ANY(CAST(:codes AS text[]))")

INSERT = text("""
INSERT INTO account (number, name, credit_code, bank, sector, contact, state, applied_at, batch)
SELECT number, name, credit_code, bank, sector, CAST(contact AS jsonb), 'APPLIED', :at, CAST(:batch AS uuid)
FROM unnest(CAST(:numbers AS text[]), CAST(:names AS text[]), CAST(:codes AS text[]), CAST(:banks AS text[]),
            CAST(:sectors AS text[]), CAST(:contacts AS text[]))
    AS a (number, name, credit_code, bank, sector, contact)
""")

OPEN_ACCOUNTS = text("""
UPDATE account SET state = 'OPEN', opened_at = :at WHERE number = ANY(CAST(:numbers AS text[])) AND state = 'APPLIED'
""")

# The subject may apply again, so its credit code is set free; the task keeps what was applied for.
TURN_DOWN = text("""
UPDATE account SET state = 'REJECTED', credit_code = NULL
WHERE number = ANY(CAST(:numbers AS text[])) AND state = 'APPLIED'
""")

OPEN_BATCH = text("UPDATE account SET state = 'OPEN', opened_at = :at WHERE batch = :batch AND state = 'APPLIED'")

TURN_BATCH_DOWN = text("""
UPDATE account SET state = 'REJECTED', credit_code = NULL WHERE batch = :batch AND state = 'APPLIED'
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
    rows = connection.execute(FIND, {"numbers": list(numbers)})
    return {row["number"]: Account(**row) for row in rows.mappings()}


def lock(connection: Connection, numbers: Collection[str]) -> dict[str, Account]:
    """Return those of the accounts that exist; nobody else changes them until this transaction ends."""
    connection.execute(LOCK, {"numbers": list(numbers)})
    return find(connection, numbers)


def lock_numbers(connection: Connection) -> None:
    """Let nobody else open accounts until this transaction ends, so that what is checked next stays true."""
    counters.hold(connection, "account")


def taken_codes(connection: Connection, codes: Collection[str]) -> set[str]:
    """Return those of the credit codes that have an account."""
    return set(connection.execute(TAKEN_CODES, {"codes": list(codes)}).scalars())


def apply(
    connection: Connection, applications: Sequence[Application], *, at: datetime, batch: str | None = None
) -> list[Account]:
    """Give each application the next number and keep it as an account that is not open yet.

    ``batch`` names the file they came with, when there are too many to name them all.
    """
    first = counters.take(connection, "account", len(applications))
    numbered = enumerate(applications, start=first)
    made = [
        Account(
            number=number_of(a.kind, a.province, serial),
            name=a.name,
            credit_code=a.credit_code,
            state="APPLIED",
            bank=a.bank,
            applied_at=at,
            opened_at=None,
            sector=a.sector,
            contact=a.contact,
        )
        for serial, a in numbered
    ]
    columns = {
        "numbers": [account.number for account in made],
        "names": [account.name for account in made],
        "codes": [account.credit_code for account in made],
        "banks": [account.bank for account in made],
        "sectors": [account.sector for account in made],
        "contacts": [json.dumps(a.contact, ensure_ascii=False) if a.contact else None for a in made],
    }
    connection.execute(INSERT, columns | {"at": at, "batch": batch})
    return made


def open_accounts(connection: Connection, numbers: Sequence[str], *, at: datetime) -> int:
    """Open applied accounts; return how many were."""
    return connection.execute(OPEN_ACCOUNTS, {"numbers": list(numbers), "at": at}).rowcount


def turn_down(connection: Connection, numbers: Sequence[str]) -> int:
    """Reject applied accounts; return how many were."""
    return connection.execute(TURN_DOWN, {"numbers": list(numbers)}).rowcount


def open_batch(connection: Connection, batch: str, *, at: datetime) -> int:
    """Open what was applied for with one file; return how many accounts that is."""
    return connection.execute(OPEN_BATCH, {"batch": batch, "at": at}).rowcount


def turn_batch_down(connection: Connection, batch: str) -> int:
    """Reject what was applied for with one file; return how many accounts that is."""
    return connection.execute(TURN_BATCH_DOWN, {"batch": batch}).rowcount


def with_exchange(connection: Connection, number: str) -> bool:
    """Tell whether what the account holds is with the exchange, in the newest opening data of a day in progress."""
    return number in those_with_exchange(connection, [number])


def those_with_exchange(connection: Connection, numbers: Collection[str]) -> set[str]:
    """Return those of the accounts of which the same is true."""
    return _standing_in_opening(connection, numbers, free=DELIVERED)


def may_be_sold(connection: Connection, number: str) -> bool:
    """Tell whether the account stands in the opening data of a day that trades or is being settled."""
    return number in those_that_may_be_sold(connection, [number])


def those_that_may_be_sold(connection: Connection, numbers: Collection[str]) -> set[str]:
    """Return those of the accounts of which the same is true."""
    return _standing_in_opening(connection, numbers, free=DELIVERED + NOT_TRADING_YET)


TRADERS = text("""
SELECT number, buys, sells, CASE WHEN traded_until_day = :day THEN traded_until_seq END AS until
FROM account_trading WHERE number = ANY(CAST(:numbers AS text[]))
""")


@dataclass(frozen=True, slots=True)
class Traders:
    """Who of the accounts asked for may take which side of a trade."""

    free: frozenset[str]
    buyers: frozenset[str]
    sellers: frozenset[str]
    until: Mapping[str, int]
    """Trades up to this number of the day stand, whatever the account may do now."""


def traders(connection: Connection, numbers: Collection[str], day: date) -> Traders:
    """Tell which of these accounts may buy, sell, or both, on a day."""
    rows = connection.execute(TRADERS, {"numbers": list(numbers), "day": day}).all()
    return Traders(
        free=frozenset(row.number for row in rows if row.buys and row.sells),
        buyers=frozenset(row.number for row in rows if row.buys and not row.sells),
        sellers=frozenset(row.number for row in rows if row.sells and not row.buys),
        until={row.number: row.until for row in rows if row.until is not None},
    )


def _standing_in_opening(connection: Connection, numbers: Collection[str], *, free: Sequence[str]) -> set[str]:
    asked = {"numbers": list(numbers), "free": list(free)}
    return set(connection.execute(STANDING_IN_OPENING, asked).scalars())
