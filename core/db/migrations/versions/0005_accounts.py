"""Why: subjects, operators with rights, account states with reason and person, documents, search.

Old code goes on as it is: it knows state OPEN, and what it does not know has a default that means as before.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import append_only, mutable, run

revision = "0005"
down_revision = "0004"

SUBJECTS = """
ALTER TABLE account
    ADD COLUMN sector text CONSTRAINT account_sector_form CHECK (sector ~ '^[a-z][a-z0-9_]{0,31}$'),
    ADD COLUMN contact jsonb,
    ADD COLUMN batch uuid,
    ADD COLUMN restriction text CONSTRAINT account_restriction_known CHECK (restriction IN ('in', 'out', 'all')),
    ADD COLUMN blocked text CONSTRAINT account_blocked_says_why CHECK (blocked <> ''),
    ADD COLUMN pending_state text CONSTRAINT account_pending_known
        CHECK (pending_state IN ('RESTRICTED', 'SUSPENDED', 'CLOSED')),
    ADD COLUMN pending_restriction text
        CONSTRAINT account_pending_restriction_known CHECK (pending_restriction IN ('in', 'out', 'all')),
    ADD COLUMN pending_task uuid,
    ADD COLUMN exchange_notified_at timestamptz,
    ADD COLUMN traded_until_day date,
    ADD COLUMN traded_until_seq bigint,
    ADD CONSTRAINT account_restriction_is_of_restricted
        CHECK (restriction IS NULL OR state IN ('RESTRICTED', 'SUSPENDED', 'CLOSURE_PENDING'));
ALTER TABLE account SET (fillfactor = 50);
COMMENT ON TABLE account IS 'A subject and its one account. Pages keep room: a change of state writes no index.';
COMMENT ON COLUMN account.batch IS 'The file it was applied for with, when that was one.';
COMMENT ON COLUMN account.restriction IS 'What may not move while RESTRICTED; NULL there means all.';
COMMENT ON COLUMN account.blocked IS 'Why reconciliation stopped it: nothing moves until two people clear it.';
COMMENT ON COLUMN account.pending_state IS 'Decided, and not in force before the exchange knows.';
COMMENT ON COLUMN account.traded_until_seq IS 'Trades of that day up to this one came before the exchange knew.';
CREATE INDEX account_by_batch ON account (batch) WHERE batch IS NOT NULL;
CREATE VIEW account_trading AS
SELECT number, traded_until_day, traded_until_seq,
       blocked IS NULL AND (state = 'OPEN' OR state = 'RESTRICTED' AND restriction IS NOT DISTINCT FROM 'out') AS buys,
       blocked IS NULL AND (state = 'OPEN' OR state = 'RESTRICTED' AND restriction IS NOT DISTINCT FROM 'in') AS sells
FROM account WHERE number !~ '^S';
COMMENT ON VIEW account_trading IS 'Which side of a trade each account may take now.';
"""

OPERATORS = """
CREATE TABLE account_operator (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL REFERENCES account,
    login text NOT NULL CONSTRAINT account_operator_login_form CHECK (login <> '' AND length(login) <= 100),
    "right" text NOT NULL CONSTRAINT account_operator_right_known CHECK ("right" IN ('view', 'maker', 'checker')),
    granted_at timestamptz NOT NULL,
    granted_by text NOT NULL,
    revoked_at timestamptz,
    revoked_by text,
    CONSTRAINT account_operator_revoked_by_somebody CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
COMMENT ON TABLE account_operator IS 'Who of a subject may view, propose or decide for an account, and since when.';
CREATE UNIQUE INDEX account_operator_once ON account_operator (account, login, "right") WHERE revoked_at IS NULL;
CREATE INDEX account_operator_by_login ON account_operator (login) WHERE revoked_at IS NULL;
"""

STATES = """
CREATE TABLE account_state_change (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL REFERENCES account,
    state_before text NOT NULL,
    state text NOT NULL,
    restriction text,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    decided_by text NOT NULL,
    task uuid,
    at timestamptz NOT NULL
);
COMMENT ON TABLE account_state_change IS 'Every change of an account''s state: from what to what, why, by whom.';
CREATE INDEX account_state_change_by_account ON account_state_change (account, id);
"""

DOCUMENTS = """
CREATE TABLE account_document (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL REFERENCES account,
    kind text NOT NULL,
    reference text NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT account_document_hash_length CHECK (length(sha256) = 32),
    received_on date NOT NULL,
    CONSTRAINT account_document_once UNIQUE (account, sha256)
);
COMMENT ON TABLE account_document IS 'What was handed in with an application: named and hashed here, kept elsewhere.';
CREATE TABLE account_review (
    account text PRIMARY KEY REFERENCES account,
    reviewer text NOT NULL,
    documents integer NOT NULL,
    remarks text NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE account_review IS 'Who held an application''s documents against its list, once.';
"""

# Two characters at a time find parts of names in any script, without an extension; LIKE tells the rest.
SEARCH = """
ALTER TABLE account ADD COLUMN search_text text
    GENERATED ALWAYS AS (lower(name || E'\\n' || coalesce(credit_code, '') || E'\\n' || number)) STORED;
COMMENT ON COLUMN account.search_text IS 'What a part is looked for in; a line break keeps the three apart.';
CREATE FUNCTION account_grams(said text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 500
RETURN ARRAY(SELECT substr(said, n, 2) FROM generate_series(1, length(said) - 1) AS n);
COMMENT ON FUNCTION account_grams IS 'All pairs of neighbouring characters; an index keeps each once.';
CREATE INDEX account_by_grams ON account USING gin (account_grams(search_text));
"""


def upgrade() -> None:
    for statements in (SUBJECTS, OPERATORS, STATES, DOCUMENTS, SEARCH):
        run(statements)
    mutable("account_operator")
    append_only("account_state_change", "account_document", "account_review")
    op.execute("GRANT SELECT ON account_trading TO registry_app")
