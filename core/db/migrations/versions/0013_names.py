"""Why: a constraint is told by its name and a table by its comment, so the first ones get what all later ones have.

Processes of the version before read none of these names.
"""

from __future__ import annotations

from alembic import op

from core.db.migrations.tables import run

revision = "0013"
down_revision = "0012"

NAMES = {
    "account": {"account_name_check": "account_name_not_empty", "account_state_check": "account_state_known"},
    "business_clock": {"business_clock_singleton_check": "business_clock_single"},
    "intake": {"intake_hash_check": "intake_hash_length"},
    "ledger_account": {
        "ledger_account_asset_check": "ledger_account_asset_form",
        "ledger_account_bucket_check": "ledger_account_bucket_known",
    },
    "ledger_batch": {"ledger_batch_hash_check": "ledger_batch_hash_length"},
    "market_day": {"market_day_state_check": "market_day_state_known"},
    "market_day_product": {"market_day_product_previous_close_fen_check": "market_day_product_close_positive"},
    "obligation": {
        "obligation_delivers_check": "obligation_delivers_not_negative",
        "obligation_receives_check": "obligation_receives_not_negative",
    },
    "opening": {"opening_hash_check": "opening_hash_length"},
    "opening_position": {"opening_position_amount_check": "opening_position_not_negative"},
    "unit_block": {"unit_block_serials_check": "unit_block_not_empty"},
}

COMMENTS = """
COMMENT ON TABLE alembic_version IS 'The last migration that this database has seen.';
COMMENT ON TABLE confirmation IS 'What exchange and banks answered to a day''s results, once for each step.';
COMMENT ON TABLE daily_report IS 'What was published of a day: the text and the figures in it.';
COMMENT ON TABLE link_event IS 'Sessions with the exchange that began, ended or failed, by line.';
COMMENT ON TABLE market_day IS 'One day of the market and how far it has come.';
COMMENT ON TABLE market_day_event IS 'Every change of a market day''s state, by which worker.';
COMMENT ON TABLE market_day_product IS 'What may be traded on a day, and the closing prices before and after it.';
COMMENT ON TABLE opening IS 'The holdings told to the exchange before a day, by version, and when it took them.';
COMMENT ON TABLE opening_position IS 'One holding of a version of the opening data.';
COMMENT ON TABLE outbox IS 'What another part of the registry, or somebody outside, must still be told.';
COMMENT ON TABLE trade IS 'Every message of the exchange by its number, accepted or refused, as it was received.';
COMMENT ON TABLE trade_quarantine IS 'Messages that say something else than the one known under their number.';
COMMENT ON TABLE unit_block IS 'Which serial numbers each account holds now; blocks never overlap.';
COMMENT ON TABLE unit_issue IS 'Serial numbers that were issued; none is issued twice.';
COMMENT ON TABLE unit_move IS 'Every change of hands of serial numbers; the giver is null where they were issued.';
"""


def upgrade() -> None:
    for table, names in NAMES.items():
        for before, name in names.items():
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {before} TO {name}")
    run(COMMENTS)
