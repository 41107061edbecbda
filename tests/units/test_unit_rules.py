"""Blocks of serials: cut, handed on, joined; nothing overlaps and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.quantities import SerialRange, Vintage
from core.units.rules import UnitsShortError, hand_over, merge, rearrange, take

V = Vintage(2019)


def block(first: int, last: int) -> SerialRange:
    return SerialRange(V, first, last)


def test_the_lowest_serials_go_first_and_the_last_block_is_split() -> None:
    assert take([block(21, 30), block(1, 10)], 12) == ([block(1, 10), block(21, 22)], [block(23, 30)])


def test_blocks_that_touch_become_one() -> None:
    assert merge([block(11, 20), block(1, 10), block(22, 30)]) == [block(1, 20), block(22, 30)]


def test_blocks_of_two_vintages_never_become_one() -> None:
    other = SerialRange(Vintage(2020), 11, 20)
    assert merge([block(1, 10), other]) == [block(1, 10), other]


def test_more_than_there_is_cannot_be_taken() -> None:
    with pytest.raises(UnitsShortError, match="5 t of 15 t"):
        take([block(1, 10)], 15)


def test_a_handover_that_does_not_add_up_is_a_fault() -> None:
    with pytest.raises(ValueError, match="not the same"):
        hand_over([(block(1, 10), "a")], [("b", 9)])


def test_takers_draw_the_lowest_serials_of_the_pool_in_their_order() -> None:
    held = {"s": [block(11, 20)], "t": [block(1, 10)]}
    after, handovers = rearrange(held, gives={"s": 5, "t": 5}, takes=[("a", 7), ("b", 3)])

    assert after == {
        "s": [block(16, 20)],
        "t": [block(6, 10)],
        "a": [block(1, 5), block(11, 12)],
        "b": [block(13, 15)],
    }
    assert [(str(h.serials.first), h.giver, h.taker) for h in handovers] == [
        ("1", "t", "a"),
        ("11", "s", "a"),
        ("13", "s", "b"),
    ]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 20), st.sampled_from("abc")), min_size=1, max_size=15),
    share=st.lists(st.integers(0, 100), min_size=3, max_size=3),
    cuts=st.lists(st.integers(1, 30), max_size=5),
)
def test_no_rearrangement_loses_doubles_or_invents_a_serial(
    sizes: list[tuple[int, str]], share: list[int], cuts: list[int]
) -> None:
    held: dict[str, list[SerialRange]] = {"a": [], "b": [], "c": []}
    position = 1
    for size, holder in sizes:
        held[holder].append(block(position, position + size - 1))
        position += size
    gives = {
        holder: sum(b.tonnes for b in blocks) * percent // 100
        for (holder, blocks), percent in zip(held.items(), share, strict=True)
    }
    rest, takes = sum(gives.values()), []
    for n, cut in enumerate(cuts):
        takes.append((f"t{n}", min(cut, rest)))
        rest -= min(cut, rest)
    takes.append(("tz", rest))
    takes = [(taker, tonnes) for taker, tonnes in takes if tonnes]

    after, handovers = rearrange(held, gives=gives, takes=takes)

    everything = sorted(b for blocks in after.values() for b in blocks)
    assert merge(everything) == [block(1, position - 1)]
    assert sum(b.tonnes for b in everything) == position - 1
    for taker, tonnes in takes:
        assert sum(b.tonnes for b in after[taker]) == tonnes
    for holder, tonnes in gives.items():
        assert sum(h.serials.tonnes for h in handovers if h.giver == holder) == tonnes
        assert merge(after[holder]) == after[holder]
