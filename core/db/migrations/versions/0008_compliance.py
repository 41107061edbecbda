"""Why: verified emissions, obligations, surrender and its reversal, offset, carry-over.

What a firm owes for a year is one row that everybody who changes it locks first; all else here is history, or waits
for somebody. Rules of a year and of a carry-over are versions of data, the newest counts.
"""

from __future__ import annotations

from core.db.migrations.tables import append_only, mutable, run

revision = "0008"
down_revision = "0007"

RULES = """
CREATE TABLE compliance_year (
    year smallint NOT NULL CONSTRAINT compliance_year_range CHECK (year BETWEEN 2000 AND 2099),
    version integer NOT NULL CONSTRAINT compliance_year_version_positive CHECK (version > 0),
    deadline date NOT NULL,
    vintages smallint[] NOT NULL CONSTRAINT compliance_year_has_vintages CHECK (cardinality(vintages) > 0),
    offset_basis_points integer NOT NULL
        CONSTRAINT compliance_year_offset_range CHECK (offset_basis_points BETWEEN 0 AND 10000),
    reversal_days integer NOT NULL CONSTRAINT compliance_year_reversal_range CHECK (reversal_days BETWEEN 0 AND 3660),
    authority boolean NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    decided_by text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT compliance_year_once PRIMARY KEY (year, version),
    CONSTRAINT compliance_year_four_eyes CHECK (proposed_by <> decided_by)
);
COMMENT ON TABLE compliance_year IS 'What counts for a compliance year, by version; the newest is in force.';
COMMENT ON COLUMN compliance_year.deadline IS 'The last market day on which the year can still be met in time.';
COMMENT ON COLUMN compliance_year.authority IS 'Every surrender needs the authority, also without an obligation.';

CREATE TABLE compliance_deadline (
    year smallint NOT NULL,
    deadline date NOT NULL,
    closed_at timestamptz NOT NULL,
    CONSTRAINT compliance_deadline_once PRIMARY KEY (year, deadline)
);
COMMENT ON TABLE compliance_deadline IS 'Deadlines that have passed and were carried out on every account.';

CREATE TABLE carry_over_rule (
    name text NOT NULL,
    version integer NOT NULL CONSTRAINT carry_over_rule_version_positive CHECK (version > 0),
    vintages smallint[] NOT NULL CONSTRAINT carry_over_rule_has_vintages CHECK (cardinality(vintages) > 0),
    to_vintage smallint NOT NULL CONSTRAINT carry_over_rule_to_vintage_range CHECK (to_vintage BETWEEN 2000 AND 2099),
    base_t bigint NOT NULL CONSTRAINT carry_over_rule_base_not_negative CHECK (base_t >= 0),
    factor_thousandths integer NOT NULL
        CONSTRAINT carry_over_rule_factor_range CHECK (factor_thousandths BETWEEN 0 AND 100000),
    sold_vintages smallint[] NOT NULL,
    sold_from date NOT NULL,
    sold_until date NOT NULL,
    apply_until date NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    decided_by text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT carry_over_rule_once PRIMARY KEY (name, version),
    CONSTRAINT carry_over_rule_window CHECK (sold_from <= sold_until),
    CONSTRAINT carry_over_rule_forward CHECK (NOT to_vintage = ANY (vintages)),
    CONSTRAINT carry_over_rule_four_eyes CHECK (proposed_by <> decided_by)
);
COMMENT ON TABLE carry_over_rule IS 'Rule sets by version: a vintage belongs to at most one that is in force.';
COMMENT ON COLUMN carry_over_rule.factor_thousandths IS 'Limit = base_t + net sales in the window * this / 1000.';
"""

OBLIGATIONS = """
CREATE TABLE emission_record (
    account text NOT NULL REFERENCES account,
    year smallint NOT NULL CONSTRAINT emission_record_year_range CHECK (year BETWEEN 2000 AND 2099),
    version integer NOT NULL CONSTRAINT emission_record_version_positive CHECK (version > 0),
    tonnes bigint NOT NULL CONSTRAINT emission_record_not_negative CHECK (tonnes >= 0),
    reason text,
    task text NOT NULL,
    proposed_by text NOT NULL,
    confirmed_by text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT emission_record_once PRIMARY KEY (account, year, version),
    CONSTRAINT emission_record_correction_has_reason CHECK (version = 1 OR reason IS NOT NULL),
    CONSTRAINT emission_record_four_eyes CHECK (proposed_by <> confirmed_by)
);
COMMENT ON TABLE emission_record IS 'Verified emissions by version; a correction is a new version with a reason.';

CREATE TABLE compliance_obligation (
    account text NOT NULL REFERENCES account,
    year smallint NOT NULL,
    due bigint CONSTRAINT compliance_obligation_due_not_negative CHECK (due >= 0),
    surrendered bigint NOT NULL DEFAULT 0
        CONSTRAINT compliance_obligation_surrendered_not_negative CHECK (surrendered >= 0),
    offset_used bigint NOT NULL DEFAULT 0 CONSTRAINT compliance_obligation_offset_not_negative CHECK (offset_used >= 0),
    pending_surrender bigint NOT NULL DEFAULT 0
        CONSTRAINT compliance_obligation_pending_surrender_not_negative CHECK (pending_surrender >= 0),
    pending_offset bigint NOT NULL DEFAULT 0
        CONSTRAINT compliance_obligation_pending_offset_not_negative CHECK (pending_offset >= 0),
    deducted bigint NOT NULL DEFAULT 0 CONSTRAINT compliance_obligation_deducted_not_negative CHECK (deducted >= 0),
    state text NOT NULL
        CONSTRAINT compliance_obligation_state_known
        CHECK (state IN ('NONE', 'OPEN', 'PART', 'MET', 'SHORT', 'PENALISED', 'MISSING_DATA')),
    changed_at timestamptz NOT NULL,
    CONSTRAINT compliance_obligation_once PRIMARY KEY (account, year),
    CONSTRAINT compliance_obligation_data CHECK ((due IS NULL) = (state IN ('NONE', 'MISSING_DATA')))
);
CREATE INDEX compliance_obligation_by_year ON compliance_obligation (year, state, account);
COMMENT ON TABLE compliance_obligation IS 'What an account owes for a year and what it handed in; due is null until '
    'emissions are verified.';
COMMENT ON COLUMN compliance_obligation.offset_used IS 'Registered; no more of it counts than the limit of the year.';

CREATE TABLE compliance_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL REFERENCES account,
    year smallint NOT NULL,
    state_before text NOT NULL,
    state text NOT NULL,
    due bigint,
    surrendered bigint NOT NULL,
    offset_used bigint NOT NULL,
    cause text NOT NULL,
    reference text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX compliance_event_by_account ON compliance_event (account, year, id);
COMMENT ON TABLE compliance_event IS 'Every change of an obligation that is not merely pending, with its cause.';
"""

SURRENDER = """
CREATE TABLE surrender_application (
    id uuid PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    year smallint NOT NULL,
    product text NOT NULL,
    tonnes bigint NOT NULL CONSTRAINT surrender_application_positive CHECK (tonnes > 0),
    task text,
    state text NOT NULL
        CONSTRAINT surrender_application_state_known
        CHECK (state IN ('PENDING', 'SURRENDERED', 'RELEASED', 'REVERSED')),
    authority boolean NOT NULL,
    applied_at timestamptz NOT NULL,
    done_at timestamptz,
    reversible_until timestamptz,
    serials jsonb,
    CONSTRAINT surrender_application_done CHECK ((state IN ('SURRENDERED', 'REVERSED')) = (done_at IS NOT NULL))
);
CREATE INDEX surrender_application_by_account ON surrender_application (account, year);
COMMENT ON TABLE surrender_application IS 'Every application to hand units in; the id is that of the ledger''s hold.';
COMMENT ON COLUMN surrender_application.serials IS 'Pairs [low, high) as in unit_block: what a reversal gives back.';
"""

OFFSET = """
CREATE TABLE ccer_project (
    code text PRIMARY KEY CONSTRAINT ccer_project_code_not_empty CHECK (code <> ''),
    number integer NOT NULL CONSTRAINT ccer_project_number_once UNIQUE
        CONSTRAINT ccer_project_number_range CHECK (number BETWEEN 1 AND 9000000)
);
COMMENT ON TABLE ccer_project IS 'Projects of the offset registry, numbered so that project and serial make one range.';
INSERT INTO counter VALUES ('ccer_project', 1);

CREATE TABLE ccer_lot (
    id uuid PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    project text NOT NULL REFERENCES ccer_project,
    first bigint NOT NULL CONSTRAINT ccer_lot_first_positive CHECK (first > 0),
    last bigint NOT NULL CONSTRAINT ccer_lot_last_range CHECK (last BETWEEN first AND 999999999999),
    tonnes bigint GENERATED ALWAYS AS (last - first + 1) STORED,
    place int8range NOT NULL,
    state text NOT NULL
        CONSTRAINT ccer_lot_state_known
        CHECK (state IN ('FREEZING', 'SYNCED', 'SELECTED', 'CONFIRMED', 'USED', 'RELEASING', 'RELEASED')),
    application uuid,
    until timestamptz NOT NULL,
    note text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    CONSTRAINT ccer_lot_used_once EXCLUDE USING gist (place WITH &&) WHERE (state <> 'RELEASED'),
    CONSTRAINT ccer_lot_selected_for CHECK (state NOT IN ('SELECTED', 'CONFIRMED', 'USED') OR application IS NOT NULL)
);
CREATE INDEX ccer_lot_by_account ON ccer_lot (account, id);
CREATE INDEX ccer_lot_waiting ON ccer_lot (until) WHERE state IN ('FREEZING', 'SYNCED', 'SELECTED');
COMMENT ON TABLE ccer_lot IS 'Offset units frozen in the other registry for one account here; used whole, and once.';
COMMENT ON COLUMN ccer_lot.place IS 'Project number * 10^12 + serial, half open: overlap of live lots is impossible.';
COMMENT ON COLUMN ccer_lot.until IS 'Then either side lets go of what was not confirmed, in business time.';

CREATE TABLE ccer_lot_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    lot uuid NOT NULL REFERENCES ccer_lot,
    state text NOT NULL,
    note text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX ccer_lot_event_by_lot ON ccer_lot_event (lot, id);
COMMENT ON TABLE ccer_lot_event IS 'What became of a lot, step by step, and what the other registry said.';

CREATE TABLE offset_application (
    id uuid PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    year smallint NOT NULL,
    tonnes bigint NOT NULL CONSTRAINT offset_application_positive CHECK (tonnes > 0),
    task text,
    state text NOT NULL
        CONSTRAINT offset_application_state_known CHECK (state IN ('PENDING', 'CONFIRMED', 'REGISTERED', 'RELEASED')),
    used bigint NOT NULL DEFAULT 0 CONSTRAINT offset_application_used_within CHECK (used BETWEEN 0 AND tonnes),
    applied_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX offset_application_by_account ON offset_application (account, year);
ALTER TABLE ccer_lot ADD CONSTRAINT ccer_lot_of_application FOREIGN KEY (application) REFERENCES offset_application;
COMMENT ON TABLE offset_application IS 'Lots put together against one obligation, for two people and the authority.';
COMMENT ON COLUMN offset_application.used IS 'What the other registry cancelled; registered against the obligation.';
"""

CARRY_OVER = """
CREATE TABLE carry_over_application (
    id uuid PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    from_product text NOT NULL,
    to_product text NOT NULL,
    tonnes bigint NOT NULL CONSTRAINT carry_over_application_positive CHECK (tonnes > 0),
    task text,
    state text NOT NULL CONSTRAINT carry_over_application_state_known CHECK (state IN ('PENDING', 'DONE', 'RELEASED')),
    net_sold bigint NOT NULL,
    limit_t bigint NOT NULL,
    cancelled jsonb,
    issued jsonb,
    applied_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT carry_over_application_of_rule
        FOREIGN KEY (rule, rule_version) REFERENCES carry_over_rule (name, version)
);
CREATE INDEX carry_over_application_by_account ON carry_over_application (account, rule);
COMMENT ON TABLE carry_over_application IS 'Units cancelled in one vintage and issued anew in a later one.';
"""


def upgrade() -> None:
    for statements in (RULES, OBLIGATIONS, SURRENDER, OFFSET, CARRY_OVER):
        run(statements)
    append_only("compliance_year", "compliance_deadline", "carry_over_rule", "emission_record", "compliance_event",
                "ccer_project", "ccer_lot_event")  # fmt: skip
    mutable("compliance_obligation", "surrender_application", "ccer_lot", "offset_application",
            "carry_over_application")  # fmt: skip
