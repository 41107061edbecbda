"""A province is one of GB/T 2260 wherever it is named, never just any two digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.accounts.rules import read_application
from core.accounts.search.rules import read_wanted
from core.allocation.uploads import read_plan
from core.authority.rules import read_move
from core.provinces import PROVINCES, is_province
from core.refusals import Reason, Refused
from deploy.demo import plan

FIRM = {"name": "A firm", "kind": "E"}
PLAN: dict[str, Any] = {"product": "CEA-2019", "plan": "p", "lines": [{"account": "E42-00001001-60", "tonnes": 1}]}
MOVE = {"account": "E42-00001001-60", "from_day": "2021-08-01", "reason": "moved"}

READERS: dict[str, Callable[[object], object]] = {
    "an application": lambda province: read_application(FIRM | {"province": province}),
    "a search": lambda province: read_wanted({"province": province}),
    "a plan": lambda province: read_plan(PLAN | {"province": province}),
    "a change of hands": lambda province: read_move(MOVE | {"province": province}),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("province", ["00", "16", "71", "99", "4２", "420", "42\n", 42])
def test_two_digits_that_are_no_province_are_refused(reader: str, province: object) -> None:
    refused = READERS[reader](province)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.MALFORMED
    assert "province" in refused.detail


@pytest.mark.parametrize("reader", READERS)
def test_every_province_is_taken(reader: str) -> None:
    assert [code for code in PROVINCES if isinstance(READERS[reader](code), Refused)] == []


def test_the_firms_of_the_demonstration_are_in_real_provinces() -> None:
    assert all(is_province(province) for province in plan.PROVINCES)
