"""The table of the rules of compliance years, by version."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, text

from core.emissions.years.rules import Change, YearRules

IN_FORCE = text("""
SELECT year, version, deadline, vintages, offset_basis_points, reversal_days, authority
FROM compliance_year WHERE year = :year ORDER BY version DESC LIMIT 1
""")

ALL_IN_FORCE = text("""
SELECT DISTINCT ON (year) year, version, deadline, vintages, offset_basis_points, reversal_days, authority
FROM compliance_year WHERE year > :after ORDER BY year, version DESC LIMIT :limit
""")

INSERT = text("""
INSERT INTO compliance_year (year, version, deadline, vintages, offset_basis_points, reversal_days, authority, reason,
                             proposed_by, decided_by, at)
VALUES (:year, :version, :deadline, CAST(:vintages AS smallint[]), :points, :days, :authority, :reason,
        :proposed_by, :decided_by, :at)
""")

DUE = text("""
SELECT y.year, y.version, y.deadline, y.vintages, y.offset_basis_points, y.reversal_days, y.authority
FROM (SELECT DISTINCT ON (year) * FROM compliance_year ORDER BY year, version DESC) AS y
WHERE y.deadline < :today AND NOT EXISTS (
    SELECT FROM compliance_deadline d WHERE d.year = y.year AND d.deadline = y.deadline)
ORDER BY y.year
""")

CLOSE = text("INSERT INTO compliance_deadline (year, deadline, closed_at) VALUES (:year, :deadline, :at)")

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('compliance year ' || CAST(:year AS text), 0))")


def lock(connection: Connection, year: int) -> None:
    """Let nobody else change the rules of a year, or carry its deadline out, until this transaction ends."""
    connection.execute(LOCK, {"year": year})


def in_force(connection: Connection, year: int) -> YearRules:
    """Return the rules of a year; the defaults where nothing was laid down."""
    row = connection.execute(IN_FORCE, {"year": year}).mappings().first()
    return _rules(dict(row)) if row is not None else YearRules(year)


def page(connection: Connection, *, after: int, limit: int) -> list[YearRules]:
    """Return the rules of years in their order."""
    rows = connection.execute(ALL_IN_FORCE, {"after": after, "limit": limit}).mappings()
    return [_rules(dict(row)) for row in rows]


def insert(connection: Connection, change: Change, *, version: int, by: tuple[str, str], at: datetime) -> None:
    """Lay down new rules of a year; ``by`` is who proposed and who decided."""
    rules = change.rules
    row = {
        "year": rules.year,
        "version": version,
        "deadline": rules.deadline,
        "vintages": list(rules.vintages or ()),
        "points": rules.offset_basis_points,
        "days": rules.reversal_days,
        "authority": rules.authority,
        "reason": change.reason,
    }
    connection.execute(INSERT, row | {"proposed_by": by[0], "decided_by": by[1], "at": at})


def due(connection: Connection, today: date) -> list[YearRules]:
    """Return the years whose deadline is over and was not carried out yet."""
    return [_rules(dict(row)) for row in connection.execute(DUE, {"today": today}).mappings()]


def close(connection: Connection, rules: YearRules, *, at: datetime) -> None:
    """Note that a year's deadline was carried out on everybody."""
    connection.execute(CLOSE, {"year": rules.year, "deadline": rules.deadline, "at": at})


def _rules(row: dict[str, object]) -> YearRules:
    vintages = row.pop("vintages")
    return YearRules(vintages=tuple(vintages), **row)  # type: ignore[arg-type]  # the table's columns are its fields
