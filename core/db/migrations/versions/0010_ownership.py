"""Why: changes of ownership outside the market: voluntary cancellation, inheritance, merger, split."""

from __future__ import annotations

from core.db.migrations.tables import append_only, run

revision = "0010"
down_revision = "0009"

TABLES = """
INSERT INTO counter VALUES ('certificate', 1), ('succession', 1);

CREATE TABLE certificate (
    number bigint PRIMARY KEY,
    task uuid NOT NULL CONSTRAINT certificate_once UNIQUE REFERENCES task,
    account text NOT NULL REFERENCES account,
    product text NOT NULL,
    tonnes bigint NOT NULL CONSTRAINT certificate_tonnes_positive CHECK (tonnes > 0),
    document text NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT certificate_hash_of_document CHECK (sha256 = sha256(convert_to(document, 'UTF8'))),
    market_day date NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE certificate IS 'Voluntary cancellations that were carried out; anybody may read and check one.';
COMMENT ON COLUMN certificate.document IS 'Canonical JSON, exactly the bytes that sha256 is of.';
CREATE INDEX certificate_by_account ON certificate (account, number);

CREATE TABLE succession (
    number bigint PRIMARY KEY,
    task uuid NOT NULL CONSTRAINT succession_once UNIQUE REFERENCES task,
    kind text NOT NULL CONSTRAINT succession_kind CHECK (kind IN ('inheritance', 'merger', 'split')),
    giver text NOT NULL REFERENCES account,
    document text NOT NULL,
    movements jsonb NOT NULL,
    encumbrances jsonb NOT NULL,
    closed boolean NOT NULL,
    market_day date NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE succession IS 'Who came after whom: the movements of both accountings that one document caused.';
COMMENT ON COLUMN succession.movements IS 'Lists of taker, asset, bucket, amount and serials.';
CREATE INDEX succession_by_giver ON succession (giver, number);
"""


def upgrade() -> None:
    run(TABLES)
    append_only("certificate", "succession")
