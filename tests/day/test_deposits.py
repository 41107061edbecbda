"""Cash comes in by notice of a bank: all lines or none, each notice once."""

from __future__ import annotations

from typing import Any

from core.bank.service import record_deposits
from core.callers import Caller
from core.ledger import store as ledger
from core.refusals import Answer, Reason, Refused

CALLER = Caller("bank", frozenset({"bank"}))
UNKNOWN = "E42-00009999-60"


def send(market: Any, *entries: tuple[Any, Any], message_id: str = "M-1", bank: str = "B001") -> Answer | Refused:
    body = {"bank": bank, "message_id": message_id}
    body["entries"] = [{"account": account, "amount_fen": fen} for account, fen in entries]  # type: ignore[assignment]
    answer: Answer | Refused = market.write(lambda c: record_deposits(c, CALLER, body))
    return answer


def test_a_notice_credits_every_line(market: Any) -> None:
    first, second = market.account(), market.account()

    answer = send(market, (first, 100), (second, 5), (first, 1))

    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (201, {"message_id": "M-1", "entries": 3, "total_fen": 106})
    assert (market.cash(first), market.cash(second)) == (101, 5)
    assert market.read(ledger.imbalance) == {"CNY": 0}


def test_the_same_notice_twice_is_booked_once_and_answered_alike(market: Any) -> None:
    account = market.account()

    assert send(market, (account, 100)) == send(market, (account, 100))
    assert market.cash(account) == 100


def test_the_same_id_with_other_content_is_refused(market: Any) -> None:
    account = market.account()
    send(market, (account, 100))

    refused = send(market, (account, 101))

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.KEY_REUSED
    assert market.cash(account) == 100


def test_one_bad_line_refuses_the_notice_and_all_bad_lines_are_named(market: Any) -> None:
    account, elsewhere = market.account(), market.account(bank="B002")

    refused = send(market, (account, 100), (UNKNOWN, 5), (elsewhere, 7), ("S00-00000005-41", 1))

    assert isinstance(refused, Refused)
    assert [(error.line, error.reason) for error in refused.errors] == [
        (2, Reason.TARGET_UNKNOWN),
        (3, Reason.BANK_UNKNOWN),
        (4, Reason.TARGET_UNKNOWN),
    ]
    assert market.cash(account) == 0


def test_amounts_that_are_no_whole_fen_are_refused_line_by_line(market: Any) -> None:
    account = market.account()

    refused = send(market, (account, 0), (account, 1.5), (account, True), (7, 1), (account, 10))

    assert isinstance(refused, Refused)
    assert [error.line for error in refused.errors] == [1, 2, 3, 4]


def test_money_for_an_account_that_the_registry_does_not_know_goes_back(market: Any) -> None:
    answer = market.deposit(UNKNOWN, 100, message_id="M-9")

    assert answer.status_code == 422
    assert answer.json()["state"] == "reversed"
    assert market.bank_http.get("/sim/balances").json()["total_fen"] == 0
