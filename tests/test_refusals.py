"""Refusals are published: each has a code of its own, in its family, with a status and a next step."""

from __future__ import annotations

from collections import Counter

import pytest

from core.refusals import Reason


def test_no_two_refusals_share_a_code() -> None:
    assert [code for code, count in Counter(reason.code for reason in Reason).items() if count > 1] == []


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.name)
def test_a_refusal_says_what_is_wrong_and_what_to_do_next(reason: Reason) -> None:
    assert len(reason.code) == 4
    assert reason.code.isdigit()
    assert "1" <= reason.code[0] <= "9"
    assert reason.sentence.endswith(".")
    assert reason.next_step.endswith(".")
    assert 400 <= reason.http_status < 600
