"""The table of verified emissions, by version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from core.emissions.rules import Known, Line

KNOWN = text("""
SELECT a.number AS account, e.tonnes, coalesce(e.version, 0) AS version, coalesce(o.state, 'NONE') AS state,
       a.state NOT IN ('APPLIED', 'REJECTED')
           AND (CAST(:province AS text) IS NULL OR responsible_province(a.number, :today) = :province) AS in_reach
FROM account a
LEFT JOIN LATERAL (SELECT tonnes, version FROM emission_record r
                   WHERE r.account = a.number AND r.year = :year ORDER BY version DESC LIMIT 1) AS e ON true
LEFT JOIN compliance_obligation o ON o.account = a.number AND o.year = :year
WHERE a.number = ANY(CAST(:accounts AS text[])) AND a.number !~ '^S'
""")

INSERT = text("""
INSERT INTO emission_record (account, year, version, tonnes, reason, task, proposed_by, confirmed_by, at)
SELECT account, :year, version, tonnes, reason, :task, :proposed_by, :confirmed_by, :at
FROM unnest(CAST(:accounts AS text[]), CAST(:versions AS integer[]), CAST(:tonnes AS bigint[]),
            CAST(:reasons AS text[])) AS r (account, version, tonnes, reason)
ORDER BY account
""")

VERSIONS = text("""
SELECT year, version, tonnes, reason, proposed_by, confirmed_by, task, at FROM emission_record
WHERE account = :account AND (year, version) > (:year, :version) ORDER BY year, version LIMIT :limit
""")


def known(
    connection: Connection, accounts: Collection[str], year: int, *, province: str | None, today: date
) -> dict[str, Known]:
    """Return what is known of those of the accounts that exist, as an authority sees them: a province's, or all."""
    asked = {"accounts": list(accounts), "year": year, "province": province, "today": today}
    rows = connection.execute(KNOWN, asked)
    return {row.account: Known(row.in_reach, row.tonnes, row.version, row.state) for row in rows}


def insert(
    connection: Connection,
    year: int,
    lines: Sequence[tuple[Line, int]],
    *,
    task: str,
    by: tuple[str, str],
    at: datetime,
) -> None:
    """Write verified emissions, each with its version; ``by`` is who uploaded and who confirmed."""
    columns = {
        "accounts": [line.account for line, _ in lines],
        "versions": [version for _, version in lines],
        "tonnes": [line.tonnes for line, _ in lines],
        "reasons": [line.reason for line, _ in lines],
    }
    facts = {"year": year, "task": task, "proposed_by": by[0], "confirmed_by": by[1], "at": at}
    connection.execute(INSERT, columns | facts)


def versions(connection: Connection, account: str, *, after: tuple[int, int], limit: int) -> list[dict[str, Any]]:
    """Return an account's verified emissions with all corrections, by year and version."""
    asked = {"account": account, "year": after[0], "version": after[1], "limit": limit}
    return [{**row, "at": row["at"].isoformat()} for row in connection.execute(VERSIONS, asked).mappings()]
