"""Why: sector, product, vintage, mode, limits, hours and calendar are data that two people change, never code.

The first rows are the values that the code had until now, in force since before the market's first day.
"""

from __future__ import annotations

from core.db.migrations.tables import append_only, mutable, run

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE TABLE parameter (
    kind text NOT NULL CONSTRAINT parameter_kind CHECK (kind IN
        ('sector', 'product', 'vintage', 'mode', 'limit', 'tick', 'hours', 'calendar', 'cap')),
    name text NOT NULL CONSTRAINT parameter_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9/_-]{0,59}$'),
    version integer NOT NULL CONSTRAINT parameter_version CHECK (version > 0),
    value jsonb NOT NULL CONSTRAINT parameter_value CHECK (jsonb_typeof(value) = 'object'),
    effective_from date NOT NULL,
    proposed_by text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    task text,
    CONSTRAINT parameter_once PRIMARY KEY (kind, name, version),
    CONSTRAINT parameter_four_eyes CHECK (decided_by <> proposed_by)
);
COMMENT ON TABLE parameter IS 'Rules of the market as data: a version is in force from its day until a later one is.';
COMMENT ON COLUMN parameter.effective_from IS
    'In force on a day: of the versions from that day or earlier the one with the latest day, then the newest.';
COMMENT ON COLUMN parameter.decided_at IS 'Business time.';
COMMENT ON COLUMN parameter.task IS 'The proposal that two people decided; none for the values of the release.';
CREATE INDEX parameter_in_force ON parameter (kind, name, effective_from DESC, version DESC);

CREATE TABLE parameter_frozen (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT parameter_frozen_single CHECK (singleton),
    through date NOT NULL
);
COMMENT ON TABLE parameter_frozen IS
    'The newest day whose opening data are sent: the rules of it and of every day before stay as they were.';
INSERT INTO parameter_frozen (through) SELECT coalesce(max(day), '2000-01-01') FROM market_day;

CREATE VIEW calendar_exception AS
SELECT DISTINCT ON (name) name::date AS day, (value ->> 'open')::boolean AS open
FROM parameter WHERE kind = 'calendar' ORDER BY name, version DESC;
COMMENT ON VIEW calendar_exception IS 'Dates on which the market trades, or does not, other than by statute.';
"""

FIRST_ROWS = """
INSERT INTO parameter (kind, name, version, value, effective_from, proposed_by, decided_by, decided_at)
SELECT kind, name, 1, value::jsonb, date '2000-01-01', 'release', 'migration', timestamptz '2000-01-01 00:00:00+08'
FROM (VALUES
    ('sector', 'power', '{"open": true, "title": "Power generation", "published": "发电"}'),
    ('product', 'CEA-2019', '{"open": true, "base_price_fen": 4800}'),
    ('product', 'CEA-2020', '{"open": true, "base_price_fen": null}'),
    ('mode', 'listed', '{"open": true, "least_t": 1, "most_t": 99999}'),
    ('mode', 'block', '{"open": true, "least_t": 100000, "most_t": null}'),
    ('limit', 'listed', '{"percent": 10}'),
    ('limit', 'block', '{"percent": 30}'),
    ('tick', 'price', '{"fen": 1}'),
    ('hours', 'listed', '{"sessions": [["09:30", "11:30"], ["13:00", "15:00"]]}'),
    ('hours', 'block', '{"sessions": [["13:00", "15:00"]]}')) AS first (kind, name, value)
UNION ALL
SELECT 'vintage', 'CEA-' || year, 1, '{"open": true}', '2000-01-01', 'release', 'migration',
    '2000-01-01 00:00:00+08'
FROM generate_series(2019, 2025) AS year
UNION ALL
SELECT 'sector', name, 1, value::jsonb, '2025-01-01', 'release', 'migration', '2000-01-01 00:00:00+08'
FROM (VALUES
    ('steel', '{"open": true, "title": "Steel", "published": "钢铁"}'),
    ('cement', '{"open": true, "title": "Cement", "published": "水泥"}'),
    ('aluminium', '{"open": true, "title": "Aluminium smelting", "published": "铝冶炼"}')) AS joined (name, value);
"""

# Why: a rule of the past that changes would make yesterday's accepted trades wrong, whoever wrote the row.
AHEAD = """
CREATE FUNCTION refuse_late_parameter() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    today date := (SELECT (now AT TIME ZONE 'Asia/Shanghai')::date FROM business_clock);
    frozen date := (SELECT through FROM parameter_frozen FOR SHARE);
    closing boolean := NEW.kind = 'calendar' AND NEW.value ->> 'open' = 'false';
BEGIN
    IF NEW.effective_from < today OR (NEW.kind = 'calendar' AND NEW.effective_from <= today)
       OR (NEW.effective_from <= frozen AND NOT closing) THEN
        RAISE EXCEPTION 'a parameter cannot change % any more', NEW.effective_from
            USING ERRCODE = 'check_violation', CONSTRAINT = 'parameter_ahead';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER parameter_ahead BEFORE INSERT ON parameter
    FOR EACH ROW EXECUTE FUNCTION refuse_late_parameter();
COMMENT ON FUNCTION refuse_late_parameter() IS
    'Rules of past days and of days with opening data stay; only a day that has not come may still be closed.';
"""


def upgrade() -> None:
    for statements in (TABLES, FIRST_ROWS, AHEAD):
        run(statements)
    append_only("parameter")
    mutable("parameter_frozen")
    run("GRANT SELECT ON calendar_exception TO registry_app")
