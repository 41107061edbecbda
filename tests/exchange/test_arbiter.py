"""Two lines to one stream, whatever order they bring it in."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.exchange import arbiter as module
from core.exchange.arbiter import Arbiter, Conflict
from core.exchange.recovery import ALARM_AFTER, GapRequests


def _items(*seqs: int) -> list[tuple[int, str]]:
    return [(seq, f"body {seq}") for seq in seqs]


def _seqs(arbiter: Arbiter, limit: int = 1000) -> list[int]:
    return [seq for seq, _, _ in arbiter.ready(limit)]


def test_whichever_line_is_first_wins_and_the_copy_is_dropped() -> None:
    arbiter = Arbiter(1)
    assert arbiter.offer("A", _items(1, 2)).duplicates == 0
    assert arbiter.offer("B", _items(1, 2, 3)).duplicates == 2
    assert arbiter.ready(10) == [(1, "body 1", "A"), (2, "body 2", "A"), (3, "body 3", "B")]
    assert arbiter.offer("A", _items(3)).duplicates == 1


def test_a_number_with_another_body_is_a_conflict_before_and_after_it_was_handed_out() -> None:
    arbiter = Arbiter(1)
    arbiter.offer("A", _items(1, 2))
    assert arbiter.offer("B", [(2, "lie")]).conflicts == [Conflict(2, "body 2", "lie")]
    arbiter.ready(10)
    assert arbiter.offer("B", [(1, "lie")]).conflicts == [Conflict(1, "body 1", "lie")]


def test_a_gap_holds_back_what_comes_after_it_until_it_is_filled() -> None:
    arbiter = Arbiter(1)
    arbiter.offer("A", _items(1, 4, 5))
    assert _seqs(arbiter) == [1]
    assert (arbiter.missing(), arbiter.is_missing_everywhere) == ((2, 3), True)
    arbiter.announce("B", 1)
    assert not arbiter.is_missing_everywhere, "line B may still bring it"
    arbiter.offer("B", _items(2, 3))
    assert arbiter.missing() is None
    assert _seqs(arbiter) == [2, 3, 4, 5]


def test_a_loss_at_the_tail_is_found_from_what_the_exchange_says_it_sent() -> None:
    arbiter = Arbiter(1)
    arbiter.offer("A", _items(1))
    _seqs(arbiter)
    assert arbiter.missing() is None
    arbiter.announce("A", 3)
    assert arbiter.missing() == (2, 3)
    arbiter.forget("A")
    assert arbiter.missing() is None


def test_numbers_older_than_memory_are_left_to_the_database() -> None:
    arbiter = Arbiter(100)
    assert arbiter.offer("A", _items(99)).unverified == _items(99)


def test_memory_is_bounded_whatever_comes() -> None:
    arbiter = Arbiter(1)
    arbiter.offer("A", ((seq, "x") for seq in range(2, module.PENDING_MAX + 100)))
    assert len(arbiter._pending) == module.PENDING_MAX
    arbiter.offer("B", _items(1))
    while arbiter.has_ready:
        arbiter.ready(5000)
    assert arbiter.next_seq == module.PENDING_MAX + 2, "what did not fit is missing, and will be asked for"
    assert arbiter.missing() is not None
    arbiter.offer("A", ((seq, "x") for seq in range(arbiter.next_seq, arbiter.next_seq + 200)))
    arbiter.ready(1000)
    assert len(arbiter._recent) <= module.RECENT_MAX


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_any_order_over_two_lines_gives_every_number_once_and_in_order(seed: int, count: int) -> None:
    dice = random.Random(seed)
    arbiter, out, copies = Arbiter(1), [], 0
    queues = {line: _items(*range(1, count + 1)) for line in "AB"}
    dice.shuffle(queues["B"])
    while any(queues.values()):
        line = dice.choice([name for name, queue in queues.items() if queue])
        taken = dice.randint(1, 5)
        copies += arbiter.offer(line, queues[line][:taken]).duplicates
        del queues[line][:taken]
        if dice.random() < 0.5:
            out += _seqs(arbiter, dice.randint(1, 10))
    assert out + _seqs(arbiter) == list(range(1, count + 1))
    assert copies == count


def test_a_gap_is_asked_for_at_once_when_no_line_can_bring_it_and_then_ever_less_often() -> None:
    gaps, asked = GapRequests(), []
    for tenth in range(600):
        now = tenth / 10
        if gaps.is_due((5, 6), everywhere=True, now=now):
            asked.append(now)
    assert asked[:5] == [0.0, 0.5, 1.5, 3.5, 7.5]
    assert max(later - earlier for earlier, later in pairwise(asked)) <= 10.1
    assert gaps.is_alarming
    assert len(asked) > ALARM_AFTER
    assert not gaps.is_due(None, everywhere=False, now=60.0)


def test_a_gap_that_the_other_line_may_fill_is_given_a_moment() -> None:
    gaps = GapRequests()
    assert not gaps.is_due((5, 6), everywhere=False, now=0.0)
    assert not gaps.is_due((5, 6), everywhere=False, now=0.9)
    assert gaps.is_due((5, 6), everywhere=False, now=1.1)
