"""Why: a transfer that commits by itself must not wait for the commit of the one before.

The chain's counter is held until its writer has committed, with both sites: one after the other. So a transfer by
itself books its batch, says so in ledger_loose, and is linked to the chain a moment later, together with its
neighbours. What is loose is named, so that nothing can hide there.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import run

revision = "0012"
down_revision = "0011"

LOOSE = """
CREATE TABLE ledger_loose (
    batch bigint PRIMARY KEY,
    market_day date NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger_loose IS 'Batches that are booked and not in the chain yet; emptied within seconds.';
GRANT SELECT, INSERT, DELETE ON ledger_loose TO registry_app;
"""

UNITS = """
CREATE FUNCTION move_units_plainly(the_giver text, the_taker text, the_vintage smallint, the_tonnes bigint,
                                   the_type text, the_reference text, the_day date)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own bigint[];
    reached bigint;
    taken int8multirange;
    near bigint[];
    joined int8multirange;
BEGIN
    -- Shared: whoever moves units of many holders waits for all of us. Giver and taker are ours by their balances.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('units', 0));
    SELECT array_agg(id), range_agg(serials), max(b.reached) INTO own, taken, reached
    FROM (SELECT id, serials, tonnes, sum(tonnes) OVER (ORDER BY lower(serials)) AS reached
          FROM (SELECT * FROM unit_block WHERE holder = the_giver AND vintage = the_vintage
                ORDER BY lower(serials) LIMIT the_tonnes) AS lowest) AS b
    WHERE b.reached - b.tonnes < the_tonnes;
    IF reached IS NULL OR reached < the_tonnes THEN
        RAISE EXCEPTION '% has fewer serials than it must give', the_giver USING ERRCODE = 'data_corrupted';
    END IF;
    DELETE FROM unit_block WHERE id = ANY (own);
    IF reached > the_tonnes THEN
        INSERT INTO unit_block (serials, holder)
        VALUES (int8range(upper(taken) - (reached - the_tonnes), upper(taken)), the_giver);
        taken := taken - int8multirange(int8range(upper(taken) - (reached - the_tonnes), upper(taken)));
    END IF;
    INSERT INTO unit_move (serials, giver, taker, type, reference, market_day)
    SELECT piece, the_giver, the_taker, the_type, the_reference, the_day FROM unnest(taken) AS piece;
    SELECT array_agg(b.id), range_agg(b.serials) INTO near, joined
    FROM unnest(taken) AS piece, unnest(ARRAY[lower(piece) - 1, upper(piece)]) AS edge
    JOIN unit_block b ON b.serials @> edge AND b.holder = the_taker;
    DELETE FROM unit_block WHERE id = ANY (near);
    INSERT INTO unit_block (serials, holder)
    SELECT block, the_taker FROM unnest(taken + coalesce(joined, '{}')) AS block;
END $$;
COMMENT ON FUNCTION move_units_plainly IS 'As core/units moves: lowest serials first, blocks that touch are joined.';
"""

TRANSFER = """
CREATE FUNCTION transfer_plainly(the_caller text, the_key text, the_fingerprint bytea, the_id text, the_giver text,
                                 the_taker text, the_asset text, the_amount bigint)
RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    today date := (SELECT (now AT TIME ZONE 'Asia/Shanghai')::date FROM business_clock);
    gives bigint;
    takes bigint;
    the_batch bigint;
    done json;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4202107160931);  -- nobody declares keys not done meanwhile
    IF the_giver = the_taker OR the_amount <= 0
        OR EXISTS (SELECT FROM request WHERE caller = the_caller AND key = the_key)
        OR 2 <> (SELECT count(*) FROM account WHERE number IN (the_giver, the_taker) AND number !~ '^S'
                 AND state = 'OPEN' AND blocked IS NULL)
        OR EXISTS (SELECT FROM market_day d JOIN opening_position p ON p.day = d.day AND p.account = the_giver
                   WHERE d.state NOT IN ('DELIVERED', 'OPENING_BUILT', 'REPORTED'))
        OR EXISTS (SELECT FROM encumbrance WHERE account = the_giver AND (asset = the_asset OR asset IS NULL)
                   AND kind = 'FREEZE' AND state IN ('PROPOSED', 'WAITING', 'ACTIVE', 'PART')
                   AND (everything IS NOT NULL OR held + released + taken < amount)) THEN
        RETURN NULL;
    END IF;
    SELECT max(id) FILTER (WHERE owner = the_giver), max(id) FILTER (WHERE owner = the_taker) INTO gives, takes
    FROM ledger_account WHERE owner IN (the_giver, the_taker) AND asset = the_asset AND bucket = 'available';
    IF gives IS NULL OR takes IS NULL THEN
        RETURN NULL;
    END IF;
    done := json_build_object('id', the_id, 'from_account', the_giver, 'to_account', the_taker, 'asset', the_asset,
                              'amount', the_amount, 'market_day', today);
    INSERT INTO request (caller, route, key, fingerprint, status, body)
    VALUES (the_caller, 'POST /v1/transfers', the_key, the_fingerprint, 201, done);
    INSERT INTO audit_event (caller, action, subject, detail) VALUES (the_caller, 'transfer', the_giver, done);
    -- Late, and in the order of ids: others wait for a balance from here to the commit. The CHECK judges the amount.
    -- Not later than the transfer: its foreign keys would share the rows, which many would then hold at once.
    UPDATE ledger_account SET balance = balance + CASE id WHEN gives THEN -the_amount ELSE the_amount END
    WHERE id = least(gives, takes);
    UPDATE ledger_account SET balance = balance + CASE id WHEN gives THEN -the_amount ELSE the_amount END
    WHERE id = greatest(gives, takes);
    the_batch := nextval('batch_number');
    INSERT INTO transfer (id, batch, position, debit, credit, asset, amount, type, reference, market_day)
    VALUES (the_id, the_batch, 1, gives, takes, the_asset, the_amount, 'TRANSFER', the_id, today);
    INSERT INTO ledger_loose (batch, market_day) VALUES (the_batch, today);
    IF the_asset <> 'CNY' THEN
        PERFORM move_units_plainly(the_giver, the_taker, right(the_asset, 4)::smallint, the_amount, 'TRANSFER', the_id,
                                   today);
    END IF;
    RETURN done;
END $$;
COMMENT ON FUNCTION transfer_plainly IS
    'Carries out a transfer of which nothing is unusual; null: it did nothing, and the service must decide.';
"""


ROOM = """
ALTER TABLE ledger_account SET (fillfactor = 50);
COMMENT ON TABLE ledger_account IS 'What an owner holds of an asset in one bucket. Pages keep room: a new balance '
    'stays on its page and writes no index.';
"""


def upgrade() -> None:
    for statements in (LOOSE, UNITS, TRANSFER, ROOM):
        run(statements)
    for name in ("move_units_plainly", "transfer_plainly"):
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO registry_app")
