"""The order in which a transfer is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.accounts.rules import Account, Side, number_of
from core.ledger.rules import SYSTEM_OWNERS
from core.quantities import MAX_AMOUNT
from core.refusals import Reason, Refused
from core.transfers.rules import decide_transfer, read_order

GIVER, TAKER = number_of("E", "42", 1), number_of("I", "31", 2)
AT = datetime(2021, 7, 16, tzinfo=UTC)


def account(number: str, state: str = "OPEN") -> Account:
    return Account(
        number=number, name="A firm", credit_code=None, state=state, bank="B001", applied_at=AT, opened_at=None
    )


# Each row breaks one more rule than the row below it; the topmost reason wins.
REFUSALS = [
    ({"source": None}, Reason.SOURCE_UNKNOWN),
    ({"source": "APPLIED"}, Reason.SOURCE_NOT_OPEN),
    ({"with_exchange": True}, Reason.SOURCE_WITH_EXCHANGE),
    ({"free": False}, Reason.TRANSFER_CLOSED),
    ({"target": None}, Reason.TARGET_UNKNOWN),
    ({"target": "CLOSED"}, Reason.TARGET_NOT_OPEN),
    ({"amount": 0}, Reason.QUANTITY_INVALID),
    ({"target_has": MAX_AMOUNT, "amount": 11}, Reason.QUANTITY_INVALID),
    ({"known": False}, Reason.PRODUCT_UNKNOWN),
    ({"amount": 11}, Reason.INSUFFICIENT_UNITS),
]


@pytest.mark.parametrize("first", range(len(REFUSALS)))
def test_the_first_reason_in_precedence_refuses_a_transfer(first: int) -> None:
    facts: dict[str, object] = {}
    for broken, _ in reversed(REFUSALS[first:]):
        facts |= broken
    decision = decide(facts)

    assert isinstance(decision, Refused)
    assert decision.reason == REFUSALS[first][1]


def test_the_published_order_of_reasons_is_the_order_of_the_table() -> None:
    order = [list(Reason).index(reason) for _, reason in REFUSALS]
    assert order == sorted(order)


def decide(facts: dict[str, object]) -> int | Refused:
    states = {"source": facts.get("source", "OPEN"), "target": facts.get("target", "OPEN")}
    sides = {side: account(GIVER, str(state)) if state else None for side, state in states.items()}
    order = read_order(
        {"from_account": GIVER, "to_account": TAKER, "asset": "CEA-2019", "amount": facts.get("amount", 10)}
    )
    assert not isinstance(order, Refused)
    target_has = facts.get("target_has", 0)
    assert isinstance(target_has, int)
    return decide_transfer(
        order,
        source=Side(sides["source"], 10),
        target=Side(sides["target"], target_has),
        with_exchange=bool(facts.get("with_exchange", False)),
        known_product=bool(facts.get("known", True)),
        free_transfers=bool(facts.get("free", True)),
    )


def test_all_that_is_there_may_move() -> None:
    assert decide({}) == 10


def test_a_transfer_has_two_accounts_of_subjects() -> None:
    ours = min(SYSTEM_OWNERS)
    for giver, taker, reason in [(GIVER, GIVER, Reason.TARGET_IS_SOURCE), (GIVER, ours, Reason.ACCOUNT_KIND),
                                 (ours, TAKER, Reason.ACCOUNT_KIND)]:  # fmt: skip
        order = read_order({"from_account": giver, "to_account": taker, "asset": "CNY", "amount": 1})
        assert not isinstance(order, Refused)
        sides = {"source": Side(account(giver), 9), "target": Side(account(taker), 0)}
        refused = decide_transfer(order, **sides, with_exchange=False, known_product=True, free_transfers=True)
        assert isinstance(refused, Refused)
        assert refused.reason == reason
