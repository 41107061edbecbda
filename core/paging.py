"""Pages of what can grow: one row more than asked for is read, so that ``next`` never leads to an empty page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from core.refusals import Reason, Refused

Row = TypeVar("Row")

NO_CURSOR = Refused(Reason.MALFORMED, "after: what `next` of the page before said.")
"""The refusal of a cursor that no page gave."""

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def page(rows: Sequence[Row], limit: int, key: Callable[[Row], object]) -> tuple[Sequence[Row], str | None]:
    """Cut ``limit + 1`` rows, or all there are, to a page; with the cursor of the page after, when there is one."""
    return (rows, None) if len(rows) <= limit else (rows[:limit], str(key(rows[limit - 1])))


def read_cursor(after: str, parts: int = 1) -> tuple[int, ...] | Refused:
    """Read a cursor of whole numbers joined by ``-``; nothing said is noughts, the beginning."""
    if not after:
        return (0,) * parts
    found = after.split("-")
    if len(found) != parts or not all(_NUMBER.fullmatch(one) for one in found):
        return NO_CURSOR
    return tuple(int(one) for one in found)
