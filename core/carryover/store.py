"""The tables of carry-over rule sets and applications, and the read of what an account sold, net."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from core.carryover.rules import RuleSet
from core.quantities import Vintage

IN_FORCE = text("""
SELECT DISTINCT ON (name) name, version, vintages, to_vintage, base_t, factor_thousandths, sold_vintages, sold_from,
       sold_until, apply_until
FROM carry_over_rule ORDER BY name, version DESC
""")

LOCK_RULES = text("SELECT pg_advisory_xact_lock(hashtextextended('carry-over rules', 0))")

INSERT_RULE = text("""
INSERT INTO carry_over_rule (name, version, vintages, to_vintage, base_t, factor_thousandths, sold_vintages, sold_from,
                             sold_until, apply_until, reason, proposed_by, decided_by, at)
VALUES (:name, :version, CAST(:vintages AS smallint[]), :to_vintage, :base_t, :factor_thousandths,
        CAST(:sold_vintages AS smallint[]), :sold_from, :sold_until, :apply_until, :reason, :proposed_by, :decided_by,
        :at)
""")

# Delivered trades only, those taken back left out; first the account's own rows by their index, as in statements.
NET_SOLD = text("""
WITH own AS MATERIALIZED (SELECT array_agg(id) AS ids FROM ledger_account WHERE owner = :account),
rows AS MATERIALIZED (
    SELECT t.* FROM transfer t, own WHERE ARRAY[t.debit, t.credit] && own.ids)
SELECT coalesce(sum(CASE WHEN r.debit = ANY(own.ids) THEN r.amount ELSE -r.amount END), 0)::bigint
FROM rows r, own
WHERE r.type = 'TRADE_UNITS' AND r.asset = ANY(CAST(:products AS text[])) AND r.market_day BETWEEN :since AND :until
  AND NOT EXISTS (SELECT FROM transfer b WHERE b.reverses = r.id)
""")

CARRIED = text("""
SELECT coalesce(sum(tonnes), 0)::bigint FROM carry_over_application
WHERE account = :account AND rule = :rule AND state <> 'RELEASED' AND (CAST(:but AS uuid) IS NULL OR id <> :but)
""")

LOCK_ACCOUNT = text("SELECT pg_advisory_xact_lock(hashtextextended('carry-over ' || CAST(:account AS text), 0))")

FIELDS = (
    "id::text, account, rule, rule_version, from_product, to_product, tonnes, task, state, net_sold, limit_t, "
    "cancelled, issued, applied_at"
)

INSERT = text("""
INSERT INTO carry_over_application (id, account, rule, rule_version, from_product, to_product, tonnes, state, net_sold,
                                    limit_t, applied_at, changed_at)
VALUES (:id, :account, :rule, :version, :from_product, :to_product, :tonnes, 'PENDING', :net_sold, :limit_t, :at, :at)
""")

NAME_TASK = text("UPDATE carry_over_application SET task = :task WHERE id = :id")

FIND = text(f"SELECT {FIELDS} FROM carry_over_application WHERE id = :id FOR UPDATE")  # noqa: S608  # fields above

END = text("""
UPDATE carry_over_application SET state = :state, cancelled = CAST(:cancelled AS jsonb),
       issued = CAST(:issued AS jsonb),
       changed_at = :at
WHERE id = :id
""")

PAGE = text(f"""
SELECT {FIELDS} FROM carry_over_application
WHERE account = :account AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :limit
""")  # noqa: S608  # the fields stand above


def rules(connection: Connection) -> list[RuleSet]:
    """Return the rule sets in force, by name."""
    return [_rule(dict(row)) for row in connection.execute(IN_FORCE).mappings()]


def lock_rules(connection: Connection) -> None:
    """Let nobody else change rule sets until this transaction ends."""
    connection.execute(LOCK_RULES)


def insert_rule(connection: Connection, rule: RuleSet, reason: str, *, by: tuple[str, str], at: datetime) -> None:
    """Lay down a version of a rule set; ``by`` is who proposed and who decided."""
    facts = rule.body | {"sold_from": rule.sold_from, "sold_until": rule.sold_until, "apply_until": rule.apply_until}
    connection.execute(INSERT_RULE, facts | {"reason": reason, "proposed_by": by[0], "decided_by": by[1], "at": at})


def net_sold(connection: Connection, account: str, rule: RuleSet) -> int:
    """Return what the account sold less what it bought in the rule set's window; below zero for a net buyer."""
    products = [Vintage(year).product for year in rule.sold_vintages]
    asked = {"account": account, "products": products, "since": rule.sold_from, "until": rule.sold_until}
    return int(connection.execute(NET_SOLD, asked).scalar_one())


def lock_account(connection: Connection, account: str) -> None:
    """Let nobody else ask to carry over for the account until this transaction ends: its vintages share a limit."""
    connection.execute(LOCK_ACCOUNT, {"account": account})


def carried(connection: Connection, account: str, rule: str, *, but: str | None = None) -> int:
    """Return what was carried over or asked for under a rule set, but for one application."""
    return int(connection.execute(CARRIED, {"account": account, "rule": rule, "but": but}).scalar_one())


def insert(connection: Connection, number: str, facts: dict[str, Any], *, at: datetime) -> None:
    """Keep a new application."""
    connection.execute(INSERT, facts | {"id": number, "at": at})


def name_task(connection: Connection, number: str, task: str) -> None:
    """Note under which task the application is decided."""
    connection.execute(NAME_TASK, {"id": number, "task": task})


def lock(connection: Connection, number: str) -> dict[str, Any]:
    """Return an application and let nobody else change it until this transaction ends."""
    return dict(connection.execute(FIND, {"id": number}).mappings().one())


def end(
    connection: Connection,
    number: str,
    state: str,
    *,
    at: datetime,
    cancelled: Sequence[Mapping[str, Any]] = (),
    issued: Mapping[str, Any] | None = None,
) -> None:
    """Note what became of an application, and which serials went and came."""
    made = json.dumps(issued) if issued is not None else None
    row = {"id": number, "state": state, "cancelled": json.dumps(list(cancelled)), "issued": made, "at": at}
    connection.execute(END, row)


def page(connection: Connection, account: str, *, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Return an account's applications."""
    rows = connection.execute(PAGE, {"account": account, "after": after, "limit": limit}).mappings()
    return [{**row, "applied_at": row["applied_at"].isoformat()} for row in rows]


def _rule(row: dict[str, Any]) -> RuleSet:
    dates: dict[str, date] = {name: row[name] for name in ("sold_from", "sold_until", "apply_until")}
    return RuleSet(
        row["name"],
        row["version"],
        tuple(row["vintages"]),
        row["to_vintage"],
        row["base_t"],
        row["factor_thousandths"],
        tuple(row["sold_vintages"]),
        **dates,
    )
