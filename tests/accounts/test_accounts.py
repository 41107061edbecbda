"""Accounts and free transfers through the services, on a real database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from core.accounts import service
from core.approvals import service as approvals
from core.callers import Caller
from core.ledger import store as ledger
from core.quantities import MAX_AMOUNT
from core.refusals import Answer, Reason, Refused
from core.transfers import service as transfers
from core.units import store as units

ONE = {"name": "A firm", "kind": "E", "province": "42", "credit_code": "91420000MA4KXXXX0A"}


def reason_of(end: Answer | Refused) -> Reason:
    assert isinstance(end, Refused), end
    return end.reason


def amounts(connection: Connection, number: str) -> dict[tuple[str, str], int]:
    return {(b.asset, b.bucket): b.amount for b in ledger.balances(connection, [number])}


def in_step(connection: Connection) -> bool:
    """Tell whether both accountings say the same of every subject, and the books balance."""
    serials = {(holder, f"CEA-{year}"): tonnes for (holder, year), tonnes in units.totals(connection).items()}
    owners = list(connection.execute(text("SELECT number FROM account WHERE number !~ '^S'")).scalars())
    booked: dict[tuple[str, str], int] = {}
    for b in ledger.balances(connection, owners):
        if b.asset != "CNY" and b.amount:
            booked[b.owner, b.asset] = booked.get((b.owner, b.asset), 0) + b.amount
    subjects = {key: tonnes for key, tonnes in serials.items() if not key[0].startswith("S")}
    return booked == subjects and set(ledger.imbalance(connection).values()) <= {0}


def test_an_account_opens_when_a_second_person_approves(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        proposed = service.propose_opening(connection, market.ann, ONE)
        assert isinstance(proposed, Answer)
        assert proposed.status == 202
        assert proposed.headers["Location"] == f"/v1/tasks/{proposed.body['id']}"
        assert (proposed.body["kind"], proposed.body["state"]) == ("open_account", "AWAITING_APPROVAL")
        account = proposed.body["account"]
        assert (account["state"], account["number"]) == ("APPLIED", "E42-00001001-60")

        approved = market.approve(connection, proposed)
        assert approved.body["state"] == "APPROVED"
        assert approved.body["account"]["state"] == "OPEN"
        found = service.get(connection, market.ann, account["number"])
        assert found.body == {**account, "state": "OPEN"}
        task = approvals.get(connection, market.ann, proposed.body["id"])
        assert task.body == approved.body


def test_the_proposer_may_not_approve_and_nobody_decides_twice(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        proposed = service.propose_opening(connection, market.ann, ONE)
        task = proposed.body["id"]
        decide = approvals.approve
        assert reason_of(decide(connection, market.ann, task, service.EXECUTORS)) == Reason.SAME_PERSON
        maker = Caller("carl", frozenset({"maker"}))
        assert reason_of(decide(connection, maker, task, service.EXECUTORS)) == Reason.NOT_PERMITTED
        assert isinstance(market.approve(connection, proposed), Answer)
        assert reason_of(market.approve(connection, proposed)) == Reason.TASK_DECIDED
        assert reason_of(market.reject(connection, proposed)) == Reason.TASK_DECIDED
        for nonsense in ("", "x", "0" * 32):
            assert reason_of(decide(connection, market.bob, nonsense, service.EXECUTORS)) == Reason.TASK_UNKNOWN
            assert reason_of(approvals.get(connection, market.bob, nonsense)) == Reason.TASK_UNKNOWN


def test_who_is_no_maker_proposes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        auditor = Caller("eve", frozenset({"auditor"}))
        assert reason_of(service.propose_opening(connection, auditor, ONE)) == Reason.NOT_PERMITTED


def test_a_rejected_subject_may_apply_again(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        first = service.propose_opening(connection, market.ann, ONE)
        assert reason_of(service.propose_opening(connection, market.ann, ONE)) == Reason.SUBJECT_HAS_ACCOUNT
        rejected = market.reject(connection, first)
        assert (rejected.body["state"], rejected.body["account"]["state"]) == ("REJECTED", "REJECTED")
        assert isinstance(service.propose_opening(connection, market.ann, ONE), Answer)


def test_a_rejection_says_why(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        task = service.propose_opening(connection, market.ann, ONE).body["id"]
        for body in ({}, {"reason": ""}, {"reason": 5}):
            ended = approvals.reject(connection, market.bob, task, body, service.UNDOERS)
            assert reason_of(ended) == Reason.MALFORMED


def test_a_batch_opens_all_accounts_or_none(engine: Engine, market: Any) -> None:
    lines = [ONE, {**ONE, "credit_code": None, "name": ""}, "nonsense", ONE]
    with engine.begin() as connection:
        refused = service.propose_openings(connection, market.ann, {"accounts": lines})
        assert [(e.line, e.reason) for e in refused.errors] == [
            (2, Reason.MALFORMED),
            (3, Reason.MALFORMED),
            (4, Reason.SUBJECT_HAS_ACCOUNT),
        ]
        assert connection.execute(text("SELECT count(*) FROM account WHERE number !~ '^S'")).scalar_one() == 0
        for nonsense in (None, [], {}, "x"):
            ended = service.propose_openings(connection, market.ann, {"accounts": nonsense})
            assert reason_of(ended) == Reason.MALFORMED
        numbers = market.open(connection, 2500)
        assert len(set(numbers)) == 2500


def test_accounts_are_listed_in_pages(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        numbers = sorted(market.open(connection, 5))
        first = service.list_accounts(connection, market.ann, {"limit": 3})
        assert ([a["number"] for a in first.body["accounts"]], first.body["next"]) == (numbers[:3], numbers[2])
        rest = service.list_accounts(connection, market.ann, {"limit": "3", "after": numbers[2]})
        assert ([a["number"] for a in rest.body["accounts"]], rest.body["next"]) == (numbers[3:], None)
        for nonsense in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"limit": True}, {"after": "x"}, {"after": 1}):
            assert reason_of(service.list_accounts(connection, market.ann, nonsense)) == Reason.MALFORMED


def test_an_unknown_account_and_a_mistyped_one_are_told_apart(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        for read in (service.get, service.holdings):
            assert reason_of(read(connection, market.ann, "E42-00001001-60")) == Reason.ACCOUNT_UNKNOWN
            assert reason_of(read(connection, market.ann, "E42-00001001-06")) == Reason.NUMBER_INVALID


def test_a_transfer_moves_both_accountings(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        giver, taker = market.open(connection, 2)
        market.allocate(connection, [(giver, 100)])
        done = market.transfer(connection, giver, taker, 30)
        assert done.status == 201
        held = service.holdings(connection, market.ann, taker).body
        assert held == {
            "account": taker,
            "holdings": [{"asset": "CEA-2019", "bucket": "available", "amount": 30}],
            "serials": [{"first": "CEA-2019-000000000001", "last": "CEA-2019-000000000030", "tonnes": 30}],
        }
        assert in_step(connection)
        assert ledger.verify_chain(connection) == []


def test_cash_moves_in_the_ledger_only(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        giver, taker = market.open(connection, 2)
        market.deposit(connection, giver, 500)
        assert isinstance(market.transfer(connection, giver, taker, 500, "CNY"), Answer)
        assert amounts(connection, taker) == {("CNY", "available"): 500}
        assert reason_of(market.transfer(connection, giver, taker, 1, "CNY")) == Reason.INSUFFICIENT_CASH


def test_a_transfer_is_refused_with_its_reason_and_nothing_moves(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        giver, taker = market.open(connection, 2)
        applied = service.propose_opening(connection, market.ann, ONE).body["account"]["number"]
        market.allocate(connection, [(giver, 100)])
        market.deposit(connection, taker, MAX_AMOUNT)
        rows = connection.execute(text("SELECT count(*) FROM transfer")).scalar_one()
        ours = "S00-00000001-53"
        for arguments, reason in [
            ((None, taker, 1), Reason.MALFORMED),
            ((giver, taker, 1, "\x00"), Reason.MALFORMED),
            (("E42-00000009-11", taker, 1), Reason.SOURCE_UNKNOWN),
            ((applied, taker, 1), Reason.SOURCE_NOT_OPEN),
            ((giver, "nobody", 1), Reason.TARGET_UNKNOWN),
            ((giver, applied, 1), Reason.TARGET_NOT_OPEN),
            ((giver, giver, 1), Reason.TARGET_IS_SOURCE),
            ((ours, taker, 1), Reason.ACCOUNT_KIND),
            ((giver, taker, 1, "CEA-2020"), Reason.PRODUCT_UNKNOWN),
            ((giver, taker, 1, "CEA-２０１９"), Reason.PRODUCT_UNKNOWN),
            ((giver, taker, 101), Reason.INSUFFICIENT_UNITS),
        ]:
            assert reason_of(market.transfer(connection, *arguments)) == reason
        for nonsense in (0, -5, True, 1.0, "1", None, MAX_AMOUNT + 1, 10**300, [], {}):
            assert reason_of(market.transfer(connection, giver, taker, nonsense)) == Reason.QUANTITY_INVALID
        assert reason_of(market.transfer(connection, giver, taker, 1, "CNY")) == Reason.QUANTITY_INVALID
        closed = transfers.transfer(
            connection,
            market.ann,
            {"from_account": giver, "to_account": taker, "asset": "CEA-2019", "amount": 1},
            free_transfers=False,
        )
        assert reason_of(closed) == Reason.TRANSFER_CLOSED
        assert connection.execute(text("SELECT count(*) FROM transfer")).scalar_one() == rows


STATES = ["OPENING_SENT", "OPENING_ACKED", "TRADING", "CLOSED", "SEALED", "CLEARED", "EXCHANGE_CONFIRMED",
          "BANK_CONFIRMED", "HALTED", "DELIVERED", "OPENING_BUILT", "REPORTED"]  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_what_the_exchange_has_moves_only_after_delivery(engine: Engine, market: Any, state: str) -> None:
    with engine.begin() as connection:
        giver, other, taker = market.open(connection, 3)
        market.allocate(connection, [(giver, 100), (other, 100)])
        stand_in_opening(connection, state, old=[other, giver], new=[giver])

        ended = market.transfer(connection, giver, taker, 1)
        if state in {"DELIVERED", "OPENING_BUILT", "REPORTED"}:
            assert isinstance(ended, Answer)
        else:
            assert reason_of(ended) == Reason.SOURCE_WITH_EXCHANGE
        assert isinstance(market.transfer(connection, other, taker, 1), Answer)
        assert isinstance(market.transfer(connection, taker, giver, 1), Answer)


def stand_in_opening(connection: Connection, state: str, *, old: list[str], new: list[str]) -> None:
    """Make a market day whose opening data were sent twice; the second version is the one that counts."""
    day = text("INSERT INTO market_day VALUES ('2021-07-16', :state, 0, 0, NULL, '[{}]')")
    connection.execute(day, {"state": state})
    for version, accounts in ((1, old), (2, new)):
        connection.execute(
            text("INSERT INTO opening VALUES ('2021-07-16', :v, 1, decode(repeat('00', 32), 'hex'))"), {"v": version}
        )
        for number in accounts:
            connection.execute(
                text("INSERT INTO opening_position VALUES ('2021-07-16', :v, :number, 'CEA-2019', 100)"),
                {"v": version, "number": number},
            )


def test_every_change_leaves_who_did_what(engine: Engine, market: Any) -> None:
    with engine.begin() as connection:
        giver, taker = market.open(connection, 2)
        market.allocate(connection, [(giver, 100)])
        market.transfer(connection, giver, taker, 30)
        trail = connection.execute(text("SELECT caller, action FROM audit_event ORDER BY id")).all()
    assert [tuple(row) for row in trail] == [
        ("ann", "propose open_accounts"),
        ("bob", "approved"),
        ("ann", "propose allocate"),
        ("bob", "allocate"),
        ("bob", "approved"),
        ("ann", "transfer"),
    ]
