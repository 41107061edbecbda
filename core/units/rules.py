"""How blocks of serial numbers are cut, handed on and joined again: nothing overlaps, nothing is missing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.quantities import SerialRange


class UnitsShortError(Exception):
    """A holder has fewer serials than it must give: the two accountings disagree, which is a fault."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A run of serials that goes from one holder to another."""

    serials: SerialRange
    giver: str
    taker: str


Bounds = tuple[int, int]
"""A block as the half-open range of integers that the database stores: many moves at once count in these."""


class Shelf:
    """What one holder has of one vintage while moves are decided: blocks in order, joined where they touch."""

    def __init__(self, blocks: Iterable[Bounds] = ()) -> None:
        self.blocks: list[Bounds] = []
        for low, high in blocks:
            self.put(low, high)

    def take(self, tonnes: int) -> list[Bounds]:
        """Cut the lowest serials off."""
        taken: list[Bounds] = []
        whole, wanted = 0, tonnes
        while wanted:
            if whole == len(self.blocks):
                raise UnitsShortError(f"{wanted} t of {tonnes} t are missing")
            low, high = self.blocks[whole]
            if high - low > wanted:
                self.blocks[whole] = (low + wanted, high)
                high = low + wanted
            else:
                whole += 1
            taken.append((low, high))
            wanted -= high - low
        del self.blocks[:whole]
        return taken

    def put(self, low: int, high: int) -> None:
        """Add a block and join it with its neighbours."""
        at = first = bisect_left(self.blocks, (low, high))
        if at and self.blocks[at - 1][1] == low:
            first, low = at - 1, self.blocks[at - 1][0]
        if at < len(self.blocks) and self.blocks[at][0] == high:
            high = self.blocks[at][1]
            at += 1
        self.blocks[first:at] = [(low, high)]


def take(blocks: Iterable[SerialRange], tonnes: int) -> tuple[list[SerialRange], list[SerialRange]]:
    """Cut the lowest serials off the blocks of one vintage; return what was taken and what is left."""
    taken: list[SerialRange] = []
    left: list[SerialRange] = []
    wanted = tonnes
    for block in sorted(blocks):
        if wanted >= block.tonnes:
            taken.append(block)
            wanted -= block.tonnes
        elif wanted:
            low, high = block.split(wanted)
            taken.append(low)
            left.append(high)
            wanted = 0
        else:
            left.append(block)
    if wanted:
        raise UnitsShortError(f"{wanted} t of {tonnes} t are missing")
    return taken, left


def cut_out(blocks: Iterable[SerialRange], wanted: Iterable[SerialRange]) -> list[SerialRange]:
    """Take exactly these serials out of a holder's blocks; return what is left."""
    left = sorted(blocks)
    for piece in wanted:
        around = next((b for b in left if b.vintage == piece.vintage and b.first <= piece.first <= b.last), None)
        if around is None or around.last < piece.last:
            raise UnitsShortError(f"{piece} is not all there")
        left.remove(around)
        if around.first < piece.first:
            left.append(SerialRange(piece.vintage, around.first, piece.first - 1))
        if piece.last < around.last:
            left.append(SerialRange(piece.vintage, piece.last + 1, around.last))
    return sorted(left)


def merge(blocks: Iterable[SerialRange]) -> list[SerialRange]:
    """Join blocks that touch; the result is in order of serials."""
    joined: list[SerialRange] = []
    for block in sorted(blocks):
        before = joined[-1] if joined else None
        if before is not None and before.vintage == block.vintage and before.last + 1 == block.first:
            joined[-1] = SerialRange(block.vintage, before.first, block.last)
        else:
            joined.append(block)
    return joined


def hand_over(pool: Sequence[tuple[SerialRange, str]], takers: Sequence[tuple[str, int]]) -> list[Handover]:
    """Give the pool's serials, lowest first, to the takers in their order; both must have the same tonnes."""
    if sum(block.tonnes for block, _ in pool) != sum(tonnes for _, tonnes in takers):
        raise ValueError("what is given and what is taken are not the same number of tonnes")
    waiting = sorted(pool, reverse=True)
    made: list[Handover] = []
    for taker, tonnes in takers:
        wanted = tonnes
        while wanted:
            block, giver = waiting.pop()
            if block.tonnes > wanted:
                block, rest = block.split(wanted)
                waiting.append((rest, giver))
            made.append(Handover(block, giver, taker))
            wanted -= block.tonnes
    return made


def rearrange(
    held: Mapping[str, Sequence[SerialRange]], *, gives: Mapping[str, int], takes: Sequence[tuple[str, int]]
) -> tuple[dict[str, list[SerialRange]], list[Handover]]:
    """Move tonnes of one vintage among holders; return everybody's blocks afterwards and each handover.

    Every giver gives its lowest serials into a pool, from which the takers take the lowest in their order.
    """
    after = {holder: list(blocks) for holder, blocks in held.items()}
    pool: list[tuple[SerialRange, str]] = []
    for giver, tonnes in gives.items():
        taken, after[giver] = take(after.get(giver, ()), tonnes)
        pool.extend((block, giver) for block in taken)
    handovers = hand_over(pool, takes)
    for handover in handovers:
        after.setdefault(handover.taker, []).append(handover.serials)
    return {holder: merge(blocks) for holder, blocks in after.items()}, handovers
