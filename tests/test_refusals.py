"""Refusals are published: each has a code of its own, in its family, with a status and a next step."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from core import refusals
from core.refusals import Reason

CORE = Path(refusals.__file__).parent


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


def test_the_order_of_the_refusals_is_by_family_and_then_by_number() -> None:
    # Refused.of_lines lets the first reason in this order speak for all lines.
    families = "981234567"
    codes = [reason.code for reason in Reason]
    assert codes == sorted(codes, key=lambda code: (families.index(code[0]), code))


def test_no_refusal_is_published_that_nothing_gives() -> None:
    said = {
        name for path in CORE.rglob("*.py") for name in re.findall(r"\bReason\.([A-Z0-9_]+)", path.read_text("utf-8"))
    }
    assert {reason.name for reason in Reason} - said == set()
