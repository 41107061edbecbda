"""The settlement bank's own books: hold all or nothing, release once, forget nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.simulators.bank_book import Book, ContradictionError

A, B = "E42-00001001-19", "E42-00001002-16"
AT = "2021-07-16T09:00:00+08:00"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "bank.journal"


def book(journal: Path, **balances: int) -> Book:
    made = Book(journal)
    for account, fen in ((A, balances.get("a", 0)), (B, balances.get("b", 0))):
        if fen:
            made.deposit(f"D-{account}", [(account, fen)], at=AT)
    return made


def test_a_held_order_moves_nothing_until_it_is_released_once(journal: Path) -> None:
    bank = book(journal, a=100)

    assert bank.order("NET-1", "x", [(A, -60), (B, 60)]).refused == {}
    assert bank.snapshot() == (100, {A: 100})
    assert bank.release("NET-1")
    assert bank.release("NET-1")
    assert bank.snapshot() == (100, {A: 40, B: 60})
    bank.close()


def test_what_is_held_cannot_be_held_again(journal: Path) -> None:
    bank = book(journal, a=100)
    bank.order("NET-1", "x", [(A, -60), (B, 60)])

    assert bank.order("NET-2", "y", [(A, -41), (B, 41)]).refused == {A: "AM04"}
    assert not bank.release("NET-2")
    bank.close()


def test_an_order_with_one_bad_line_holds_nothing(journal: Path) -> None:
    bank = book(journal, a=100)

    refused = bank.order("NET-1", "x", [(A, -60), (B, -1), ("nobody", 61)]).refused

    assert refused == {B: "AC02", "nobody": "AC03"}
    assert bank.order("NET-2", "y", [(A, -100), (B, 100)]).refused == {}
    bank.close()


def test_the_same_id_is_answered_alike_and_never_with_other_content(journal: Path) -> None:
    bank = book(journal, a=100)
    first = bank.order("NET-1", "x", [(A, -60), (B, 60)])

    assert bank.order("NET-1", "x", [(A, -60), (B, 60)]) is first
    with pytest.raises(ContradictionError):
        bank.order("NET-1", "z", [(A, -61), (B, 61)])
    with pytest.raises(ContradictionError):
        bank.deposit(f"D-{A}", [(A, 101)], at=AT)
    bank.close()


def test_a_restart_forgets_nothing_even_when_the_last_line_is_torn(journal: Path) -> None:
    bank = book(journal, a=100, b=1)
    bank.order("NET-1", "x", [(A, -60), (B, 60)])
    bank.release("NET-1")
    bank.order("NET-2", "y", [(A, -40), (B, 40)])
    bank.close_deposit(f"D-{A}", notified=True, answer={"ok": True})
    bank.adjust(B, 5)
    bank.close()
    with journal.open("ab") as torn:
        torn.write(b'{"event":"deposit","id":"D-')

    again = Book(journal)

    assert again.snapshot() == (106, {A: 40, B: 66})
    assert [name for name, _ in again.open_notices()] == [f"D-{B}"]
    assert again.order("NET-3", "z", [(A, -1), (B, 1)]).refused == {A: "AM04"}
    again.close()
    once_more = Book(journal)
    assert once_more.snapshot() == (106, {A: 40, B: 66})
    once_more.close()
