"""Why: the registry's first complete shape: accounts, two ledgers, intake, the market day and what it publishes.

Append-only tables are so twice: registry_app is granted no UPDATE or DELETE on them, and a trigger refuses both to
everybody. Names of constraints are read by core/db/errors.py, so they are part of the contract.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import append_only, mutable, run

revision = "0001"
down_revision = None

CLOCK_AND_REQUESTS = """
CREATE TABLE business_clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    now timestamptz NOT NULL,
    moved_by text NOT NULL
);
COMMENT ON TABLE business_clock IS 'The one clock that rules read; only operators move it.';
INSERT INTO business_clock (now, moved_by) VALUES ('2021-07-15 09:00:00+08', 'migration');

CREATE TABLE counter (name text PRIMARY KEY, next bigint NOT NULL);
COMMENT ON TABLE counter IS 'Numbers people see. A sequence would jump by up to 32 at every failover.';
INSERT INTO counter VALUES ('account', 1001), ('batch', 1);

CREATE TABLE request (
    caller text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    body json NOT NULL,
    headers json NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    repeats integer NOT NULL DEFAULT 0,
    CONSTRAINT request_once PRIMARY KEY (caller, route, key)
);
COMMENT ON TABLE request IS 'What became of every keyed request: written in the transaction of its effect.';
CREATE INDEX request_by_key ON request (caller, key);

CREATE TABLE beat (probe text PRIMARY KEY, n bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE beat IS 'The outside probe writes and reads here through the endpoint.';
"""

ACCOUNTS = """
CREATE TABLE account (
    number text PRIMARY KEY CONSTRAINT account_number_form CHECK (number ~ '^[EIPS][0-9]{2}-[0-9]{8}-[0-9]{2}$'),
    name text NOT NULL CHECK (name <> ''),
    credit_code text CONSTRAINT account_one_per_subject UNIQUE,
    state text NOT NULL CHECK (state IN ('APPLIED', 'OPEN', 'RESTRICTED', 'SUSPENDED', 'CLOSURE_PENDING', 'CLOSED',
                                         'REJECTED')),
    bank text NOT NULL DEFAULT 'B001',
    applied_at timestamptz NOT NULL DEFAULT now(),
    opened_at timestamptz
);
INSERT INTO account (number, name, state) VALUES
    ('S00-00000001-53', 'Issuance', 'OPEN'), ('S00-00000002-50', 'Clearing, in transit', 'OPEN'),
    ('S00-00000003-47', 'Surrendered', 'OPEN'), ('S00-00000004-44', 'Cancelled', 'OPEN'),
    ('S00-00000005-41', 'Settlement banks', 'OPEN'), ('S00-00000006-38', 'Risk reserve', 'OPEN');

CREATE TABLE task (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('AWAITING_APPROVAL', 'APPROVED', 'REJECTED', 'TERMINATED')),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    outcome jsonb,
    CONSTRAINT task_four_eyes CHECK (decided_by IS NULL OR decided_by <> proposed_by)
);
CREATE INDEX task_open ON task (proposed_at) WHERE state = 'AWAITING_APPROVAL';
"""

LEDGER = """
CREATE TABLE ledger_account (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner text NOT NULL REFERENCES account,
    asset text NOT NULL CHECK (asset ~ '^(CNY|CEA-[0-9]{4})$'),
    bucket text NOT NULL CHECK (bucket IN ('available', 'bought_today', 'locked', 'pledged', 'frozen',
                                           'pending_surrender', 'restricted', 'system')),
    overdraft boolean NOT NULL DEFAULT false,
    balance bigint NOT NULL DEFAULT 0,
    CONSTRAINT ledger_account_once UNIQUE (owner, asset, bucket),
    CONSTRAINT ledger_account_balance_not_negative CHECK (overdraft OR balance >= 0)
);
COMMENT ON COLUMN ledger_account.overdraft IS 'True only for counter-accounts of the outside world: issuance, banks.';

CREATE SEQUENCE batch_number;
CREATE TABLE ledger_batch (
    seq bigint PRIMARY KEY,
    batch bigint NOT NULL CONSTRAINT ledger_batch_once UNIQUE,
    market_day date NOT NULL,
    transfers bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    posted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger_batch IS 'hash(n) = SHA-256(hash(n-1) + SHA-256(rows of batch n)); hash(0) is 32 zero bytes.';
COMMENT ON COLUMN ledger_batch.seq IS 'Place in the chain, no holes; counted last, one writer after the other.';
COMMENT ON COLUMN ledger_batch.batch IS 'What its transfers carry; taken first, its order means nothing.';

CREATE TABLE transfer (
    id text PRIMARY KEY,
    batch bigint NOT NULL,
    position integer NOT NULL,
    debit bigint NOT NULL REFERENCES ledger_account,
    credit bigint NOT NULL REFERENCES ledger_account,
    asset text NOT NULL,
    amount bigint NOT NULL CONSTRAINT transfer_amount_positive CHECK (amount > 0),
    type text NOT NULL,
    reference text NOT NULL,
    market_day date NOT NULL,
    CONSTRAINT transfer_two_accounts CHECK (debit <> credit),
    CONSTRAINT transfer_place_in_batch UNIQUE (batch, position)
);
COMMENT ON TABLE transfer IS 'One row moves an amount of one asset from debit to credit: it balances by construction.';
CREATE INDEX transfer_by_account ON transfer USING gin ((ARRAY[debit, credit]));
COMMENT ON INDEX transfer_by_account IS 'For statements; two ordered ones would cost delivery three times as much.';
CREATE VIEW transfer_line AS
SELECT batch, position, convert_to(id || '|' || debit || '|' || credit || '|' || asset || '|' || amount || '|' || type
    || '|' || to_char(market_day, 'YYYY-MM-DD') || E'\\n', 'UTF8') AS line
FROM transfer;
COMMENT ON VIEW transfer_line IS 'The rows that the hash chain is made of; a change of this form breaks every chain.';
"""

UNITS = """
CREATE TABLE unit_issue (
    id text PRIMARY KEY,
    serials int8range NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT unit_issue_no_overlap EXCLUDE USING gist (serials WITH &&)
);
CREATE TABLE unit_block (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    serials int8range NOT NULL CHECK (NOT isempty(serials)),
    holder text NOT NULL REFERENCES account,
    tonnes bigint GENERATED ALWAYS AS (upper(serials) - lower(serials)) STORED,
    vintage smallint GENERATED ALWAYS AS ((lower(serials) / 1000000000000)::smallint) STORED,
    CONSTRAINT unit_block_no_overlap EXCLUDE USING gist (serials WITH &&) DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON COLUMN unit_block.serials IS 'vintage * 10^12 + number, half open.';
CREATE INDEX unit_block_by_holder ON unit_block (holder, vintage, lower(serials));
CREATE TABLE unit_move (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    serials int8range NOT NULL,
    giver text REFERENCES account,
    taker text NOT NULL REFERENCES account,
    type text NOT NULL,
    reference text NOT NULL,
    market_day date NOT NULL
);
CREATE INDEX unit_move_by_reference ON unit_move (reference);
"""

EXCHANGE = """
CREATE TABLE intake (
    market_day date NOT NULL,
    appl_id text NOT NULL,
    next_seq bigint NOT NULL DEFAULT 1,
    epoch bigint NOT NULL DEFAULT 0,
    new_count bigint NOT NULL DEFAULT 0,
    changed_count bigint NOT NULL DEFAULT 0,
    quantity jsonb NOT NULL DEFAULT '{}',
    turnover_fen numeric(30) NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(hash) = 32),
    marker jsonb,
    PRIMARY KEY (market_day, appl_id)
);
COMMENT ON TABLE intake IS 'The only durable state of the link: commits with the trades. epoch fences an old leader.';

CREATE TABLE trade (
    market_day date NOT NULL,
    appl_id text NOT NULL,
    appl_seq bigint NOT NULL,
    trade_id text,
    kind text,
    mode text,
    product text,
    buyer text,
    seller text,
    quantity bigint,
    price_fen bigint,
    amount_fen bigint,
    executed_at timestamptz,
    refers_to text,
    line text NOT NULL,
    received_row text,
    refusal text,
    PRIMARY KEY (market_day, appl_id, appl_seq),
    CONSTRAINT trade_accepted_is_whole CHECK (refusal IS NOT NULL OR (
        trade_id IS NOT NULL AND kind IN ('N', 'C', 'R') AND mode IN ('listed', 'block') AND product IS NOT NULL
        AND buyer IS NOT NULL AND seller IS NOT NULL AND buyer <> seller AND quantity > 0 AND price_fen > 0
        AND amount_fen = quantity * price_fen AND executed_at IS NOT NULL))
);
COMMENT ON COLUMN trade.received_row IS 'The canonical row as received, where columns cannot rebuild it (refused).';
CREATE UNIQUE INDEX trade_id_once ON trade (market_day, trade_id) WHERE refusal IS NULL;
CREATE INDEX trade_by_reference ON trade (market_day, refers_to) WHERE refers_to IS NOT NULL;
COMMENT ON INDEX trade_by_reference IS 'Few rows; makes "was it undone?" cheap even before statistics are there.';

CREATE VIEW effective_trade AS
SELECT market_day, appl_id, appl_seq, trade_id, mode, product, buyer, seller, quantity, price_fen, amount_fen,
       executed_at
FROM trade t
WHERE refusal IS NULL AND kind IN ('N', 'R')
  AND NOT EXISTS (SELECT FROM trade c WHERE c.market_day = t.market_day AND c.refusal IS NULL AND c.kind IN ('C', 'R')
                  AND c.refers_to = t.trade_id);
COMMENT ON VIEW effective_trade IS 'What is cleared: accepted trades that no later message cancelled or corrected.';

CREATE TABLE trade_quarantine (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    market_day date NOT NULL,
    appl_id text NOT NULL,
    appl_seq bigint NOT NULL,
    line text NOT NULL,
    row_known text NOT NULL,
    row_other text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT trade_quarantine_once UNIQUE (market_day, appl_id, appl_seq, row_other)
);

CREATE TABLE link_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    line text NOT NULL,
    event text NOT NULL,
    detail text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
"""

DAY = """
CREATE TABLE market_day (
    day date PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('OPENING_SENT', 'OPENING_ACKED', 'TRADING', 'CLOSED', 'SEALED', 'CLEARED',
        'EXCHANGE_CONFIRMED', 'BANK_CONFIRMED', 'DELIVERED', 'OPENING_BUILT', 'REPORTED', 'HALTED')),
    cumulative_t bigint NOT NULL,
    cumulative_fen numeric(30) NOT NULL,
    seal jsonb,
    breaks jsonb NOT NULL DEFAULT '[]',
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN market_day.cumulative_t IS 'Before this day, since the opening day of the market.';
CREATE TABLE market_day_product (
    day date NOT NULL REFERENCES market_day,
    product text NOT NULL,
    previous_close_fen bigint NOT NULL CHECK (previous_close_fen > 0),
    close_fen bigint,
    PRIMARY KEY (day, product)
);
CREATE TABLE market_day_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    day date NOT NULL,
    state_before text,
    state text NOT NULL,
    worker text NOT NULL,
    detail text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE opening (
    day date NOT NULL,
    version integer NOT NULL,
    positions bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    acknowledged_at timestamptz,
    PRIMARY KEY (day, version)
);
CREATE TABLE opening_position (
    day date NOT NULL,
    version integer NOT NULL,
    account text NOT NULL REFERENCES account,
    asset text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (day, version, account, asset)
);
CREATE TABLE obligation (
    day date NOT NULL REFERENCES market_day,
    account text NOT NULL REFERENCES account,
    asset text NOT NULL,
    receives bigint NOT NULL CHECK (receives >= 0),
    delivers bigint NOT NULL CHECK (delivers >= 0),
    PRIMARY KEY (day, account, asset)
);
COMMENT ON TABLE obligation IS 'Clearing, gross per account and asset: what the day owes and is owed.';
CREATE TABLE confirmation (
    day date NOT NULL REFERENCES market_day,
    party text NOT NULL,
    step text NOT NULL,
    agreed boolean NOT NULL,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, party, step)
);
CREATE TABLE daily_report (
    day date PRIMARY KEY REFERENCES market_day,
    text text NOT NULL,
    figures jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE bank_notice (
    bank text NOT NULL,
    message_id text NOT NULL,
    fingerprint bytea NOT NULL,
    answer jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT bank_notice_once PRIMARY KEY (bank, message_id)
);
COMMENT ON TABLE bank_notice IS 'Every notice of credit that was booked: the same message is booked once.';
CREATE TABLE outbox (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    reference text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    CONSTRAINT outbox_once UNIQUE (topic, reference)
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE delivered_at IS NULL;
CREATE TABLE audit_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    caller text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
"""

PROTECTION = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
"""

APPEND_ONLY = (
    "ledger_batch", "transfer", "unit_issue", "unit_move", "trade", "trade_quarantine", "link_event",
    "market_day_event", "opening_position", "obligation", "confirmation", "daily_report", "bank_notice", "audit_event",
)  # fmt: skip
MUTABLE = (
    "business_clock", "counter", "request", "beat", "account", "task", "ledger_account", "intake", "market_day",
    "market_day_product", "opening", "outbox",
)  # fmt: skip


def upgrade() -> None:
    for statements in (CLOCK_AND_REQUESTS, ACCOUNTS, LEDGER, UNITS, EXCHANGE, DAY, PROTECTION):
        run(statements)
    append_only(*APPEND_ONLY)
    mutable(*MUTABLE)
    op.execute("GRANT USAGE ON SEQUENCE batch_number TO registry_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON unit_block TO registry_app")  # blocks split and merge
    op.execute("GRANT SELECT ON alembic_version, transfer_line, effective_trade TO registry_app")
