"""What a task holds is read again when it is carried out; that it cannot be is a fault of ours, not an answer."""

from __future__ import annotations

from typing import Any

import pytest

from core.approvals import service as approvals
from core.approvals.service import UnreadableTaskError
from core.callers import Caller

ANN = Caller("ann", frozenset({"maker"}))
KINDS = (
    "account_control",
    "account_operator",
    "account_state",
    "cancel_units",
    "carry_over",
    "carry_over_rule",
    "close_break",
    "compliance_year",
    "emissions",
    "merger",
    "move_province",
    "surrender",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_cannot_be_read_any_more_is_a_fault_with_its_id_whatever_its_kind(office: Any, kind: str) -> None:
    odd = {"account": "E42-00001001-60", "tonnes_max": "many"}
    proposed = office.write(lambda c: approvals.propose(c, ANN, kind=kind, payload=odd, subject="test"))
    task = proposed.body["id"]
    with pytest.raises(UnreadableTaskError, match=task):
        office.approve(task)
    assert office.task(task)["state"] == "AWAITING_APPROVAL"
