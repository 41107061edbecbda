"""Has the banks move cash that changed hands outside the market, so that their books follow ours."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, datetime

from core.bank.client import BankUnavailableError
from core.bank.rules import status_breaks
from core.bank.wire import Movement, PaymentOrder
from core.day.arrows import Parties
from core.db.transaction import Unknown, read, write
from core.outbox import cash
from core.outbox import store as outbox
from core.outbox.store import Message
from core.telemetry import log

PAUSE_S = 3.0
"""A bank that does not answer, or says no, is asked again after this."""


def order_of(message: Message) -> PaymentOrder:
    """Word the order of one bank; the row has all of it, so that a repeat is the same to the byte."""
    said = message.payload
    movements = tuple(Movement(account, fen) for account, fen in said["movements"])
    created_at, day = datetime.fromisoformat(said["created_at"]), date.fromisoformat(said["day"])
    return PaymentOrder(said["message_id"], created_at, day, said["bank"], movements)


@dataclass(slots=True)
class CashMoves:
    """Hands each order to its bank, which holds and releases it; the same order twice is carried out once."""

    parties: Parties
    _not_before: float = field(default=0.0, init=False)

    def tick(self) -> bool:
        """Carry out what waits; True when a bank has followed."""
        if time.monotonic() < self._not_before:
            return False
        waiting = read(self.parties.engine, lambda c: outbox.waiting(c, cash.CASH_MOVE))
        carried = [self._carry_out(message) for message in waiting]
        return any(carried)

    def _carry_out(self, message: Message) -> bool:
        order = order_of(message)
        bank = self.parties.banks.get(order.bank)
        if bank is None:
            return self._later(order, "no such bank")
        try:
            breaks = status_breaks(order, bank.hold(order))
            if breaks:
                write(self.parties.engine, lambda c: cash.ask_anew(c, message))
                return self._later(order, str(breaks[0]))
            bank.release(order.message_id)
        except BankUnavailableError as error:
            return self._later(order, str(error))
        done = write(self.parties.engine, lambda c: outbox.delivered(c, message))
        log.info("cash_moved", bank=order.bank, message_id=order.message_id, accounts=len(order.movements))
        return not isinstance(done, Unknown)

    def _later(self, order: PaymentOrder, why: str) -> bool:
        log.warning("cash_not_moved", bank=order.bank, message_id=order.message_id, error=why)
        self._not_before = time.monotonic() + PAUSE_S
        return False
