"""One tonne wrong anywhere is found, located, stops its accounts, and is closed by two people once it is right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from typer.testing import CliRunner

from core.accounts import service as accounts
from core.accounts import store as accounts_store
from core.approvals import service as approvals
from core.callers import Caller
from core.cli import app
from core.ledger import store as ledger
from core.ledger.rules import ISSUANCE, Transfer, place_of
from core.quantities import SerialRange, Vintage
from core.reconciliation import closing, service
from core.reconciliation.rules import Correction, Finding, entry_of
from core.refusals import Answer, Reason, Refused
from core.units import store as units

pytestmark = pytest.mark.unsound  # most of these damage a record on purpose

V = Vintage(2019)
DAY = date(2021, 7, 15)
OPERATOR = Caller("olga", frozenset({"operator"}))
AUDITOR = Caller("audit", frozenset({"auditor"}))


@pytest.fixture
def firms(engine: Engine, market: Any) -> list[str]:
    """Three firms with 100 t each, the first two of which have traded 10 t."""
    with engine.begin() as connection:
        numbers: list[str] = market.open(connection, 3)
        market.allocate(connection, [(number, 100) for number in numbers])
        assert isinstance(market.transfer(connection, numbers[0], numbers[1], 10), Answer)
    return numbers


@pytest.fixture
def tamper(owner_dsn: str) -> Iterator[Any]:
    """Change the tables as their owner, with the triggers that protect them out of the way."""
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        for table in ("transfer", "unit_move", "unit_issue"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # type: ignore[arg-type]
        yield owner.execute


def reconcile(connection: Connection, *, histories: bool = False) -> dict[str, Any]:
    made = service.ask(connection, OPERATOR, {"histories": histories})
    assert isinstance(made, Answer), made
    return dict(made.body)


def breaks(connection: Connection) -> list[dict[str, Any]]:
    listed = service.list_breaks(connection, AUDITOR, state=None, after=0, limit=100)
    assert isinstance(listed, Answer)
    return list(listed.body["breaks"])  # type: ignore[call-overload]


def test_two_accountings_that_agree_leave_a_run_and_no_break(engine: Engine, firms: list[str]) -> None:
    with engine.begin() as connection:
        made = reconcile(connection, histories=True)
        assert (made["agreed"], made["breaks"], made["open_breaks"]) == (True, 0, [])
        assert made["totals"] == {"CEA-2019": {"ledger": 300, "units": 300}}
        assert made["holdings"] == 4
        assert breaks(connection) == []


# What is done to which table, whether only the histories show it, whose holding it is (by place in the market; None for
# issuance, "" for a total), and at what record the two part.
TAMPERED: list[tuple[str, str, bool, list[tuple[int | str | None, str]]]] = [
    (
        "a balance is one tonne too high",
        "UPDATE ledger_account SET balance = balance + 1 WHERE owner = '{0}'",
        False,
        [("", ""), (0, "balance")],
    ),
    (
        "one tonne changed its bucket",
        ("INSERT INTO ledger_account (owner, asset, bucket, balance) VALUES ('{0}', 'CEA-2019', 'frozen', 1);"
        "UPDATE ledger_account SET balance = balance - 1 WHERE owner = '{0}' AND bucket = 'available'"),
        True,
        [(0, "balance")],
    ),
    (
        "two balances were exchanged by one tonne",
        ("UPDATE ledger_account SET balance = balance + 1 WHERE owner = '{0}';"
        "UPDATE ledger_account SET balance = balance - 1 WHERE owner = '{1}'"),
        False,
        [(0, "balance"), (1, "balance")],
    ),
    (
        "a transfer says one tonne more",
        "UPDATE transfer SET amount = amount + 1 WHERE type = 'TRANSFER'",
        True,
        [(0, "reference"), (1, "reference")],
    ),
    (
        "a change of hands is gone",
        "DELETE FROM unit_move WHERE type = 'TRANSFER'",
        True,
        [(0, "reference"), (1, "reference")],
    ),
    (
        "a change of hands names one serial less",
        "UPDATE unit_move SET serials = int8range(lower(serials), upper(serials) - 1) WHERE type = 'TRANSFER'",
        True,
        [(0, "reference"), (1, "reference")],
    ),
    (
        "a block lost its last serial",
        "UPDATE unit_block SET serials = int8range(lower(serials), upper(serials) - 1) WHERE holder = '{2}'",
        False,
        [("", "blocks"), (2, "blocks")],
    ),
    (
        "two blocks changed holders",
        "UPDATE unit_block SET holder = CASE holder WHEN '{0}' THEN '{2}' ELSE '{0}' END WHERE holder <> '{1}'",
        False,
        [(0, "blocks"), (2, "blocks")],
    ),
    (
        "an issue says one serial more",
        "UPDATE unit_issue SET serials = int8range(lower(serials), upper(serials) + 1)",
        False,
        [(None, "reference")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("done", "only_histories", "found"), [t[1:] for t in TAMPERED], ids=[t[0] for t in TAMPERED])
def test_one_tonne_wrong_anywhere_is_found_and_located(
    engine: Engine,
    firms: list[str],
    tamper: Any,
    dsn: str,
    done: str,
    only_histories: bool,  # noqa: FBT001
    found: list[tuple[int | str | None, str]],
) -> None:
    for statement in done.split(";"):
        tamper(statement.format(*firms))
    named = {None: ISSUANCE, "": None, 0: firms[0], 1: firms[1], 2: firms[2]}
    with engine.begin() as connection:
        assert reconcile(connection)["agreed"] is only_histories
        made = reconcile(connection, histories=True)
        listed = {one["account"]: one for one in breaks(connection)}
        assert not made["agreed"]
        for whose, place in found:
            one = listed[named[whose]]
            assert not place or place in {where["place"] for where in one["located"]}
        stopped = {number for number in firms if accounts.get(connection, AUDITOR, number).body["blocked"]}
        assert stopped == {named[whose] for whose, _ in found if isinstance(whose, int)}
    ended = CliRunner().invoke(app, ["reconcile", "--json", "--dsn", dsn])
    assert ended.exit_code == 1
    told = json.loads(ended.output)
    assert {one["account"] for one in told["breaks"]} == set(listed)
    lines = CliRunner().invoke(app, ["reconcile", "--dsn", dsn]).output
    assert all(number in lines for number in stopped)


def test_the_command_ends_well_when_all_agrees_and_says_so_when_nobody_answers(firms: list[str], dsn: str) -> None:
    ended = CliRunner().invoke(app, ["reconcile", "--dsn", dsn])
    assert (ended.exit_code, "agree on 4 holdings" in ended.output) == (0, True)
    ended = CliRunner().invoke(app, ["reconcile", "--dsn", "postgresql://nobody@127.0.0.1:1/none"])
    assert ended.exit_code == 2


def lone_transfer(connection: Connection, giver: str, taker: str, tonnes: int, product: str = "CEA-2019") -> None:
    """Book in the ledger alone, as a fault of ours would."""
    source, target = place_of(giver, product), place_of(taker, product)
    ledger.post(
        connection, [Transfer(f"lone {product}", source, target, tonnes, "TRANSFER", "by hand")], market_day=DAY
    )


def close(connection: Connection, by: Caller, number: int, **more: Any) -> Answer | Refused:
    body = {"break": str(number), "explanation": "booked by hand in one accounting only", **more}
    return closing.propose(connection, by, body)


def decide(connection: Connection, by: Caller, proposed: Answer | Refused) -> Answer | Refused:
    assert isinstance(proposed, Answer), proposed
    return approvals.approve(connection, by, str(proposed.body["id"]), closing.EXECUTORS)


def test_a_missing_entry_is_booked_by_two_people_and_lets_both_accounts_go(
    engine: Engine, firms: list[str], market: Any
) -> None:
    with engine.begin() as connection:
        lone_transfer(connection, firms[1], firms[2], 7)
        assert reconcile(connection)["breaks"] == 2
        first, second = breaks(connection)
        assert (first["account"], first["expected"], first["actual"]) == (firms[1], 103, 110)
        assert first["located"][0] == {"place": "reference", "reference": "by hand", "ledger": -7, "units": 0}
        assert first["owner"] == "operators"
        refused = market.transfer(connection, firms[1], firms[0], 1)
        assert refused.reason is Reason.SOURCE_BLOCKED
        assert market.transfer(connection, firms[0], firms[2], 1).reason is Reason.TARGET_BLOCKED

        correction = {"side": "units", "other_account": firms[2]}
        proposed = close(connection, market.ann, first["number"], correction=correction)
        assert decide(connection, market.ann, proposed).reason is Reason.SAME_PERSON
        done = decide(connection, market.bob, proposed)
        assert isinstance(done, Answer), done
        outcome = {"side": "units", "from": firms[1], "to": firms[2], "tonnes": 7}
        assert done.body["outcome"]["corrected"] == outcome
        assert units.totals(connection)[firms[1], 2019] == 103

        assert isinstance(decide(connection, market.bob, close(connection, market.ann, second["number"])), Answer)
        assert [one["state"] for one in breaks(connection)] == ["CLOSED", "CLOSED"]
        assert isinstance(market.transfer(connection, firms[1], firms[2], 1), Answer)
        assert reconcile(connection, histories=True)["agreed"]
        told = service.show_break(connection, AUDITOR, first["number"]).body["history"]
        assert [step["said"] for step in told][:2] == ["found", "booked by hand in one accounting only"]
        assert told[-1]["said"] == "closed"


def test_a_correction_in_the_ledger_works_as_well(engine: Engine, firms: list[str], market: Any) -> None:
    with engine.begin() as connection:
        units.move(
            connection,
            giver=firms[0],
            taker=firms[2],
            vintage=V,
            tonnes=5,
            type="TRANSFER",
            reference="x",
            market_day=DAY,
        )
        reconcile(connection)
        first, _ = breaks(connection)
        correction = {"side": "ledger", "other_account": firms[2]}
        done = decide(connection, market.bob, close(connection, market.ann, first["number"], correction=correction))
        assert isinstance(done, Answer), done
        assert {b.owner: b.amount for b in ledger.balances(connection, firms)} == {
            firms[0]: 85, firms[1]: 110, firms[2]: 105,
        }  # fmt: skip


def told(connection: Connection) -> list[tuple[str, str]]:
    """Return account and effect of every notice to the exchange, oldest first."""
    query = "SELECT payload ->> 'account', payload ->> 'effect' FROM outbox WHERE topic = 'restriction' ORDER BY id"
    return [(row[0], row[1]) for row in connection.execute(text(query))]


def blocks(connection: Connection) -> list[tuple[str, str, str, str | None]]:
    """Return caller, action, subject and reason of every block in the audit trail, oldest first."""
    query = """SELECT caller, action, subject, detail ->> 'why' FROM audit_event
               WHERE action IN ('block', 'unblock') ORDER BY id"""
    return [tuple(row) for row in connection.execute(text(query))]


def test_a_difference_stops_its_accounts_at_once_and_the_exchange_and_the_trail_learn_of_it(
    engine: Engine, firms: list[str], market: Any
) -> None:
    with engine.begin() as connection:
        restrict = "UPDATE account SET state = 'RESTRICTED', restriction = 'in' WHERE number = :n"
        connection.execute(text(restrict), {"n": firms[1]})
        lone_transfer(connection, firms[1], firms[2], 7)
        reconcile(connection)
        reconcile(connection)
        assert told(connection) == [(firms[1], "all"), (firms[2], "all")]
        whys = [f"Ledger and units disagree: break {n}." for n in (1, 2)]
        stopped = [("olga", "block", firm, why) for firm, why in zip(firms[1:], whys, strict=True)]
        assert blocks(connection) == stopped
        traders = accounts_store.traders(connection, firms, DAY)
        assert (traders.free, traders.buyers, traders.sellers) == ({firms[0]}, set(), set())

        correction = {"side": "units", "other_account": firms[2]}
        assert isinstance(
            decide(connection, market.bob, close(connection, market.ann, 1, correction=correction)), Answer
        )
        assert told(connection)[2:] == [(firms[1], "in")]
        assert blocks(connection)[2:] == [("bob", "unblock", firms[1], None)]


def test_an_account_with_another_break_stays_blocked_for_that_one_and_nobody_is_told_otherwise(
    engine: Engine, firms: list[str], market: Any
) -> None:
    with engine.begin() as connection:
        market.allocate(connection, [(number, 50) for number in firms], "second", "CEA-2020")
        lone_transfer(connection, firms[1], firms[2], 7)
        lone_transfer(connection, firms[1], firms[2], 3, "CEA-2020")
        reconcile(connection)
        before = told(connection)
        first = next(one for one in breaks(connection) if (one["account"], one["asset"]) == (firms[1], "CEA-2019"))
        other = next(one for one in breaks(connection) if (one["account"], one["asset"]) == (firms[1], "CEA-2020"))
        correction = {"side": "units", "other_account": firms[2]}
        proposed = close(connection, market.ann, first["number"], correction=correction)
        assert isinstance(decide(connection, market.bob, proposed), Answer)
        assert told(connection) == before
        why = f"Ledger and units disagree: break {other['number']}."
        assert accounts.get(connection, AUDITOR, firms[1]).body["blocked"] == why
        assert blocks(connection)[-1] == ("bob", "block", firms[1], why)


def test_what_still_differs_is_not_closed_and_a_wrong_correction_leaves_nothing_behind(
    engine: Engine, firms: list[str], market: Any
) -> None:
    with engine.begin() as connection:
        lone_transfer(connection, firms[1], firms[2], 7)
        reconcile(connection)
        first, _ = breaks(connection)
        plain = close(connection, market.ann, first["number"])
        assert decide(connection, market.bob, plain).reason is Reason.BREAK_STILL_DIFFERS
        assert close(connection, market.ann, first["number"]).reason is Reason.BREAK_STATE
        rejected = approvals.reject(connection, market.bob, str(plain.body["id"]), {"reason": "no"}, closing.UNDOERS)
        assert isinstance(rejected, Answer)
        assert breaks(connection)[0]["state"] == "OPEN"

        before = units.totals(connection)
        wrong = {"side": "units", "other_account": firms[0]}
        proposed = close(connection, market.ann, first["number"], correction=wrong)
        assert decide(connection, market.bob, proposed).reason is Reason.CORRECTION_IMPOSSIBLE
        assert units.totals(connection) == before
        assert accounts.get(connection, AUDITOR, firms[1]).body["blocked"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"explanation": ""}, Reason.MALFORMED),
        ({"explanation": "a\x00b"}, Reason.MALFORMED),
        ({"correction": {"side": "cash", "other_account": "x"}}, Reason.MALFORMED),
        ({"correction": {"side": "units"}}, Reason.MALFORMED),
        ({"break": "99"}, Reason.BREAK_UNKNOWN),
        ({"correction": {"side": "units", "other_account": "E42-00009999-00"}}, Reason.ACCOUNT_UNKNOWN),
        ({"correction": {"side": "units", "other_account": "SELF"}}, Reason.CORRECTION_IMPOSSIBLE),
        ({"by": AUDITOR}, Reason.NOT_PERMITTED),
    ],
)
def test_closing_a_break_is_refused_for_the_first_reason_there_is(
    engine: Engine, firms: list[str], market: Any, body: dict[str, Any], reason: Reason
) -> None:
    with engine.begin() as connection:
        lone_transfer(connection, firms[1], firms[2], 7)
        reconcile(connection)
        said = json.loads(json.dumps({n: v for n, v in body.items() if n != "by"}).replace("SELF", firms[1]))
        refused = closing.propose(connection, body.get("by", market.ann), {"break": "1", "explanation": "why", **said})
        assert isinstance(refused, Refused), refused
        assert refused.reason is reason


def test_a_difference_that_comes_back_is_the_same_break_until_it_is_closed(engine: Engine, firms: list[str]) -> None:
    with engine.begin() as connection:
        lone_transfer(connection, firms[1], firms[2], 7)
        reconcile(connection)
        reconcile(connection)
        assert [one["number"] for one in breaks(connection)] == [1, 2]
        told = service.show_break(connection, AUDITOR, 1).body["history"]
        assert [step["said"] for step in told] == ["found", "still differs"]
        runs = service.list_runs(connection, AUDITOR, after=0, limit=10).body["runs"]
        assert [(run["number"], run["breaks"]) for run in runs] == [(1, 2), (2, 2)]
        assert service.list_runs(connection, Caller("eve", frozenset({"holder"})), after=0, limit=1).reason is (
            Reason.NOT_PERMITTED
        )
        assert service.ask(connection, AUDITOR, {}).reason is Reason.NOT_PERMITTED


def test_runs_and_histories_of_breaks_cannot_be_changed(engine: Engine, firms: list[str]) -> None:
    with engine.begin() as connection:
        lone_transfer(connection, firms[1], firms[2], 7)
        reconcile(connection)
    for table in ("reconciliation_run", "reconciliation_break_event"):
        with engine.connect() as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


@pytest.mark.parametrize(
    ("side", "ledger_t", "units_t", "giver"),
    [("units", 103, 110, "A"), ("units", 110, 103, "B"), ("ledger", 103, 110, "B"), ("ledger", 110, 103, "A")],
)
def test_a_correction_moves_the_side_that_lacks_the_entry_towards_the_other(
    side: str, ledger_t: int, units_t: int, giver: str
) -> None:
    entry = entry_of(Correction(side, "B"), Finding("account", "A", "CEA-2019", ledger_t, units_t))
    assert not isinstance(entry, Refused)
    assert (entry.giver, entry.tonnes) == (giver, 7)


def test_serials_keep_their_life_and_accounts_their_past(engine: Engine, firms: list[str], market: Any) -> None:
    from core.units.history import store as history  # noqa: PLC0415

    with engine.begin() as connection:
        life = history.life_of(connection, V, 1)
        assert life is not None
        assert (life.issue, life.issued, life.holder) == ("CEA-2019/first", SerialRange(V, 1, 300), firms[1])
        assert [(m.giver, m.taker, m.type) for m in life.moves] == [
            (None, ISSUANCE, "ISSUE"), (ISSUANCE, firms[0], "ALLOCATE"), (firms[0], firms[1], "TRANSFER"),
        ]  # fmt: skip
        assert history.life_of(connection, V, 301) is None
        connection.execute(text("UPDATE business_clock SET now = '2021-07-16 10:00:00+08'"))
        assert isinstance(market.transfer(connection, firms[1], firms[0], 10), Answer)
        assert history.held_on(connection, firms[0], DAY) == [SerialRange(V, 11, 100)]
        assert history.held_on(connection, firms[0], date(2021, 7, 16)) == [SerialRange(V, 1, 100)]
        assert history.held_on(connection, firms[0], date(2021, 7, 14)) == []
        assert units.holdings(connection, firms[0]) == history.held_on(connection, firms[0], date(2021, 7, 16))
        moves = history.moves_of(connection, firms[0], 0, 2)
        assert [m.type for m in moves] == ["ALLOCATE", "TRANSFER"]
        assert [m.type for m in history.moves_of(connection, firms[0], moves[-1].id, 9)] == ["TRANSFER"]
