"""Why: proposals expire, wait, need more than one reviewer; the audit trail becomes a chain.

New columns have defaults, so that processes of the version before go on working while they are replaced.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import append_only, mutable, run

revision = "0002"
down_revision = "0001"

TASKS = """
ALTER TABLE task
    ADD COLUMN ordinal bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN accounts text[] NOT NULL DEFAULT '{}',
    ADD COLUMN acted_for text,
    ADD COLUMN decides text NOT NULL DEFAULT 'checker',
    ADD COLUMN reviews smallint NOT NULL DEFAULT 1 CONSTRAINT task_reviews CHECK (reviews BETWEEN 1 AND 5),
    ADD COLUMN not_before timestamptz,
    ADD COLUMN expires_at timestamptz,
    DROP CONSTRAINT task_state_check,
    ADD CONSTRAINT task_state CHECK (state IN ('AWAITING_APPROVAL', 'DELAYED', 'APPROVED', 'REJECTED', 'EXPIRED',
                                               'WITHDRAWN', 'CANCELLED', 'TERMINATED')),
    ADD CONSTRAINT task_decided_by_somebody CHECK (state NOT IN ('DELAYED', 'APPROVED', 'REJECTED')
                                                   OR decided_by IS NOT NULL),
    ADD CONSTRAINT task_of_proposer UNIQUE (id, proposed_by),
    ADD CONSTRAINT task_in_order UNIQUE (ordinal);
COMMENT ON TABLE task IS 'A proposal and what became of it.';
COMMENT ON COLUMN task.ordinal IS 'The place in lists; no number that people see.';
COMMENT ON COLUMN task.accounts IS 'Account numbers concerned.';
COMMENT ON COLUMN task.acted_for IS 'The one whose people may look at the task; of a plan for many, nobody''s.';
COMMENT ON COLUMN task.decides IS 'The role whose people decide.';
COMMENT ON COLUMN task.reviews IS 'How many people besides the proposer must approve.';
COMMENT ON COLUMN task.not_before IS 'Business time; approved earlier, the task waits as DELAYED.';
COMMENT ON COLUMN task.expires_at IS 'Business time; from then on nobody may approve.';
CREATE INDEX task_due ON task (coalesce(CASE state WHEN 'DELAYED' THEN not_before ELSE expires_at END, 'infinity'))
    WHERE state IN ('AWAITING_APPROVAL', 'DELAYED');
CREATE INDEX task_by_account ON task USING gin (accounts);

CREATE TABLE task_decision (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    task uuid NOT NULL,
    proposed_by text NOT NULL,
    person text NOT NULL,
    verdict text NOT NULL
        CONSTRAINT task_decision_verdict CHECK (verdict IN ('approve', 'reject', 'cancel', 'withdraw')),
    decided_at timestamptz NOT NULL,
    CONSTRAINT task_decision_of_task FOREIGN KEY (task, proposed_by) REFERENCES task (id, proposed_by),
    CONSTRAINT task_decision_four_eyes CHECK ((verdict = 'withdraw') = (person = proposed_by))
);
COMMENT ON TABLE task_decision IS 'Who said what to a proposal: the proposer only that it is withdrawn.';
CREATE UNIQUE INDEX task_decision_once ON task_decision (task, person) WHERE verdict = 'approve';
COMMENT ON INDEX task_decision_once IS 'The second reviewer is another person than the first.';
CREATE INDEX task_decision_by_task ON task_decision (task);

CREATE FUNCTION task_is_reviewed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM task_decision WHERE task = NEW.id AND verdict = 'approve') < NEW.reviews THEN
        RAISE EXCEPTION 'task % needs % reviewers', NEW.id, NEW.reviews
            USING ERRCODE = 'check_violation', CONSTRAINT = 'task_reviewed';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER task_reviewed AFTER INSERT OR UPDATE ON task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state IN ('DELAYED', 'APPROVED') AND (NEW.reviews > 1 OR NEW.not_before IS NOT NULL))
    EXECUTE FUNCTION task_is_reviewed();
COMMENT ON TRIGGER task_reviewed ON task IS 'Tasks of one reviewer are covered by their columns, as before.';
"""

AUDIT = """
ALTER TABLE audit_event ADD COLUMN xact xid8 NOT NULL DEFAULT '0';
ALTER TABLE audit_event ALTER COLUMN xact SET DEFAULT pg_current_xact_id();
COMMENT ON TABLE audit_event IS 'Who did what: one row for every change, written in the transaction of the change.';
COMMENT ON COLUMN audit_event.xact IS 'The transaction that wrote the row; 0 for rows older than the chain.';
CREATE INDEX audit_event_in_order ON audit_event (xact, id);
CREATE INDEX audit_event_by_subject ON audit_event (subject, xact, id);

CREATE TABLE audit_link (
    seq bigint PRIMARY KEY,
    upto xid8 NOT NULL CONSTRAINT audit_link_forward UNIQUE,
    events bigint NOT NULL CONSTRAINT audit_link_has_events CHECK (events > 0),
    hash bytea NOT NULL CONSTRAINT audit_link_hash_length CHECK (length(hash) = 32),
    sealed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE audit_link IS
    'hash(n) = SHA-256(hash(n-1) + SHA-256(SHA-256 of each row of n)); hash(0) is 32 zero bytes.';
COMMENT ON COLUMN audit_link.upto IS 'Link n covers the rows whose xact is at or above upto(n-1) and below upto(n). No '
    'transaction below it was running when the link was made, so none can add a row to it later.';
INSERT INTO counter VALUES ('audit', 1);

CREATE VIEW audit_line AS
SELECT id, xact, sha256(convert_to(jsonb_build_array(id, caller, action, subject, detail,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text, 'UTF8')) AS line
FROM audit_event;
COMMENT ON VIEW audit_line IS 'The rows that the audit chain is made of; a change of this form breaks every chain.';
"""

TRUST = """
CREATE TABLE trusted_account (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL REFERENCES account,
    trusted text NOT NULL REFERENCES account,
    effective_at timestamptz NOT NULL,
    removed_at timestamptz,
    CONSTRAINT trusted_account_other CHECK (trusted <> account)
);
COMMENT ON TABLE trusted_account IS 'Accounts that an account trusts: moves to them are not delayed.';
COMMENT ON COLUMN trusted_account.effective_at IS 'Business time from which the entry counts.';
CREATE UNIQUE INDEX trusted_account_once ON trusted_account (account, trusted) WHERE removed_at IS NULL;

CREATE TABLE account_control (
    account text PRIMARY KEY REFERENCES account,
    tonnes_max bigint CONSTRAINT account_control_tonnes CHECK (tonnes_max > 0),
    fen_max bigint CONSTRAINT account_control_fen CHECK (fen_max > 0),
    trusted_only boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL
);
COMMENT ON TABLE account_control IS 'What an account has limited itself to in a single move; null is no limit.';
COMMENT ON COLUMN account_control.trusted_only IS 'Targets outside the list are refused.';
"""


def upgrade() -> None:
    run(TASKS)
    run(AUDIT)
    run(TRUST)
    append_only("task_decision", "audit_link")
    mutable("trusted_account", "account_control")
    op.execute("GRANT SELECT ON audit_line TO registry_app")
