"""Why: what was booked by mistake is reversed by a linked entry, holds end in time, each day's chain is sealed.

Batches of before keep the form of row under which they were hashed (form 1), and so do those of processes of the
version before while they are replaced. Form 2 covers reference and link too, names owners instead of numbers, and
cannot be read in two ways: free text stands behind its length.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import append_only, run

revision = "0003"
down_revision = "0002"

CHAIN = """
ALTER TABLE ledger_batch ADD COLUMN form smallint NOT NULL DEFAULT 1
    CONSTRAINT ledger_batch_form CHECK (form IN (1, 2));
COMMENT ON COLUMN ledger_batch.form IS 'How its rows are written and hashed: see chain_line and docs/ledger.md.';
COMMENT ON TABLE ledger_batch IS 'hash(n) = SHA-256(hash(n-1) + hash of its rows); hash(0) is 32 zero bytes.';

ALTER TABLE transfer ADD COLUMN reverses text;
COMMENT ON COLUMN transfer.reverses IS 'The transfer that this one takes back, whole.';
CREATE UNIQUE INDEX transfer_reversed_once ON transfer (reverses) WHERE reverses IS NOT NULL;

CREATE VIEW chain_line AS
SELECT t.batch, t.position, convert_to(CASE coalesce(b.form, 2)
    WHEN 1 THEN t.id || '|' || t.debit || '|' || t.credit || '|' || t.asset || '|' || t.amount || '|' || t.type || '|'
        || to_char(t.market_day, 'YYYY-MM-DD') || E'\\n'
    ELSE octet_length(t.id) || ':' || t.id || '|' || d.owner || '|' || d.bucket || '|' || c.owner || '|' || c.bucket
        || '|' || t.asset || '|' || t.amount || '|' || t.type || '|' || to_char(t.market_day, 'YYYY-MM-DD') || '|'
        || octet_length(t.reference) || ':' || t.reference || '|'
        || octet_length(coalesce(t.reverses, '')) || ':' || coalesce(t.reverses, '') || E'\\n'
    END, 'UTF8') AS line
FROM transfer t
JOIN ledger_account d ON d.id = t.debit
JOIN ledger_account c ON c.id = t.credit
LEFT JOIN ledger_batch b ON b.batch = t.batch;
COMMENT ON VIEW chain_line IS 'The rows that the hash chain is made of, each in the form of its batch.';
GRANT SELECT ON chain_line TO registry_app;
"""

REVERSAL = """
CREATE FUNCTION transfer_takes_back_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    original transfer;
BEGIN
    SELECT * INTO original FROM transfer WHERE id = NEW.reverses;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no transfer % to reverse', NEW.reverses
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_reverses_known';
    END IF;
    IF (original.debit, original.credit, original.asset, original.amount)
        IS DISTINCT FROM (NEW.credit, NEW.debit, NEW.asset, NEW.amount) THEN
        RAISE EXCEPTION 'transfer % is not the mirror of %', NEW.id, NEW.reverses
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_reverses_whole';
    END IF;
    IF original.reverses IS NOT NULL
        OR EXISTS (SELECT FROM ledger_hold WHERE NEW.reverses IN (booked, voided_by)) THEN
        RAISE EXCEPTION 'transfer % is a reversal or belongs to a hold', NEW.reverses
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_reverses_reversible';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_takes_back_whole AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.reverses IS NOT NULL) EXECUTE FUNCTION transfer_takes_back_whole();
"""

HOLDS = """
CREATE TABLE ledger_hold (
    id text PRIMARY KEY CONSTRAINT ledger_hold_id_not_empty CHECK (id <> ''),
    source bigint NOT NULL CONSTRAINT ledger_hold_source REFERENCES ledger_account,
    held bigint NOT NULL CONSTRAINT ledger_hold_held REFERENCES ledger_account,
    amount bigint NOT NULL CONSTRAINT ledger_hold_amount_positive CHECK (amount > 0),
    expires_at timestamptz,
    reference text NOT NULL,
    market_day date NOT NULL,
    kind text NOT NULL DEFAULT '',
    booked text NOT NULL CONSTRAINT ledger_hold_booked_once UNIQUE CONSTRAINT ledger_hold_booked REFERENCES transfer,
    state text NOT NULL DEFAULT 'PENDING'
        CONSTRAINT ledger_hold_state CHECK (state IN ('PENDING', 'POSTED', 'VOIDED', 'EXPIRED')),
    posted bigint NOT NULL DEFAULT 0 CONSTRAINT ledger_hold_posted_within CHECK (posted BETWEEN 0 AND amount),
    posted_by text CONSTRAINT ledger_hold_posted_by_once UNIQUE CONSTRAINT ledger_hold_posted_by REFERENCES transfer,
    voided_by text CONSTRAINT ledger_hold_voided_by_once UNIQUE CONSTRAINT ledger_hold_voided_by REFERENCES transfer,
    resolved_on date,
    CONSTRAINT ledger_hold_resolved_whole CHECK (CASE state
        WHEN 'PENDING' THEN posted = 0 AND resolved_on IS NULL AND posted_by IS NULL AND voided_by IS NULL
        ELSE resolved_on IS NOT NULL AND (state = 'POSTED') = (posted > 0)
            AND (posted_by IS NOT NULL) = (posted > 0) AND (voided_by IS NOT NULL) = (posted < amount) END)
);
COMMENT ON TABLE ledger_hold IS 'Amounts set aside until they are posted, voided or expire: each ends once.';
COMMENT ON COLUMN ledger_hold.source IS 'The ledger account that it came from and goes back to.';
COMMENT ON COLUMN ledger_hold.held IS 'The ledger account, of the same owner, in which it is set aside.';
COMMENT ON COLUMN ledger_hold.expires_at IS 'Business time from which it can no longer be posted; null: never.';
COMMENT ON COLUMN ledger_hold.kind IS 'What it is for: the types of its transfers begin with it; may be empty.';
COMMENT ON COLUMN ledger_hold.booked IS 'The transfer that set it aside.';
COMMENT ON COLUMN ledger_hold.posted IS 'How much went on to where it was meant for.';
COMMENT ON COLUMN ledger_hold.posted_by IS 'The transfer that took it on.';
COMMENT ON COLUMN ledger_hold.voided_by IS 'The transfer that took the rest back.';
CREATE INDEX ledger_hold_due ON ledger_hold (expires_at, id) WHERE state = 'PENDING' AND expires_at IS NOT NULL;
CREATE INDEX ledger_hold_pending ON ledger_hold (held) WHERE state = 'PENDING';

CREATE FUNCTION ledger_hold_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'PENDING' OR NOT EXISTS (
            SELECT FROM transfer WHERE id = NEW.booked AND debit = NEW.source AND credit = NEW.held
                AND amount = NEW.amount) THEN
            RAISE EXCEPTION 'hold % is not what its transfer set aside', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_hold_as_booked';
        END IF;
    ELSIF OLD.state <> 'PENDING' OR NEW.state = 'PENDING'
        OR (OLD.id, OLD.source, OLD.held, OLD.amount, OLD.expires_at, OLD.reference, OLD.market_day, OLD.kind,
            OLD.booked) IS DISTINCT FROM
           (NEW.id, NEW.source, NEW.held, NEW.amount, NEW.expires_at, NEW.reference, NEW.market_day, NEW.kind,
            NEW.booked) THEN
        RAISE EXCEPTION 'hold % ends once and is otherwise as it was made', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_hold_ends_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_hold_ends_once BEFORE INSERT OR UPDATE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_hold_ends_once();
CREATE TRIGGER ledger_hold_stays BEFORE DELETE OR TRUNCATE ON ledger_hold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT, UPDATE (state, posted, posted_by, voided_by, resolved_on) ON ledger_hold TO registry_app;
"""

SEALS = """
INSERT INTO counter VALUES ('seal', 1);

CREATE TABLE sealing_key (
    id text PRIMARY KEY,
    public_key bytea NOT NULL CONSTRAINT sealing_key_length CHECK (length(public_key) = 32),
    first_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sealing_key_named_by_itself CHECK (id = left(encode(sha256(public_key), 'hex'), 16))
);
COMMENT ON TABLE sealing_key IS 'Public halves (Ed25519) of the keys that seals were signed with.';

CREATE TABLE ledger_seal (
    day date PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT ledger_seal_number_once UNIQUE,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    chain_hash bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    key_id text CONSTRAINT ledger_seal_key REFERENCES sealing_key,
    signature bytea CONSTRAINT ledger_seal_signature_length CHECK (length(signature) = 64),
    CONSTRAINT ledger_seal_signed_with_a_key CHECK ((key_id IS NULL) = (signature IS NULL)),
    CONSTRAINT ledger_seal_span CHECK (first_seq BETWEEN 1 AND last_seq + 1)
);
COMMENT ON TABLE ledger_seal IS 'The chain at the end of a market day. Seals follow one another without gap.';
COMMENT ON COLUMN ledger_seal.number IS 'In the order of sealing, from 1; a halted day may be sealed late or never.';
COMMENT ON COLUMN ledger_seal.last_seq IS 'One less than first_seq where nothing was booked since the seal before.';
COMMENT ON COLUMN ledger_seal.chain_hash IS 'Hash of the batch last_seq; 32 zero bytes where there is none yet.';
COMMENT ON COLUMN ledger_seal.previous IS 'Hash of the seal before; 32 zero bytes for the first one.';
COMMENT ON COLUMN ledger_seal.hash IS 'SHA-256 of seal|day|last_seq|chain_hash|previous and a line feed.';
COMMENT ON COLUMN ledger_seal.signature IS 'Ed25519 over the 32 bytes of hash; null where no key was given.';

CREATE FUNCTION ledger_seal_continues() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    nothing bytea := decode(repeat('00', 32), 'hex');
    before ledger_seal;
BEGIN
    SELECT * INTO before FROM ledger_seal ORDER BY number DESC LIMIT 1;
    IF NEW.number <> coalesce(before.number, 0) + 1 OR NEW.first_seq <> coalesce(before.last_seq, 0) + 1
        OR NEW.previous <> coalesce(before.hash, nothing)
        OR NEW.chain_hash IS DISTINCT FROM (CASE NEW.last_seq WHEN 0 THEN nothing ELSE
            (SELECT hash FROM ledger_batch WHERE seq = NEW.last_seq) END)
        OR NEW.hash <> sha256(convert_to(concat_ws('|', 'seal', to_char(NEW.day, 'YYYY-MM-DD'), NEW.last_seq,
            encode(NEW.chain_hash, 'hex'), encode(NEW.previous, 'hex')) || E'\\n', 'UTF8')) THEN
        RAISE EXCEPTION 'the seal of % does not continue the one before', NEW.day
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_seal_continues';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_seal_continues BEFORE INSERT ON ledger_seal
    FOR EACH ROW EXECUTE FUNCTION ledger_seal_continues();
"""


def upgrade() -> None:
    for statements in (CHAIN, HOLDS, REVERSAL, SEALS):
        run(statements)
    append_only("sealing_key", "ledger_seal")
    op.execute("COMMENT ON VIEW transfer_line IS 'Rows of form 1, for processes of the version before.'")
