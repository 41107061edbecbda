"""Compares the tables of the two accountings; what it joins here meets nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from core.db import counters
from core.ledger.rules import ISSUANCE
from core.quantities import CASH, Break
from core.reconciliation.rules import ACCOUNT, TOTAL, Comparison, Finding

# One statement, so one moment: whatever is being booked meanwhile is in both accountings or in none.
_SIDE_BY_SIDE = """
WITH ledger AS (
    SELECT owner, asset, sum(balance) AS tonnes FROM ledger_account WHERE asset <> :cash GROUP BY owner, asset),
units AS (
    SELECT owner, asset, sum(tonnes) AS tonnes
    FROM (SELECT holder AS owner, 'CEA-' || vintage AS asset, tonnes FROM unit_block
          UNION ALL SELECT :issuance, 'CEA-' || lower(serials) / 1000000000000, lower(serials) - upper(serials)
          FROM unit_issue) AS held
    GROUP BY owner, asset),
both_sides AS MATERIALIZED (
    SELECT owner, asset, coalesce(l.tonnes, 0)::bigint AS ledger, coalesce(u.tonnes, 0)::bigint AS units
    FROM ledger l FULL JOIN units u USING (owner, asset))
"""

DIFFERENCES = text(
    _SIDE_BY_SIDE  # noqa: S608  # constants
    + "SELECT owner, asset, ledger, units FROM both_sides WHERE ledger <> units ORDER BY owner, asset"
)

FIGURES_OF = text(
    _SIDE_BY_SIDE  # noqa: S608  # constants
    + "SELECT ledger, units FROM both_sides WHERE owner = :owner AND asset = :asset"
)

COMPARE = text(
    _SIDE_BY_SIDE  # noqa: S608  # constants
    + """
SELECT '' AS owner, asset, count(*) AS holdings,
       coalesce(sum(ledger) FILTER (WHERE owner <> :issuance), 0)::bigint AS ledger,
       coalesce(sum(units) FILTER (WHERE owner <> :issuance), 0)::bigint AS units
FROM both_sides GROUP BY asset
UNION ALL SELECT owner, asset, 0, ledger, units FROM both_sides WHERE ledger <> units
ORDER BY owner, asset
"""
)

# Both chains of writers end here, so nothing is booked while it is looked where the difference lies.
STOP_UNITS = text("SELECT pg_advisory_xact_lock(hashtextextended('units', 0))")

# What all transfers, and all changes of hands, add up to from nothing.
_HISTORIES = """
WITH booked AS (
    SELECT a.owner, a.asset, sum(legs.delta) AS tonnes
    FROM (SELECT debit AS place, -sum(amount) AS delta FROM transfer WHERE asset <> :cash GROUP BY debit
          UNION ALL SELECT credit, sum(amount) FROM transfer WHERE asset <> :cash GROUP BY credit) AS legs
    JOIN ledger_account a ON a.id = legs.place GROUP BY a.owner, a.asset),
moved AS (
    SELECT owner, 'CEA-' || year AS asset, sum(tonnes) AS tonnes
    FROM (SELECT taker AS owner, lower(serials) / 1000000000000 AS year, upper(serials) - lower(serials) AS tonnes
          FROM unit_move
          UNION ALL SELECT giver, lower(serials) / 1000000000000, lower(serials) - upper(serials)
          FROM unit_move WHERE giver IS NOT NULL
          UNION ALL SELECT :issuance, lower(serials) / 1000000000000, lower(serials) - upper(serials)
          FROM unit_issue) AS changes
    GROUP BY owner, year)
"""

HISTORIES = text(
    _HISTORIES
    + """
SELECT owner, asset, coalesce(b.tonnes, 0)::bigint AS ledger, coalesce(m.tonnes, 0)::bigint AS units
FROM booked b FULL JOIN moved m USING (owner, asset)
WHERE coalesce(b.tonnes, 0) <> coalesce(m.tonnes, 0) ORDER BY owner, asset
"""
)

DRIFTED = text("""
SELECT a.owner, a.asset, a.bucket, a.balance, coalesce(h.total, 0)::bigint AS transfers
FROM ledger_account a
LEFT JOIN (SELECT place, sum(delta) AS total
           FROM (SELECT debit AS place, -sum(amount) AS delta FROM transfer GROUP BY debit
                 UNION ALL SELECT credit, sum(amount) FROM transfer GROUP BY credit) AS legs
           GROUP BY place) AS h ON h.place = a.id
WHERE a.asset <> :cash AND a.balance <> coalesce(h.total, 0) ORDER BY a.owner, a.asset, a.bucket
""")

# The same of one owner, by its index.
DRIFTED_OF = text("""
SELECT a.bucket, a.balance, coalesce((
    SELECT sum(CASE WHEN t.credit = a.id THEN t.amount ELSE -t.amount END)
    FROM transfer t WHERE ARRAY[t.debit, t.credit] && ARRAY[a.id]), 0)::bigint AS transfers
FROM ledger_account a WHERE a.owner = :owner AND a.asset = :asset ORDER BY a.bucket
""")

# Trades are delivered net per account, so in units they all go by the day.
_BY_REFERENCE = """
WITH places AS (SELECT id FROM ledger_account WHERE owner = :owner AND asset = :asset),
booked AS (
    SELECT CASE WHEN t.type = 'TRADE_UNITS' THEN 'day:' || t.market_day ELSE t.reference END AS reference,
           sum(CASE WHEN t.credit IN (SELECT id FROM places) THEN t.amount ELSE 0 END
               - CASE WHEN t.debit IN (SELECT id FROM places) THEN t.amount ELSE 0 END) AS tonnes,
           min(t.market_day) AS day, min(b.seq) AS seq
    FROM transfer t JOIN ledger_batch b USING (batch)
    WHERE ARRAY[t.debit, t.credit] && (SELECT array_agg(id) FROM places) GROUP BY 1),
moved AS (
    SELECT reference, sum(tonnes) AS tonnes, min(market_day) AS day, min(id) AS id
    FROM (SELECT reference, market_day, id, (upper(serials) - lower(serials))
                 * ((taker = :owner)::int - (giver IS NOT DISTINCT FROM :owner)::int) AS tonnes
          FROM unit_move
          WHERE ARRAY[giver, taker] && ARRAY[CAST(:owner AS text)]
            AND 'CEA-' || lower(serials) / 1000000000000 = :asset
          UNION ALL SELECT id, NULL, NULL, lower(serials) - upper(serials) FROM unit_issue
          WHERE :owner = :issuance AND 'CEA-' || lower(serials) / 1000000000000 = :asset) AS changes
    GROUP BY reference)
"""

REFERENCES = text(
    _BY_REFERENCE
    + """
SELECT reference, coalesce(b.tonnes, 0)::bigint AS ledger, coalesce(m.tonnes, 0)::bigint AS units,
       least(b.day, m.day) AS day
FROM booked b FULL JOIN moved m USING (reference)
WHERE coalesce(b.tonnes, 0) <> coalesce(m.tonnes, 0)
ORDER BY least(b.day, m.day), b.seq NULLS LAST, m.id, reference LIMIT :limit
"""
)

HISTORY_OF = text(
    _BY_REFERENCE  # noqa: S608  # constants
    + """
SELECT (SELECT coalesce(sum(tonnes), 0) FROM booked)::bigint AS ledger,
       (SELECT coalesce(sum(tonnes), 0) FROM moved)::bigint AS units
"""
)


def differences(connection: Connection) -> list[Break]:
    """Compare the two accountings, account by vintage; empty when they agree."""
    rows = connection.execute(DIFFERENCES, {"cash": CASH, "issuance": ISSUANCE})
    return [Break("account", "units", row.owner, row.asset, row.ledger, row.units) for row in rows]


def compare(connection: Connection) -> Comparison:
    """Compare totals and accounts at one moment."""
    rows = connection.execute(COMPARE, {"cash": CASH, "issuance": ISSUANCE}).all()
    totals = {row.asset: {"ledger": row.ledger, "units": row.units} for row in rows if not row.owner}
    findings = [
        Finding(ACCOUNT if row.owner else TOTAL, row.owner, row.asset, row.ledger, row.units)
        for row in rows
        if row.ledger != row.units
    ]
    return Comparison(totals, sum(row.holdings for row in rows), findings)


def stop(connection: Connection) -> None:
    """Let nobody book units or allowances until this transaction ends."""
    counters.hold(connection, "batch")
    connection.execute(STOP_UNITS)


def histories(connection: Connection) -> list[Finding]:
    """Compare what all transfers add up to with what all changes of hands add up to."""
    rows = connection.execute(HISTORIES, {"cash": CASH, "issuance": ISSUANCE})
    return [Finding(ACCOUNT, row.owner, row.asset, row.ledger, row.units) for row in rows]


def figures_of(connection: Connection, owner: str, asset: str) -> tuple[int, int]:
    """Return what ledger and units say of one holding."""
    asked = {"owner": owner, "asset": asset, "cash": CASH, "issuance": ISSUANCE}
    row = connection.execute(FIGURES_OF, asked).first()
    return (row.ledger, row.units) if row is not None else (0, 0)


def drifted(connection: Connection) -> list[tuple[str, str]]:
    """Return owner and asset of balances that are not what their transfers add up to."""
    rows = connection.execute(DRIFTED, {"cash": CASH})
    return sorted({(row.owner, row.asset) for row in rows})


def drifted_of(connection: Connection, owner: str, asset: str) -> list[tuple[str, int, int]]:
    """Return bucket, balance and sum of transfers where the two differ, of one owner."""
    rows = connection.execute(DRIFTED_OF, {"owner": owner, "asset": asset})
    return [(row.bucket, row.balance, row.transfers) for row in rows if row.balance != row.transfers]


def history_of(connection: Connection, owner: str, asset: str) -> tuple[int, int]:
    """Return what all transfers, and what all changes of hands, add up to for one holding."""
    row = connection.execute(HISTORY_OF, {"owner": owner, "asset": asset, "issuance": ISSUANCE}).one()
    return row.ledger, row.units


def differing_references(
    connection: Connection, owner: str, asset: str, *, limit: int
) -> Sequence[tuple[str, int, int]]:
    """Return the first references under which ledger and units changed the holding differently, oldest first."""
    asked = {"owner": owner, "asset": asset, "issuance": ISSUANCE, "limit": limit}
    return [(row.reference, row.ledger, row.units) for row in connection.execute(REFERENCES, asked)]
