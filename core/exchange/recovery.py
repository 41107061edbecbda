"""When to ask again for numbers that no line has brought (pure)."""

from __future__ import annotations

OTHER_LINE_WITHIN_S = 1.0
"""How long a number may be missing on one line while the other may still bring it."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
ALARM_AFTER = 5
"""Requests for the same number without an answer before it is an alarm: about 15 s."""


class GapRequests:
    """Remembers the gap being asked for; pauses double up to a limit, and never end."""

    def __init__(self) -> None:
        self.attempts = 0
        self._begin = 0
        self._due_at = 0.0

    @property
    def is_alarming(self) -> bool:
        """Tell whether asking has been in vain for too long."""
        return self.attempts >= ALARM_AFTER

    def is_due(self, missing: tuple[int, int] | None, *, everywhere: bool, now: float) -> bool:
        """Tell whether the missing numbers must be asked for now."""
        if missing is None:
            self._begin = 0
            return False
        if missing[0] != self._begin:
            self._begin, self.attempts, self._due_at = missing[0], 0, now + OTHER_LINE_WITHIN_S
        if now < self._due_at and not (everywhere and self.attempts == 0):
            return False
        self.attempts += 1
        self._due_at = now + min(FIRST_PAUSE_S * 2 ** (self.attempts - 1), LONGEST_PAUSE_S)
        return True
