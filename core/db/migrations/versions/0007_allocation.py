"""Why: plans with a first part and a later true-up, adjustments, withheld lines, and deductions from the next year.

Plans that earlier code carried out are taken over from their tasks, so that totals and true-ups know them.
"""

from __future__ import annotations

from core.db.migrations.tables import append_only, mutable, run

revision = "0007"
down_revision = "0006"

PLANS = """
INSERT INTO account (number, name, state) VALUES ('S00-00000007-35', 'Allocated, withheld', 'OPEN');

CREATE TABLE allocation_plan (
    number bigint PRIMARY KEY,
    product text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL
        CONSTRAINT allocation_plan_kind_known CHECK (kind IN ('full', 'pre', 'final', 'adjust', 'take_back')),
    share_percent smallint CONSTRAINT allocation_plan_share CHECK (share_percent BETWEEN 1 AND 100),
    follows bigint REFERENCES allocation_plan,
    province text CONSTRAINT allocation_plan_province_form CHECK (province ~ '^[0-9]{2}$'),
    lines integer NOT NULL CONSTRAINT allocation_plan_has_lines CHECK (lines > 0),
    tonnes bigint NOT NULL,
    state text NOT NULL
        CONSTRAINT allocation_plan_state_known CHECK (state IN ('PROPOSED', 'EXECUTED', 'TURNED_DOWN')),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    task uuid,
    executed_at timestamptz,
    market_day date,
    CONSTRAINT allocation_plan_share_of_first_part CHECK ((kind = 'pre') = (share_percent IS NOT NULL)),
    CONSTRAINT allocation_plan_final_follows CHECK (kind <> 'final' OR follows IS NOT NULL),
    CONSTRAINT allocation_plan_executed_on CHECK ((state = 'EXECUTED') = (executed_at IS NOT NULL))
);
COMMENT ON TABLE allocation_plan IS 'Who gets how much of one product: all at once, a first part, a true-up, a change.';
COMMENT ON COLUMN allocation_plan.follows IS 'The first plan of the chain that this one changes.';
COMMENT ON COLUMN allocation_plan.tonnes IS 'Sum of the lines as they are stated.';
CREATE UNIQUE INDEX allocation_plan_executed_once ON allocation_plan (product, name) WHERE state = 'EXECUTED';
CREATE INDEX allocation_plan_by_product ON allocation_plan (product) WHERE state = 'EXECUTED';
CREATE INDEX allocation_plan_by_chain ON allocation_plan (follows) WHERE follows IS NOT NULL;

CREATE TABLE allocation_line (
    plan bigint NOT NULL REFERENCES allocation_plan,
    line integer NOT NULL CONSTRAINT allocation_line_counts_from_one CHECK (line > 0),
    account text NOT NULL REFERENCES account,
    tonnes bigint NOT NULL,
    withheld text CONSTRAINT allocation_line_withheld_says_why CHECK (withheld <> ''),
    PRIMARY KEY (plan, line),
    CONSTRAINT allocation_line_once UNIQUE (plan, account)
);
COMMENT ON TABLE allocation_line IS 'A plan as it was uploaded and approved.';
COMMENT ON COLUMN allocation_line.withheld IS 'Why the units of this line are kept back until two people release them.';

CREATE TABLE allocation_entry (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    plan bigint NOT NULL REFERENCES allocation_plan,
    account text NOT NULL,
    kind text NOT NULL CONSTRAINT allocation_entry_kind_known
        CHECK (kind IN ('ALLOCATED', 'WITHHELD', 'RELEASED', 'DEDUCTED', 'TAKEN_BACK', 'WITHDRAWN', 'OWED')),
    tonnes bigint NOT NULL CONSTRAINT allocation_entry_positive CHECK (tonnes > 0),
    cause bigint NOT NULL,
    reference text NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE allocation_entry IS 'What became of each line; RELEASED and WITHDRAWN say it of a plan that withheld.';
COMMENT ON COLUMN allocation_entry.account IS 'Of a line of a plan, which refers to the account: once is enough.';
COMMENT ON COLUMN allocation_entry.cause IS 'The plan whose execution made the entry.';
CREATE INDEX allocation_entry_by_plan ON allocation_entry (plan, account);
CREATE INDEX allocation_entry_by_cause ON allocation_entry (cause) WHERE cause <> plan;
"""

DEDUCTIONS = """
CREATE TABLE allocation_deduction (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL REFERENCES account,
    tonnes bigint NOT NULL CONSTRAINT allocation_deduction_positive CHECK (tonnes > 0),
    reason text NOT NULL CONSTRAINT allocation_deduction_says_why CHECK (reason <> ''),
    reference text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT allocation_deduction_once UNIQUE (account, reference)
);
COMMENT ON TABLE allocation_deduction IS 'Tonnes that the account''s next allocations are less by.';
CREATE TABLE allocation_deduction_use (
    deduction bigint NOT NULL REFERENCES allocation_deduction,
    plan bigint REFERENCES allocation_plan,
    tonnes bigint NOT NULL CONSTRAINT allocation_deduction_use_positive CHECK (tonnes > 0),
    reason text NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE allocation_deduction_use IS 'How a deduction was worked off: by a plan, or waived (no plan).';
CREATE INDEX allocation_deduction_use_by_deduction ON allocation_deduction_use (deduction);
"""

TAKEN_OVER = """
INSERT INTO allocation_plan (number, product, name, kind, lines, tonnes, state, proposed_by, proposed_at, task,
                             executed_at, market_day)
SELECT row_number() OVER (ORDER BY proposed_at, id), payload->>'product', payload->>'plan', 'full',
       jsonb_array_length(payload->'lines'),
       (SELECT sum((line->>'tonnes')::bigint) FROM jsonb_array_elements(payload->'lines') AS line),
       'EXECUTED', proposed_by, proposed_at, id, decided_at, (decided_at AT TIME ZONE 'Asia/Shanghai')::date
FROM task WHERE kind = 'allocate' AND state = 'APPROVED';
INSERT INTO allocation_line (plan, line, account, tonnes)
SELECT p.number, line.n, line.said->>'account', (line.said->>'tonnes')::bigint
FROM allocation_plan p JOIN task t ON t.id = p.task,
     jsonb_array_elements(t.payload->'lines') WITH ORDINALITY AS line (said, n);
INSERT INTO allocation_entry (plan, account, kind, tonnes, cause, reference, at)
SELECT l.plan, l.account, 'ALLOCATED', l.tonnes, l.plan, p.task::text, p.executed_at
FROM allocation_line l JOIN allocation_plan p ON p.number = l.plan ORDER BY l.plan, l.line;
INSERT INTO counter SELECT 'allocation_plan', count(*) + 1 FROM allocation_plan;
"""


def upgrade() -> None:
    for statements in (PLANS, DEDUCTIONS, TAKEN_OVER):
        run(statements)
    append_only("allocation_line", "allocation_entry", "allocation_deduction", "allocation_deduction_use")
    mutable("allocation_plan")
