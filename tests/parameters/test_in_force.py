"""Which version of a parameter holds on a day, said in SQL and in Python, and never changed for the past."""

from __future__ import annotations

import json
import random
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core.clock import store as clock
from core.clock.calendar import Calendar, is_trading_day
from core.db.errors import constraint_of
from core.parameters import rules, store
from core.parameters import service as parameters
from core.parameters.changes import is_late
from core.parameters.rules import Limits, Parameter, in_force, market_rules
from core.quantities import Vintage

INSERT = text("""
INSERT INTO parameter (kind, name, version, value, effective_from, proposed_by, decided_by, decided_at)
VALUES (:kind, :name, :version, CAST(:value AS jsonb), :effective_from, 'ann', 'bob', now())
""")
DAY = date(2021, 7, 16)


def insert(connection: Connection, one: Parameter) -> None:
    row = {"kind": one.kind, "name": one.name, "version": one.version, "effective_from": one.effective_from}
    connection.execute(INSERT, row | {"value": json.dumps(one.value)})


def key(one: Parameter) -> tuple[str, str, int]:
    return one.kind, one.name, one.version


@pytest.mark.parametrize("seed", range(3))
def test_sql_and_python_pick_the_same_versions_on_every_day(engine: Engine, seed: int) -> None:
    draw = random.Random(seed)
    names = [("limit", "listed"), ("limit", "block"), ("cap", "CEA-2019"), ("product", "CEA-2021")]
    with engine.begin() as connection:
        for n in range(60):
            kind, name = draw.choice(names)
            start = DAY + timedelta(days=draw.randrange(20))
            insert(connection, Parameter(kind, name, n + 2, {"n": n}, start))
        versions = store.versions(connection)
        for ahead in range(-1, 22):
            day = DAY + timedelta(days=ahead)
            here = in_force(versions, day)
            assert sorted(map(key, store.in_force(connection, day))) == sorted(map(key, here.values()))
            for kind, name in names:
                found = here.get((kind, name))
                assert store.value(connection, kind, name, day) == (found and found.value)
            page = store.history(connection, kind=None, day=day, after=("", "", 0), limit=1000)
            assert sorted((one.kind, one.name, one.version) for one in page) == sorted(map(key, here.values()))


@pytest.mark.parametrize("seed", range(3))
def test_sql_and_python_call_the_same_changes_late(engine: Engine, seed: int) -> None:
    draw = random.Random(seed)
    for n in range(60):
        today, frozen, start = (DAY + timedelta(days=draw.randrange(6)) for _ in range(3))
        kind = draw.choice(["limit", "calendar"])
        value = {"open": draw.random() < 0.5} if kind == "calendar" else {"percent": 7}
        name = start.isoformat() if kind == "calendar" else "listed"
        one = Parameter(kind, name, n + 2, value, start)
        now = datetime.fromisoformat(f"{today}T{draw.randrange(24):02d}:30:00+08:00")
        with engine.connect() as connection:
            connection.execute(text("UPDATE business_clock SET now = :now"), {"now": now})
            connection.execute(text("UPDATE parameter_frozen SET through = :frozen"), {"frozen": frozen})
            try:
                insert(connection, one)
                refused = None
            except DBAPIError as error:
                refused = constraint_of(error)
        assert refused == ("parameter_ahead" if is_late(one, today=today, frozen=frozen) else None), (
            one,
            today,
            frozen,
        )


@pytest.mark.parametrize(
    "statement", ["UPDATE parameter SET value = '{}'", "DELETE FROM parameter", "TRUNCATE parameter"]
)
def test_not_even_the_owner_changes_what_was_decided(owner_dsn: str, statement: str) -> None:
    with psycopg.connect(owner_dsn) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(f"SET search_path = registry; {statement}")


def test_the_database_wants_two_people_too(engine: Engine) -> None:
    alone = INSERT.text.replace("'bob'", "'ann'")
    facts = {"kind": "cap", "name": "CEA-2019", "version": 1, "value": "{}", "effective_from": DAY}
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(alone), facts)
    assert constraint_of(caught.value) == "parameter_four_eyes"


def test_the_first_rows_are_the_rules_that_the_code_had(engine: Engine) -> None:
    with engine.connect() as connection:
        found = parameters.market_rules(connection, DAY)
        assert parameters.cap_of(connection, Vintage(2019), DAY) is None
        assert parameters.may_issue(connection, Vintage(2025), DAY)
        assert not parameters.may_issue(connection, Vintage(2030), DAY)
        assert parameters.sectors(connection, DAY) == {"power"}
        assert parameters.sectors(connection, date(2025, 1, 2)) == {"power", "steel", "cement", "aluminium"}
    assert (found.tick_fen, found.is_trading_day) == (1, True)
    assert {name: (mode.least_t, mode.most_t, mode.percent) for name, mode in found.modes.items()} == {
        "listed": (1, 99_999, 10),
        "block": (100_000, None, 30),
    }
    assert f"{found.starts} {found.ends}" == "09:30:00 15:00:00"
    assert [len(mode.sessions) for _, mode in sorted(found.modes.items())] == [1, 2]
    assert {name: product.base_price_fen for name, product in found.products.items()} == {
        "CEA-2019": 4800,
        "CEA-2020": None,
    }


def test_the_first_half_year_has_114_trading_days(engine: Engine) -> None:
    days = [date(2021, 7, 16) + timedelta(days=n) for n in range(169)]
    assert days[-1] == date(2021, 12, 31)
    with engine.connect() as connection:
        calendar = clock.calendar(connection)
    assert sum(map(calendar.is_trading_day, days)) == 114 == sum(map(is_trading_day, days))


def test_an_exception_opens_or_closes_its_date_alone() -> None:
    calendar = Calendar({date(2021, 10, 8): False, date(2021, 10, 9): True, date(2040, 1, 3): True})

    assert [calendar.is_trading_day(date(2021, 10, day)) for day in (7, 8, 9, 11)] == [False, False, True, True]
    assert calendar.next_trading_day(date(2021, 9, 30)) == date(2021, 10, 9)
    assert calendar.is_trading_day(date(2040, 1, 3))  # a year without announced holidays


@pytest.mark.parametrize(
    ("close", "percent", "tick", "low", "high"),
    [
        (4800, 10, 1, 4320, 5280),
        (5296, 10, 1, 4766, 5826),  # 58.256 rounds up: a day that truncation would have refused
        (4805, 30, 1, 3364, 6247),  # 33.635 and 62.465 round up
        (4801, 10, 5, 4320, 5280),  # 43.209 and 52.811 to the nearest five fen
        (4825, 10, 5, 4345, 5310),  # 43.425 and 53.075: half a tick goes up
        (1, 99, 1, 1, 2),  # no price falls below one tick
    ],
)
def test_limits_are_rounded_half_up_to_the_tick(close: int, percent: int, tick: int, low: int, high: int) -> None:
    assert Limits.around(close, percent=percent, tick_fen=tick) == Limits(low, high)


def test_a_mode_without_hours_or_limits_does_not_trade(engine: Engine) -> None:
    with engine.connect() as connection:
        versions = [one for one in store.versions(connection) if one.key != ("hours", "block")]
    assert set(market_rules(versions, DAY, Calendar()).modes) == {"listed"}


def test_rules_are_built_the_same_from_all_versions_and_from_those_in_force(engine: Engine) -> None:
    later: dict[str, Any] = {"percent": 7}
    with engine.begin() as connection:
        insert(connection, Parameter("limit", "listed", 2, later, date(2021, 7, 20)))
        insert(connection, Parameter("limit", "listed/CEA-2019", 1, {"percent": 3}, date(2021, 7, 20)))
        for day in (DAY, date(2021, 7, 20), date(2021, 7, 24)):
            whole = rules.market_rules(store.versions(connection), day, clock.calendar(connection))
            assert whole == parameters.market_rules(connection, day)
    assert whole.limits_of("CEA-2019", "listed", 1000) == Limits(970, 1030)
    assert whole.limits_of("CEA-2020", "listed", 1000) == Limits(930, 1070)
