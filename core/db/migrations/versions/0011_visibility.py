"""Why: a province sees and confirms its own firms only, and the database enforces it.

A province reads under a role that may look into one schema: views of the tables' own names, each cut to the firms that
the province answers for. So the same statements serve everybody, and one that forgot to ask who reads finds nothing.
The views are no security barriers: who reads writes no SQL of his own, and a barrier keeps indexes from being used.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import append_only, run

revision = "0011"
down_revision = "0010"

TENURE = """
CREATE TABLE account_province (
    account text NOT NULL REFERENCES account,
    province text NOT NULL CONSTRAINT account_province_form CHECK (province ~ '^[0-9]{2}$'),
    from_day date NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    decided_by text NOT NULL,
    CONSTRAINT account_province_once PRIMARY KEY (account, from_day),
    CONSTRAINT account_province_four_eyes CHECK (proposed_by <> decided_by)
);
COMMENT ON TABLE account_province IS 'Firms that changed hands: from this market day on the province answers for them.';

CREATE FUNCTION responsible_province(which text, at date) RETURNS text
LANGUAGE sql STABLE RETURN coalesce(
    (SELECT p.province FROM account_province p WHERE p.account = which AND p.from_day <= at
     ORDER BY p.from_day DESC LIMIT 1), substr(which, 2, 2));
COMMENT ON FUNCTION responsible_province IS 'The province in the number, until the firm changes hands.';

CREATE VIEW account_province_now AS
SELECT DISTINCT ON (account) account, province FROM account_province
WHERE from_day <= (SELECT (now AT TIME ZONE 'Asia/Shanghai')::date FROM business_clock)
ORDER BY account, from_day DESC;
COMMENT ON VIEW account_province_now IS 'Where it is no longer the province in the number.';
"""

OWN = """
CREATE SCHEMA province;
GRANT USAGE ON SCHEMA province TO registry_province;
CREATE VIEW province.own AS
SELECT a.number, l.id AS place
FROM registry.account a
LEFT JOIN registry.account_province_now n ON n.account = a.number
LEFT JOIN registry.ledger_account l ON l.owner = a.number
WHERE coalesce(n.province, substr(a.number, 2, 2)) = current_setting('registry.province', true) AND a.number !~ '^S';
CREATE FUNCTION province.responsible_province(which text, at date) RETURNS text
LANGUAGE sql STABLE RETURN CASE WHEN which IN (SELECT number FROM province.own)
                                THEN current_setting('registry.province', true) END;
COMMENT ON VIEW province.own IS 'The firms of the province that reads, and their ledger accounts.';
"""

OWN_FIRM = "t.{column} IN (SELECT number FROM province.own)"

BY_ACCOUNT = {
    "account": "number",
    "ledger_account": "owner",
    "unit_block": "holder",
    "account_province": "account",
    "account_operator": "account",
    "trusted_account": "account",
    "account_control": "account",
    "account_state_change": "account",
    "account_document": "account",
    "account_review": "account",
    "opening_position": "account",
    "encumbrance": "account",
    "certificate": "account",
    "succession": "giver",
    "allocation_line": "account",
    "allocation_entry": "account",
    "allocation_deduction": "account",
    "emission_record": "account",
    "compliance_obligation": "account",
    "compliance_event": "account",
    "surrender_application": "account",
    "ccer_lot": "account",
    "offset_application": "account",
    "carry_over_application": "account",
}
"""Tables of one firm a row, and the column that names it."""

BY_CONDITION = {
    "task": "t.accounts <> '{}' AND t.accounts <@ ARRAY(SELECT number FROM province.own)"
    " OR t.acted_for IN (SELECT number FROM province.own)",
    "task_decision": "t.task IN (SELECT id FROM province.task)",
    "transfer": "t.debit IN (SELECT place FROM province.own) OR t.credit IN (SELECT place FROM province.own)",
    "ledger_hold": "t.source IN (SELECT place FROM province.own)",
    "encumbrance_event": "t.encumbrance IN (SELECT number FROM province.encumbrance)",
    "unit_move": "t.giver IN (SELECT number FROM province.own) OR t.taker IN (SELECT number FROM province.own)",
    "allocation_deduction_use": "t.deduction IN (SELECT id FROM province.allocation_deduction)",
    "ccer_lot_event": "t.lot IN (SELECT id FROM province.ccer_lot)",
}
"""Tables of two firms a row: either side shows it."""

PUBLIC = (
    "business_clock",
    "market_day_product",
    "daily_report",
    "unit_issue",
    "ledger_batch",
    "ledger_seal",
    "sealing_key",
    "opening",
    "public_notice",
    "parameter",
    "parameter_frozen",
    "calendar_exception",
    "compliance_year",
    "compliance_deadline",
    "carry_over_rule",
    "ccer_project",
)
"""Tables that say nothing of a single firm."""


# A plan of many provinces has sums of its own for each; what is broken on a day names firms of other provinces.
OF_ITS_OWN = ("allocation_plan", "market_day")
OWN_VIEWS = """
CREATE VIEW province.market_day AS
SELECT day, state, cumulative_t, cumulative_fen, NULL::jsonb AS seal, '[]'::jsonb AS breaks, changed_at
FROM registry.market_day;
GRANT SELECT ON province.market_day TO registry_province;
CREATE VIEW province.allocation_plan AS
SELECT p.number, p.product, p.name, p.kind, p.share_percent, p.follows, p.province, own.lines, own.tonnes, p.state,
       p.proposed_by, p.proposed_at, p.task, p.executed_at, p.market_day
FROM registry.allocation_plan p
CROSS JOIN LATERAL (SELECT count(*)::integer AS lines, coalesce(sum(l.tonnes), 0)::bigint AS tonnes
                    FROM province.allocation_line l WHERE l.plan = p.number) AS own
WHERE own.lines > 0;
GRANT SELECT ON province.allocation_plan TO registry_province;
"""


HIDDEN = (
    "account_province_now", "account_trading", "alembic_version", "audit_event", "audit_line", "audit_link",
    "bank_notice", "beat", "chain_line", "confirmation", "counter", "effective_trade", "intake", "ledger_loose",
    "link_event", "market_day_event", "obligation", "outbox", "reconciliation_break", "reconciliation_break_event",
    "reconciliation_run", "request", "trade", "trade_quarantine", "transfer_line",
)  # fmt: skip
"""A province has no business with these; a read that asks for one is refused."""


def _show(table: str, condition: str) -> None:
    op.execute(
        f"CREATE VIEW province.{table} AS SELECT t.* FROM registry.{table} t WHERE {condition}"  # noqa: S608  # names above
    )
    op.execute(f"GRANT SELECT ON province.{table} TO registry_province")


def upgrade() -> None:
    run(TENURE)
    append_only("account_province")
    op.execute("GRANT SELECT ON account_province_now TO registry_app")
    run(OWN)
    for table, column in BY_ACCOUNT.items():
        _show(table, OWN_FIRM.format(column=column))
    for table, condition in BY_CONDITION.items():
        _show(table, condition)
    for table in PUBLIC:
        _show(table, "true")
    run(OWN_VIEWS)
