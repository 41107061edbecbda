"""Books the cash that a settlement bank says came in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from core.audit import alarms
from core.audit import store as audit
from core.bank import store
from core.bank.rules import Notice, read_notice, wrong_accounts
from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.ledger import store as ledger
from core.ledger.rules import AVAILABLE, BANK, Transfer, place_of
from core.quantities import CASH
from core.refusals import Answer, Reason, Refused


def record_deposits(connection: Connection, caller: Caller, body: Mapping[str, Any]) -> Answer | Refused:
    """Book every line of a notice of credit, or none of them.

    The same message twice is booked once and answered alike; the same id with other content is refused, and
    so is a notice with a single line that cannot be booked.
    """
    notice = read_notice(body)
    if isinstance(notice, Refused):
        return notice
    answer = {
        "message_id": notice.message_id,
        "entries": len(notice.entries),
        "total_fen": sum(deposit.amount_fen for deposit in notice.entries),
    }
    errors = wrong_accounts(notice, store.bank_of(connection, [d.account for d in notice.entries]))
    if errors:
        return Refused.of_lines(errors)
    named = {"bank": notice.bank, "message_id": notice.message_id}
    fingerprint = hashlib.sha256(json.dumps(asdict(notice), sort_keys=True).encode()).digest()
    if not store.claim(connection, **named, fingerprint=fingerprint, answer=answer):
        known, first_answer = store.booked(connection, **named)
        if known != fingerprint:
            alarms.same_key_other_content(
                connection,
                caller=caller.name,
                kind="bank_notice",
                key=notice.message_id,
                known=known,
                sent=fingerprint,
                where=notice.bank,
            )
            return Refused(Reason.KEY_REUSED, f"Message {notice.message_id} of {notice.bank} said something else.")
        return Answer(201, first_answer)
    ledger.post(connection, _transfers(notice), market_day=market_day(clock.now(connection)))
    audit.record(connection, caller=caller.name, action="deposit", subject=notice.message_id, detail=answer)
    return Answer(201, answer)


def _transfers(notice: Notice) -> list[Transfer]:
    """Build one transfer a line; the bank's counter-account goes as far below zero as there is cash."""
    return [
        Transfer(
            id=f"deposit:{notice.bank}:{notice.message_id}:{line}",
            debit=place_of(BANK, CASH),
            credit=place_of(deposit.account, CASH, AVAILABLE),
            amount=deposit.amount_fen,
            type="DEPOSIT",
            reference=notice.message_id,
        )
        for line, deposit in enumerate(notice.entries, start=1)
    ]
