"""What one subject of the registry allows must be possible as another one leaves things."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worked.registry import CHECKER, HUBEI, SHANGHAI, Person, Subject, Year


def firm(year: Year, name: str, province: str) -> Subject:
    """Open the account of a firm whose holder is not needed here."""
    asked = year.post("/v1/accounts", {"name": name, "kind": "E", "province": province})
    year.approve(asked, CHECKER)
    return Subject(asked["account"]["number"], Person("nobody", ("holder",)))


@pytest.fixture
def firms(year: Any) -> tuple[Subject, Subject]:
    """Two firms of Hubei with 100 t each, and a market that waits for its first day."""
    both = firm(year, "One", "42"), firm(year, "Other", "42")
    lines = [{"account": one.number, "tonnes": 100} for one in both]
    year.done("/v1/allocations", {"product": "CEA-2019", "plan": "first", "lines": lines})
    year.morning("2021-07-16", tonnes=0, fen=0)
    return both


def test_an_allocation_is_taken_back_until_trading_starts(
    year: Any, firms: tuple[Subject, Subject], sound: Any
) -> None:
    """From the first day on there is always a next day whose opening data are sent: it must not stand in the way."""
    one, other = firms
    plan = {"product": "CEA-2019", "kind": "take_back", "follows": 1}
    year.done("/v1/allocations", plan | {"plan": "early", "lines": [{"account": one.number, "tonnes": 30}]})

    year.at("2021-07-16 09:30")

    assert year.get("/v1/days/2021-07-16")["state"] == "TRADING"
    # The exchange knows 100 + 100 - 30 t: it was sent a second version of the opening data.
    assert (year.floor.opening.version, year.floor.opening.totals["CEA-2019"]) == (2, 170)
    late = plan | {"plan": "late", "lines": [{"account": other.number, "tonnes": 30}]}
    assert year.refused("/v1/allocations", late)[0] == "1003"
    year.read(sound)


def test_a_province_foresees_what_it_may_propose_and_nothing_of_another(
    year: Any, firms: tuple[Subject, Subject]
) -> None:
    one, other = firms
    wishes = {
        "/v1/surrenders": {"account": one.number, "product": "CEA-2019", "tonnes": 40, "year": 2020},
        "/v1/carry-overs": {"account": one.number, "product": "CEA-2019", "tonnes": 40},
        "/v1/offsets": {"account": one.number, "year": 2020, "lots": ["00000000-0000-4000-8000-000000000000"]},
        "/v1/successions": {
            "kind": "merger", "account": one.number, "into_account": other.number, "document": "M-1",
        },
    }  # fmt: skip
    for path, wish in wishes.items():
        theirs = year.foresee(path, wish, SHANGHAI)
        assert theirs.json()["code"] == "9001", path
        assert one.number in theirs.json()["detail"], path
        foreseen, proposed = year.foresee(path, wish, HUBEI), year.send(path, wish, HUBEI)
        assert foreseen.json().get("code") == proposed.json().get("code"), path
        if proposed.is_success:
            year.post(f"/v1/tasks/{proposed.json()['id']}/withdraw", {}, HUBEI)
