"""Tells the exchange what accounts may no longer do, and lets that take effect once it has acknowledged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from core.accounts.states import service as states
from core.day.arrows import Parties
from core.day.counterparty import ExchangeUnavailableError
from core.db.transaction import Unknown, read, write
from core.outbox import store as outbox
from core.outbox.store import Message
from core.telemetry import log

PAUSE_S = 0.3
PAUSE_MAX_S = 3.0
"""An exchange that does not answer is told again after a pause that doubles up to this."""


@dataclass(slots=True)
class Notices:
    """Delivers notices in the order of their numbers; told twice is told once, and an older one changes nothing."""

    parties: Parties
    _pause_s: float = field(default=PAUSE_S, init=False)
    _not_before: float = field(default=0.0, init=False)

    def tick(self) -> bool:
        """Deliver what waits; True when an account's change took effect or the exchange knows more."""
        if time.monotonic() < self._not_before:
            return False
        moved = False
        for message in read(self.parties.engine, lambda c: outbox.waiting(c, states.NOTICE)):
            try:
                answer = self.parties.exchange.send_restriction({**message.payload, "number": message.id})
            except ExchangeUnavailableError as error:
                return self._later(message, str(error)) or moved
            if not _fits(answer, message):
                return self._later(message, f"an answer to something else: {answer}") or moved
            moved = self._note(message, answer) or moved
        self._pause_s = PAUSE_S
        return moved

    def _later(self, message: Message, why: str) -> bool:
        log.warning("notice_not_delivered", account=message.payload["account"], number=message.id, error=why)
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
        self._not_before = time.monotonic() + self._pause_s
        return False

    def _note(self, message: Message, answer: Mapping[str, Any]) -> bool:
        day, last = answer["day"], answer["last_seq"]
        noted = write(
            self.parties.engine,
            lambda c: states.acknowledged(
                c,
                message,
                day=date.fromisoformat(day) if day is not None else None,
                last_seq=last,
                worker=self.parties.worker,
            ),
        )
        log.info("exchange_knows", account=message.payload["account"], effect=message.payload["effect"], last_seq=last)
        return isinstance(noted, Unknown) or noted


def _fits(answer: Mapping[str, Any], message: Message) -> bool:
    """Tell whether this acknowledges the notice: the exchange refuses the account from the trade after last_seq on."""
    day, last = answer.get("day"), answer.get("last_seq")
    named = (answer.get("account"), answer.get("number"), answer.get("acknowledged"))
    if named != (message.payload["account"], message.id, True) or type(last) is not int or not 0 <= last < 2**63:
        return False
    try:
        return day is None or (isinstance(day, str) and date.fromisoformat(day).isoformat() == day)
    except ValueError:
        return False
