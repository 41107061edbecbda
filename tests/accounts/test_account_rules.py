"""Account numbers and applications."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.accounts.rules import (
    Account,
    Application,
    check,
    judge_batch,
    number_of,
    read_application,
    vintage_of,
)
from core.ledger.rules import SYSTEM_OWNERS, Place, Transfer, is_amount, place_of
from core.quantities import MAX_AMOUNT, Vintage
from core.refusals import LineError, Reason, Refused

GIVER, TAKER = number_of("E", "42", 1), number_of("I", "31", 2)
AT = datetime(2021, 7, 16, tzinfo=UTC)


def account(number: str, state: str = "OPEN") -> Account:
    return Account(
        number=number, name="A firm", credit_code=None, state=state, bank="B001", applied_at=AT, opened_at=None
    )


def test_the_registry_s_own_accounts_have_the_numbers_of_the_migrations() -> None:
    ours = {number_of("S", "00", serial) for serial in range(1, 8)}
    assert ours == SYSTEM_OWNERS


@given(st.sampled_from("EIPS"), st.integers(0, 99), st.integers(1, 10**8 - 1))
def test_every_number_checks(kind: str, province: int, serial: int) -> None:
    assert check(number_of(kind, f"{province:02d}", serial))


@given(st.integers(1, 10**8 - 1), st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_never_checks(serial: int, place: int, by: int) -> None:
    right = number_of("E", "42", serial)
    at = 4 + place
    assert not check(right[:at] + str((int(right[at]) + by) % 10) + right[at + 1 :])


@given(st.integers(1, 10**8 - 1), st.integers(0, 6))
def test_two_neighbours_exchanged_never_check(serial: int, place: int) -> None:
    right, at = number_of("E", "42", serial), 4 + place
    wrong = right[:at] + right[at + 1] + right[at] + right[at + 2 :]
    assert wrong == right or not check(wrong)


@pytest.mark.parametrize(
    "text", ["", "E42", "X42-00000001-00", "E42-00000001-53\n", "E٤٢-00000001-53", "e42-00000001-11"]
)
def test_what_does_not_look_like_a_number_does_not_check(text: str) -> None:
    assert not check(text)


@pytest.mark.parametrize(
    ("kind", "province", "serial"), [("X", "42", 1), ("E", "4", 1), ("E", "42", 0), ("E", "42", 10**8)]
)
def test_no_number_is_made_of_nonsense(kind: str, province: str, serial: int) -> None:
    with pytest.raises(ValueError, match="no account number"):
        number_of(kind, province, serial)


GOOD = {"name": "湖北发电有限公司", "kind": "E", "province": "42", "credit_code": "91420000MA4KXXXX0A", "bank": "B001"}


def test_a_good_application_is_read() -> None:
    assert read_application(GOOD) == Application("E", "42", GOOD["name"], GOOD["credit_code"], "B001")
    assert read_application({"name": "X", "kind": "P", "province": "31"}) == Application("P", "31", "X", None, "B001")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", None, Reason.MALFORMED),
        ("name", " ", Reason.MALFORMED),
        ("name", "a\x00b", Reason.MALFORMED),
        ("name", "\ud800", Reason.MALFORMED),
        ("name", "x" * 201, Reason.MALFORMED),
        ("name", ["x"], Reason.MALFORMED),
        ("kind", "S", Reason.MALFORMED),
        ("kind", {"a": 1}, Reason.MALFORMED),
        ("province", 42, Reason.MALFORMED),
        ("province", "4２", Reason.MALFORMED),
        ("credit_code", "short", Reason.MALFORMED),
        ("credit_code", 5, Reason.MALFORMED),
        ("bank", "B999", Reason.BANK_UNKNOWN),
        ("bank", None, Reason.BANK_UNKNOWN),
        ("bank", [], Reason.BANK_UNKNOWN),
    ],
)
def test_a_wrong_field_is_refused_by_name(field: str, value: object, reason: Reason) -> None:
    refused = read_application({**GOOD, field: value})
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_a_batch_names_every_wrong_line() -> None:
    good = Application("E", "42", "X", "91420000MA4KXXXX0A", "B001")
    read = [good, Refused(Reason.MALFORMED, "name"), good, Application("E", "42", "Y", "TAKEN", "B001")]
    refused = judge_batch(read, taken={"TAKEN"})

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.MALFORMED
    assert refused.errors == (
        LineError(2, Reason.MALFORMED, "name"),
        LineError(3, Reason.SUBJECT_HAS_ACCOUNT, "91420000MA4KXXXX0A"),
        LineError(4, Reason.SUBJECT_HAS_ACCOUNT, "TAKEN"),
    )


NUMBERS_THAT_ARE_NO_QUANTITY = [
    0,
    -1,
    True,
    1.0,
    0.5,
    "1",
    None,
    [],
    MAX_AMOUNT + 1,
    10**400,
    float("nan"),
    float("inf"),
]


@pytest.mark.parametrize("value", NUMBERS_THAT_ARE_NO_QUANTITY)
def test_only_positive_whole_numbers_in_range_are_amounts(value: object) -> None:
    assert not is_amount(value)


def test_the_largest_amount_the_database_can_write_is_an_amount() -> None:
    assert is_amount(MAX_AMOUNT)


@pytest.mark.parametrize("asset", ["CEA-1999", "CEA-2019\n", "CEA-２０１９", "cea-2019", "CNY", None, 2019])
def test_only_a_product_has_a_vintage(asset: object) -> None:
    assert vintage_of(asset) is None
    assert vintage_of("CEA-2019") == Vintage(2019)


def test_a_transfer_that_makes_no_sense_cannot_even_be_written_down() -> None:
    here, there = place_of(GIVER, "CNY"), place_of(TAKER, "CNY")
    for debit, credit, amount in [
        (here, here, 1),
        (here, there, 0),
        (here, there, True),
        (here, Place(TAKER, "CEA-2019", "available"), 1),
    ]:
        with pytest.raises(ValueError, match="a transfer"):
            Transfer("x", debit, credit, amount, "TRANSFER", "r")
