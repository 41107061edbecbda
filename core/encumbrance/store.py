"""The tables of encumbrances, of what happened to them, and of public notices."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from core.db import counters
from core.encumbrance.orders import Order
from core.encumbrance.rules import Encumbrance

COLUMNS = """number, kind, account, asset, amount, everything, creditor, creditor_account, document, reference,
       begins, ends, state, held, released, taken"""

INSERT = text("""
INSERT INTO encumbrance (number, kind, account, origin, asset, amount, everything, creditor, creditor_account,
                         document, reference, begins, ends, state, held, proposed_at)
VALUES (:number, :kind, :account, :account, :asset, :amount, :everything, :creditor, :creditor_account, :document,
        :reference, :begins, :ends, 'PROPOSED', :held, :at)
""")


def insert(connection: Connection, order: Order, *, held: int, at: datetime) -> int:
    """Keep a proposed encumbrance and return its number, which is its rank."""
    number = counters.take(connection, "encumbrance")
    facts = {name: getattr(order, name) for name in Order.__slots__}
    connection.execute(INSERT, facts | {"number": number, "held": held, "at": at})
    return number


FIND = text(f"SELECT {COLUMNS} FROM encumbrance WHERE number = :number")  # noqa: S608  # our own words


def find(connection: Connection, number: int) -> Encumbrance | None:
    """Return the encumbrance as it is now."""
    row = connection.execute(FIND, {"number": number}).mappings().first()
    return Encumbrance(**row) if row is not None else None


# All that bears on an asset of an account, lowest rank first: writers queue here before they lock balances.
ALIVE = text(f"""
SELECT {COLUMNS} FROM encumbrance
WHERE account = :account AND state IN ('PROPOSED', 'WAITING', 'ACTIVE', 'PART')
  AND (CAST(:asset AS text) IS NULL OR asset = :asset OR asset IS NULL)
ORDER BY number
""")  # noqa: S608
LOCK_ALIVE = text(f"{ALIVE.text} FOR UPDATE")


def alive(connection: Connection, account: str, asset: str | None = None, *, lock: bool = False) -> list[Encumbrance]:
    """Return what encumbers the account, or this asset of it, by rank; ``lock`` lets nobody else change it."""
    rows = connection.execute(LOCK_ALIVE if lock else ALIVE, {"account": account, "asset": asset}).mappings()
    return [Encumbrance(**row) for row in rows]


# The conditions are those of the index, which holds nothing else.
CLAIMS = text(f"""
SELECT {COLUMNS} FROM encumbrance
WHERE account = ANY(CAST(:accounts AS text[])) AND kind = 'FREEZE'
  AND state IN ('PROPOSED', 'WAITING', 'ACTIVE', 'PART')
  AND (everything IS NOT NULL OR held + released + taken < amount)
ORDER BY number
""")  # noqa: S608


def claims(connection: Connection, accounts: Collection[str]) -> list[Encumbrance]:
    """Return the freezes of these accounts that wait for something, or are of everything."""
    rows = connection.execute(CLAIMS, {"accounts": list(accounts)}).mappings()
    return [Encumbrance(**row) for row in rows]


DOCUMENT_USED = text("""
SELECT EXISTS (SELECT FROM encumbrance WHERE origin = :account AND creditor = :creditor AND document = :document
               AND coalesce(asset, '') = coalesce(:asset, '') AND state <> 'REJECTED')
""")


def document_used(connection: Connection, order: Order) -> bool:
    """Tell whether this document of this creditor or court encumbers the same asset already."""
    facts = {"account": order.account, "creditor": order.creditor, "document": order.document, "asset": order.asset}
    found: bool = connection.execute(DOCUMENT_USED, facts).scalar_one()
    return found


CHANGE = text("""
UPDATE encumbrance SET account = :account, state = :state, held = :held, released = :released, taken = :taken
WHERE number = :number
""")


def change(connection: Connection, after: Encumbrance) -> None:
    """Write what became of an encumbrance."""
    names = ("number", "account", "state", "held", "released", "taken")
    connection.execute(CHANGE, {name: getattr(after, name) for name in names})


NOTE = text("""
INSERT INTO encumbrance_event (encumbrance, action, asset, amount, document, actor, detail, market_day)
VALUES (:encumbrance, :action, :asset, :amount, :document, :actor, CAST(:detail AS jsonb), :market_day)
""")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an encumbrance."""

    action: str
    amount: int
    actor: str
    market_day: date
    document: str | None = None
    asset: str | None = None
    detail: Mapping[str, Any] | None = None


def note(connection: Connection, one: Encumbrance, event: Event) -> None:
    """Keep what happened to an encumbrance."""
    row = {
        "encumbrance": one.number,
        "action": event.action,
        "asset": event.asset or one.asset,
        "amount": event.amount,
        "document": event.document,
        "actor": event.actor,
        "detail": json.dumps(event.detail or {}, ensure_ascii=False),
        "market_day": event.market_day,
    }
    connection.execute(NOTE, row)


EVENTS = text("""
SELECT action, asset, amount, document, actor, detail, market_day FROM encumbrance_event
WHERE encumbrance = :number ORDER BY id
""")


def events(connection: Connection, number: int) -> list[dict[str, Any]]:
    """Return everything that happened to an encumbrance, oldest first."""
    rows = connection.execute(EVENTS, {"number": number}).mappings()
    return [{**row, "market_day": row["market_day"].isoformat()} for row in rows]


PAGE = text(f"""
SELECT {COLUMNS} FROM encumbrance WHERE account = :account AND number > :after ORDER BY number LIMIT :limit
""")  # noqa: S608


def of_account(connection: Connection, account: str, *, after: int, limit: int) -> list[Encumbrance]:
    """Return a page of the account's encumbrances, those that are over too, by rank."""
    page = {"account": account, "after": after, "limit": limit}
    return [Encumbrance(**row) for row in connection.execute(PAGE, page).mappings()]


# Asked by a worker many times a second: few freezes wait, and the index holds nothing else.
FILLABLE = text("""
SELECT DISTINCT e.account, e.asset
FROM encumbrance e
JOIN ledger_account l ON l.owner = e.account AND l.asset = e.asset AND l.bucket = 'available' AND l.balance > 0
WHERE e.state IN ('WAITING', 'ACTIVE', 'PART') AND e.kind = 'FREEZE' AND e.held + e.released + e.taken < e.amount
  AND NOT EXISTS (SELECT FROM encumbrance o WHERE o.account = e.account AND o.everything IS NOT NULL
                  AND o.number < e.number AND o.state IN ('WAITING', 'ACTIVE', 'PART'))
ORDER BY e.account, e.asset
""")


def fillable(connection: Connection) -> list[tuple[str, str]]:
    """Return account and asset of which something is available while a freeze waits for it."""
    return [(account, asset) for account, asset in connection.execute(FILLABLE)]


LAPSED = text("""
SELECT number FROM encumbrance
WHERE state IN ('WAITING', 'ACTIVE', 'PART') AND kind = 'FREEZE' AND ends < :today ORDER BY number
""")


def lapsed(connection: Connection, today: date) -> list[int]:
    """Return the freezes whose term is over."""
    return list(connection.execute(LAPSED, {"today": today}).scalars())


DIFFERENCES = text("""
WITH held AS (
    SELECT account, asset, CASE kind WHEN 'PLEDGE' THEN 'pledged' ELSE 'frozen' END AS bucket, sum(held) AS amount
    FROM encumbrance WHERE asset IS NOT NULL AND state <> 'PROPOSED' GROUP BY 1, 2, 3)
SELECT coalesce(l.owner, h.account), coalesce(l.asset, h.asset), coalesce(l.bucket, h.bucket),
       coalesce(l.balance, 0)::bigint, coalesce(h.amount, 0)::bigint
FROM (SELECT owner, asset, bucket, balance FROM ledger_account WHERE bucket IN ('pledged', 'frozen')) AS l
FULL JOIN held h ON h.account = l.owner AND h.asset = l.asset AND h.bucket = l.bucket
WHERE coalesce(l.balance, 0) <> coalesce(h.amount, 0) ORDER BY 1, 2, 3
""")


@dataclass(frozen=True, slots=True)
class Difference:
    """A bucket, pledged or frozen, that does not hold what the encumbrances of its account hold."""

    account: str
    asset: str
    bucket: str
    balance: int
    held: int


def differences(connection: Connection) -> list[Difference]:
    """Name the buckets that do not hold what the encumbrances say; empty when all do."""
    return [Difference(*row) for row in connection.execute(DIFFERENCES)]


PUBLISH = text("""
INSERT INTO public_notice (number, market_day, kind, text, facts)
VALUES (:number, :market_day, :kind, :text, CAST(:facts AS jsonb))
""")


@dataclass(frozen=True, slots=True)
class Notice:
    """What the registry makes known to everybody."""

    number: int
    market_day: date
    kind: str
    text: str
    facts: Mapping[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """The notice as anybody reads it."""
        return {
            "number": self.number,
            "market_day": self.market_day.isoformat(),
            "kind": self.kind,
            "text": self.text,
            "facts": dict(self.facts),
        }


def publish(connection: Connection, notice: Notice) -> None:
    """Make a notice known; its number was taken in this transaction."""
    row = {"number": notice.number, "market_day": notice.market_day, "kind": notice.kind, "text": notice.text}
    connection.execute(PUBLISH, row | {"facts": json.dumps(dict(notice.facts), ensure_ascii=False)})


NOTICES = text("""
SELECT number, market_day, kind, text, facts FROM public_notice
WHERE number < :before ORDER BY number DESC LIMIT :limit
""")


def notices(connection: Connection, *, before: int, limit: int) -> Sequence[Notice]:
    """Return a page of public notices, the newest first."""
    page = {"before": before, "limit": limit}
    return [Notice(**row) for row in connection.execute(NOTICES, page).mappings()]


NOTICE = text("SELECT number, market_day, kind, text, facts FROM public_notice WHERE number = :number")


def notice(connection: Connection, number: int) -> Notice | None:
    """Return one public notice."""
    row = connection.execute(NOTICE, {"number": number}).mappings().first()
    return Notice(**row) if row is not None else None
