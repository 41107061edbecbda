"""Why: ledger and units are compared at every seal; a mismatch blocks the accounts concerned."""

from __future__ import annotations

from core.db.migrations.tables import append_only, mutable, run

revision = "0004"
down_revision = "0003"

RUNS = """
INSERT INTO counter VALUES ('reconciliation_run', 1), ('reconciliation_break', 1);

CREATE TABLE reconciliation_run (
    number bigint PRIMARY KEY,
    market_day date NOT NULL,
    cause text NOT NULL
        CONSTRAINT reconciliation_run_cause_known CHECK (cause IN ('seal', 'report', 'demand', 'close')),
    asked_by text NOT NULL,
    histories boolean NOT NULL,
    holdings bigint NOT NULL CONSTRAINT reconciliation_run_holdings_not_negative CHECK (holdings >= 0),
    totals jsonb NOT NULL,
    breaks integer NOT NULL CONSTRAINT reconciliation_run_breaks_not_negative CHECK (breaks >= 0),
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reconciliation_run IS 'Every comparison of ledger and units, and how many differences it found.';
COMMENT ON COLUMN reconciliation_run.histories IS 'Balances were held against all transfers too, blocks against moves.';
COMMENT ON COLUMN reconciliation_run.totals IS 'By asset what either accounting has outside issuance, and was issued.';

CREATE TABLE reconciliation_break (
    number bigint PRIMARY KEY,
    run bigint NOT NULL REFERENCES reconciliation_run,
    level text NOT NULL CONSTRAINT reconciliation_break_level_known CHECK (level IN ('total', 'account')),
    account text NOT NULL,
    asset text NOT NULL,
    expected bigint NOT NULL,
    actual bigint NOT NULL,
    located jsonb NOT NULL,
    owner text NOT NULL,
    state text NOT NULL DEFAULT 'OPEN'
        CONSTRAINT reconciliation_break_state_known CHECK (state IN ('OPEN', 'EXPLAINED', 'CLOSED')),
    opened_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reconciliation_break IS 'A holding on which ledger and units disagree, until two people close it.';
COMMENT ON COLUMN reconciliation_break.account IS 'Empty where a total of all accounts differs.';
COMMENT ON COLUMN reconciliation_break.expected IS 'The figure of the ledger.';
COMMENT ON COLUMN reconciliation_break.actual IS 'The figure of the units.';
COMMENT ON COLUMN reconciliation_break.located IS 'Where the two part: the first reference, a balance, a block.';
COMMENT ON COLUMN reconciliation_break.owner IS 'Who looks after it: the operators, then whoever explained it.';
CREATE UNIQUE INDEX reconciliation_break_open_once ON reconciliation_break (level, account, asset)
    WHERE state <> 'CLOSED';
CREATE INDEX reconciliation_break_by_account ON reconciliation_break (account);

CREATE TABLE reconciliation_break_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    number bigint NOT NULL REFERENCES reconciliation_break,
    run bigint REFERENCES reconciliation_run,
    state text NOT NULL,
    who text NOT NULL,
    said text NOT NULL,
    expected bigint NOT NULL,
    actual bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reconciliation_break_event IS 'What became of a break, step by step, by whom.';
CREATE INDEX reconciliation_break_event_by_break ON reconciliation_break_event (number, id);
"""

HISTORY_OF_UNITS = """
CREATE INDEX unit_move_by_holder ON unit_move USING gin ((ARRAY[giver, taker]));
COMMENT ON INDEX unit_move_by_holder IS 'What went through an account, for its statement; as transfer_by_account.';
CREATE INDEX unit_move_by_serials ON unit_move USING spgist (serials);
COMMENT ON INDEX unit_move_by_serials IS 'The life of one serial number; built several times as fast as a GiST index.';
"""


def upgrade() -> None:
    run(RUNS)
    run(HISTORY_OF_UNITS)
    append_only("reconciliation_run", "reconciliation_break_event")
    mutable("reconciliation_break")
