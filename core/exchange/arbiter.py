"""Two lines to one ordered stream by ApplSeqNum: whichever line has the lowest missing number first wins (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

PENDING_MAX = 50_000
"""Numbers held above a gap; what comes beyond is dropped and asked for again. About 10 MB."""
RECENT_MAX = 50_000
"""Numbers below the next one whose bodies are still here to compare a second copy with. About 10 MB."""

Body = str
"""What must be equal on both lines: the canonical row and the reference of a cancel or correction."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One number, two bodies."""

    seq: int
    known: Body
    other: Body


@dataclass(slots=True)
class Offered:
    """What one offer led to; ``unverified`` are copies of numbers too old to be compared here."""

    duplicates: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    unverified: list[tuple[int, Body]] = field(default_factory=list)


class Arbiter:
    """Orders one stream; ``next_seq`` is the lowest number not yet handed out by ``ready``."""

    def __init__(self, next_seq: int) -> None:
        self.next_seq = next_seq
        self.last: dict[str, int] = {}
        self._pending: dict[int, tuple[Body, str]] = {}
        self._recent: dict[int, Body] = {}

    def offer(self, line: str, items: Iterable[tuple[int, Body]]) -> Offered:
        """Take numbered bodies from a line, in the order they arrived."""
        result = Offered()
        pending, next_seq, highest = self._pending, self.next_seq, self.last.get(line, 0)
        for seq, body in items:
            highest = max(highest, seq)
            if seq < next_seq:
                known = self._recent.get(seq)
                if known is None:
                    result.unverified.append((seq, body))
                    continue
            elif seq in pending:
                known = pending[seq][0]
            else:
                if len(pending) < PENDING_MAX or seq == next_seq:
                    pending[seq] = (body, line)
                continue
            if known == body:
                result.duplicates += 1
            else:
                result.conflicts.append(Conflict(seq, known, body))
        self.last[line] = highest
        return result

    def announce(self, line: str, last: int) -> None:
        """Note the last number the exchange says it has sent on this line: a loss at the tail is a gap too."""
        self.last[line] = max(self.last.get(line, 0), last)

    def forget(self, line: str) -> None:
        """Drop what was known about a line whose session or subscription ended."""
        self.last.pop(line, None)

    def ready(self, limit: int) -> list[tuple[int, Body, str]]:
        """Hand out the next numbers without a hole, each with the line that had it first."""
        out: list[tuple[int, Body, str]] = []
        while len(out) < limit:
            found = self._pending.pop(self.next_seq, None)
            if found is None:
                break
            out.append((self.next_seq, *found))
            self._recent[self.next_seq] = found[0]
            self._recent.pop(self.next_seq - RECENT_MAX, None)
            self.next_seq += 1
        return out

    @property
    def has_ready(self) -> bool:
        """Tell whether ``ready`` would hand anything out."""
        return self.next_seq in self._pending

    def missing(self) -> tuple[int, int] | None:
        """Return the first missing numbers, if any line has gone past them."""
        if not self.last or self.next_seq in self._pending or max(self.last.values()) < self.next_seq:
            return None
        return self.next_seq, min(self._pending) - 1 if self._pending else max(self.last.values())

    @property
    def is_missing_everywhere(self) -> bool:
        """Tell whether no live line can still bring the next number by itself."""
        return bool(self.last) and min(self.last.values()) >= self.next_seq
