"""Why: pledge and judicial freeze, with documents and public notice.

An encumbrance is a quantity: units of one vintage are alike in law, so serial numbers are named when units change
hands, not before. What it holds is in a bucket of the ledger; ``held`` here must equal that bucket, account by asset.
"""

from __future__ import annotations

from core.db.migrations.tables import append_only, mutable, run

revision = "0009"
down_revision = "0008"

TABLES = """
INSERT INTO counter VALUES ('encumbrance', 1), ('notice', 1);

CREATE TABLE encumbrance (
    number bigint PRIMARY KEY,
    kind text NOT NULL CONSTRAINT encumbrance_kind CHECK (kind IN ('PLEDGE', 'FREEZE')),
    account text NOT NULL REFERENCES account,
    origin text NOT NULL REFERENCES account,
    asset text CONSTRAINT encumbrance_asset_form CHECK (asset ~ '^(CNY|CEA-[0-9]{4})$'),
    amount bigint CONSTRAINT encumbrance_amount_positive CHECK (amount > 0),
    everything text CONSTRAINT encumbrance_everything CHECK (everything IN ('in', 'out', 'all')),
    creditor text NOT NULL,
    creditor_account text REFERENCES account,
    document text NOT NULL,
    reference text,
    begins date NOT NULL,
    ends date,
    state text NOT NULL CONSTRAINT encumbrance_state
        CHECK (state IN ('PROPOSED', 'REJECTED', 'WAITING', 'ACTIVE', 'PART', 'RELEASED', 'REALISED')),
    held bigint NOT NULL DEFAULT 0 CONSTRAINT encumbrance_held_not_negative CHECK (held >= 0),
    released bigint NOT NULL DEFAULT 0 CONSTRAINT encumbrance_released_not_negative CHECK (released >= 0),
    taken bigint NOT NULL DEFAULT 0 CONSTRAINT encumbrance_taken_not_negative CHECK (taken >= 0),
    proposed_at timestamptz NOT NULL,
    CONSTRAINT encumbrance_of_an_amount_or_everything CHECK (
        CASE WHEN everything IS NULL THEN asset IS NOT NULL AND amount IS NOT NULL
             ELSE kind = 'FREEZE' AND asset IS NULL AND amount IS NULL AND held = 0 END),
    CONSTRAINT encumbrance_not_beyond_amount CHECK (
        everything IS NOT NULL OR held::numeric + released + taken <= amount),
    CONSTRAINT encumbrance_holds_nothing_once_over CHECK (
        held = 0 OR state NOT IN ('REJECTED', 'RELEASED', 'REALISED')),
    CONSTRAINT encumbrance_period CHECK (ends >= begins)
);
COMMENT ON TABLE encumbrance IS 'Pledges and judicial freezes; their order of rank is the order of their numbers.';
COMMENT ON COLUMN encumbrance.origin IS 'The account that it was registered on; a merger or split moves it to another.';
COMMENT ON COLUMN encumbrance.everything IS 'A freeze of all that is and comes: how the account is restricted.';
COMMENT ON COLUMN encumbrance.creditor IS 'Who is secured: the creditor of a pledge, the court of a freeze.';
COMMENT ON COLUMN encumbrance.document IS 'The contract registered, or the court order carried out.';
COMMENT ON COLUMN encumbrance.reference IS 'What the creditor or court calls it in its own files.';
COMMENT ON COLUMN encumbrance.held IS 'In the bucket locked while it is proposed, then in pledged or frozen.';
COMMENT ON COLUMN encumbrance.released IS 'Given free again by document or by the end of its term.';
COMMENT ON COLUMN encumbrance.taken IS 'Realised or deducted: changed hands. What is left waits for units that come.';
CREATE INDEX encumbrance_by_account ON encumbrance (account, number);
CREATE INDEX encumbrance_in_force ON encumbrance (account, asset) WHERE state IN ('WAITING', 'ACTIVE', 'PART');
CREATE INDEX encumbrance_claiming ON encumbrance (account, asset)
    WHERE kind = 'FREEZE' AND state IN ('PROPOSED', 'WAITING', 'ACTIVE', 'PART')
      AND (everything IS NOT NULL OR held + released + taken < amount);
COMMENT ON INDEX encumbrance_claiming IS 'Freezes that wait: what they claim is not free. Asked by every transfer.';
CREATE UNIQUE INDEX encumbrance_document_once ON encumbrance (origin, creditor, document, coalesce(asset, ''))
    WHERE state <> 'REJECTED';
COMMENT ON INDEX encumbrance_document_once IS 'One document encumbers an asset of an account once.';

CREATE TABLE encumbrance_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    encumbrance bigint NOT NULL REFERENCES encumbrance,
    action text NOT NULL CONSTRAINT encumbrance_event_action CHECK (action IN
        ('PROPOSED', 'REJECTED', 'REGISTERED', 'HELD', 'RELEASED', 'LAPSED', 'REALISED', 'DEDUCTED', 'MOVED')),
    asset text,
    amount bigint NOT NULL DEFAULT 0 CONSTRAINT encumbrance_event_amount CHECK (amount >= 0),
    document text,
    actor text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    market_day date NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE encumbrance_event IS 'All that ever happened to an encumbrance: by which document, by whom, how much.';
CREATE INDEX encumbrance_event_by_encumbrance ON encumbrance_event (encumbrance, id);

CREATE TABLE public_notice (
    number bigint PRIMARY KEY,
    market_day date NOT NULL,
    kind text NOT NULL,
    text text NOT NULL CONSTRAINT public_notice_says_something CHECK (text <> ''),
    facts jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public_notice IS 'What the registry must make known; anybody reads it, nobody changes it.';
"""


def upgrade() -> None:
    run(TABLES)
    append_only("encumbrance_event", "public_notice")
    mutable("encumbrance")
