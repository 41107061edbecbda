"""The offset registry's own books: who holds which units of which project, and what is frozen for whom."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FROZEN, CANCELLED, RELEASED, REFUSED = "FROZEN", "CANCELLED", "RELEASED", "REFUSED"


class ContradictionError(Exception):
    """A lot came again with other content."""


@dataclass(frozen=True, slots=True)
class Units:
    """Serials of one project, both ends included."""

    project: str
    first: int
    last: int

    def overlaps(self, other: Units) -> bool:
        """Tell whether both name some unit."""
        return self.project == other.project and self.first <= other.last and other.first <= self.last

    def within(self, other: Units) -> bool:
        """Tell whether all of these are among the others."""
        return self.project == other.project and other.first <= self.first and self.last <= other.last


@dataclass(slots=True)
class Lot:
    """Units frozen for one purpose; ``asked`` is the freeze as it came."""

    account: str
    units: Units | None
    state: str
    until: str
    asked: dict[str, Any]
    detail: str = ""


class Book:
    """Holdings and lots. Every change is in the journal, and on the disk, before it is answered."""

    def __init__(self, journal: Path) -> None:
        self._lock = threading.RLock()
        self.held: list[tuple[str, Units]] = []
        self.lots: dict[str, Lot] = {}
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.touch()
        self._read_back(journal)
        self._journal = journal.open("ab")

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def _read_back(self, journal: Path) -> None:
        whole = 0
        with journal.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # the power went while it was written: nobody was answered
                self._apply(json.loads(line))
                whole += len(line)
        os.truncate(journal, whole)

    def _record(self, event: dict[str, Any]) -> None:
        self._journal.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        if event["event"] == "issue":
            self.held.append((event["account"], Units(event["project"], event["first"], event["last"])))
        elif event["event"] == "lot":
            asked = event["asked"]
            units = Units(asked["project"], asked["first"], asked["last"]) if asked else None
            lot = Lot(asked.get("account", ""), units, event["state"], asked.get("until", ""), asked, event["detail"])
            self.lots[event["lot"]] = lot
        else:
            self.lots[event["lot"]].state = event["state"]

    def issue(self, account: str, units: Units) -> None:
        """Give an account units of a project."""
        if units.first < 1 or units.last < units.first:
            raise ValueError("serials run from 1, in order")
        with self._lock:
            if any(units.overlaps(other) for _, other in self.held):
                raise ValueError("some of these units exist already")
            event = {"project": units.project, "first": units.first, "last": units.last}
            self._record({"event": "issue", "account": account} | event)

    def freeze(self, number: str, asked: dict[str, Any]) -> Lot:
        """Freeze units for a lot; the same lot again is answered alike."""
        units = Units(str(asked["project"]), int(asked["first"]), int(asked["last"]))
        with self._lock:
            known = self.lots.get(number)
            if known is not None:
                if known.asked not in ({}, asked):
                    raise ContradictionError(f"lot {number} was frozen with other content")
                return known
            detail = self._refusal(str(asked["account"]), units, asked["tonnes"])
            state = REFUSED if detail else FROZEN
            self._record({"event": "lot", "lot": number, "asked": asked, "state": state, "detail": detail})
            return self.lots[number]

    def _refusal(self, account: str, units: Units, tonnes: object) -> str:
        if tonnes != units.last - units.first + 1:
            return "tonnes are not the number of the units"
        if not any(holder == account and units.within(own) for holder, own in self.held):
            return "the account does not hold these units"
        taken = [lot for lot in self.lots.values() if lot.state in (FROZEN, CANCELLED) and lot.units is not None]
        if any(lot.units is not None and units.overlaps(lot.units) for lot in taken):
            return "some of these units are frozen or cancelled"
        return ""

    def cancel(self, number: str) -> Lot | None:
        """Cancel a frozen lot for good; None when it was never frozen."""
        return self._end(number, CANCELLED)

    def release(self, number: str) -> Lot:
        """Let go of a lot; one that was never frozen will not be, whatever comes late."""
        with self._lock:
            if number not in self.lots:
                self._record({"event": "lot", "lot": number, "asked": {}, "state": RELEASED, "detail": "never frozen"})
            return self._end(number, RELEASED) or self.lots[number]

    def _end(self, number: str, state: str) -> Lot | None:
        with self._lock:
            lot = self.lots.get(number)
            if lot is not None and lot.state == FROZEN:
                self._record({"event": "state", "lot": number, "state": state})
            return lot

    def expire(self, now: str) -> list[str]:
        """Let go of what was frozen until now or before; both are ISO moments in UTC."""
        with self._lock:
            over = [n for n, lot in self.lots.items() if lot.state == FROZEN and lot.until and lot.until <= now]
            for number in over:
                self._end(number, RELEASED)
            return over
