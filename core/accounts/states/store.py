"""The history of accounts' states, and the columns of the account that a change of state writes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from core.accounts.states.rules import Standing
from core.clock.rules import market_time

SET_STATE = text("""
UPDATE account SET state = :state, restriction = :restriction, pending_state = NULL, pending_restriction = NULL,
    pending_task = NULL
WHERE number = :account
""")

SET_PENDING = text("""
UPDATE account SET pending_state = :state, pending_restriction = :restriction, pending_task = :task,
    exchange_notified_at = NULL
WHERE number = :account
""")

SET_CLOSING = text("""
UPDATE account SET state = 'CLOSURE_PENDING', pending_state = 'CLOSED', pending_task = :task,
    exchange_notified_at = NULL
WHERE number = :account
""")


def set_state(connection: Connection, account: str, after: Standing) -> None:
    """Let a state take effect; nothing is pending any more."""
    row = {"account": account, "state": after.state, "restriction": after.restriction}
    connection.execute(SET_STATE, row)


def set_pending(connection: Connection, account: str, after: Standing, *, task: str) -> None:
    """Note what takes effect once the exchange knows; the account goes on as it was."""
    row = {"account": account, "state": after.state, "restriction": after.restriction, "task": task}
    connection.execute(SET_PENDING, row)


def set_closing(connection: Connection, account: str, *, task: str) -> None:
    """Stop an account that is empty, until the exchange knows that it closes."""
    connection.execute(SET_CLOSING, {"account": account, "task": task})


PENDING_TASK = text("SELECT pending_task::text FROM account WHERE number = :account")


def pending_task(connection: Connection, account: str) -> str | None:
    """Return the task whose change waits for the exchange."""
    found: str | None = connection.execute(PENDING_TASK, {"account": account}).scalar_one_or_none()
    return found


FORGET_NOTICE = text("UPDATE account SET exchange_notified_at = NULL WHERE number = :account")
NOTE_NOTICE = text("UPDATE account SET exchange_notified_at = :at WHERE number = :account")
NOTE_LAST_TRADE = text("""
UPDATE account SET traded_until_day = :day, traded_until_seq = :seq WHERE number = :account
""")


def forget_notice(connection: Connection, account: str) -> None:
    """The exchange knows of an older state only."""
    connection.execute(FORGET_NOTICE, {"account": account})


def note_notice(connection: Connection, account: str, *, at: datetime) -> None:
    """The exchange has acknowledged the account's newest state."""
    connection.execute(NOTE_NOTICE, {"account": account, "at": at})


def note_last_trade(connection: Connection, account: str, day: date, seq: int) -> None:
    """Trades of the day up to this number were made before the exchange knew; they stand."""
    connection.execute(NOTE_LAST_TRADE, {"account": account, "day": day, "seq": seq})


# Only while trades of the day may still come: later ones rest on opening data that is yet to be built.
TRADES_NOW = text("""
SELECT EXISTS (
    SELECT FROM market_day d
    JOIN opening_position p ON p.day = d.day AND p.account = :account
     AND p.version = (SELECT max(o.version) FROM opening o WHERE o.day = d.day)
    WHERE d.state IN ('OPENING_SENT', 'OPENING_ACKED', 'TRADING', 'CLOSED'))
""")
HOLDS_AT_EXCHANGE = text("""
SELECT EXISTS (
    SELECT FROM market_day d
    JOIN opening_position p ON p.day = d.day AND p.account = :account AND p.amount > 0
     AND p.version = (SELECT max(o.version) FROM opening o WHERE o.day = d.day)
    WHERE d.state NOT IN ('DELIVERED', 'OPENING_BUILT', 'REPORTED', 'HALTED'))
OR EXISTS (
    SELECT FROM market_day d JOIN obligation o ON o.day = d.day AND o.account = :account
    WHERE d.state NOT IN ('DELIVERED', 'OPENING_BUILT', 'REPORTED')
      AND NOT EXISTS (SELECT FROM market_day_event e WHERE e.day = d.day AND e.state = 'DELIVERED'))
""")


def may_trade_now(connection: Connection, account: str) -> bool:
    """Tell whether the account stands in the opening data of a day of which trades may still come."""
    found: bool = connection.execute(TRADES_NOW, {"account": account}).scalar_one()
    return found


def holds_at_exchange(connection: Connection, account: str) -> bool:
    """Tell whether the exchange has something of the account's that no delivery has settled."""
    found: bool = connection.execute(HOLDS_AT_EXCHANGE, {"account": account}).scalar_one()
    return found


OPEN_TASKS = text("""
SELECT count(*) FROM task
WHERE accounts @> ARRAY[CAST(:account AS text)] AND state IN ('AWAITING_APPROVAL', 'DELAYED')
  AND id <> CAST(:but AS uuid)
""")
NO_TASK = "00000000-0000-0000-0000-000000000000"


def open_tasks(connection: Connection, account: str, *, but: str = NO_TASK) -> int:
    """Count the tasks that wait for a decision about the account, one of them left out."""
    found: int = connection.execute(OPEN_TASKS, {"account": account, "but": but}).scalar_one()
    return found


SET_BLOCKED = text("""
UPDATE account SET blocked = :why WHERE number = ANY(CAST(:accounts AS text[]))
  AND (blocked IS NULL) <> (CAST(:why AS text) IS NULL)
RETURNING number
""")


def set_blocked(connection: Connection, accounts: Collection[str], why: str | None) -> list[str]:
    """Block accounts, or let them go with None; return those for which that is a change."""
    changed = connection.execute(SET_BLOCKED, {"accounts": sorted(accounts), "why": why})
    return sorted(changed.scalars())


SET_REASON = text("UPDATE account SET blocked = :why WHERE number = :account AND blocked <> :why")


def set_reason(connection: Connection, account: str, why: str) -> bool:
    """Say anew why an account is blocked; False when it is not, or that is what it says."""
    return connection.execute(SET_REASON, {"account": account, "why": why}).rowcount == 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an account's history."""

    state_before: str
    state: str
    restriction: str | None
    reason: str
    proposed_by: str
    decided_by: str
    task: str | None
    at: datetime

    @property
    def body(self) -> dict[str, Any]:
        """The line as callers read it."""
        return {
            "state_before": self.state_before,
            "state": self.state,
            "restriction": self.restriction,
            "reason": self.reason,
            "proposed_by": self.proposed_by,
            "decided_by": self.decided_by,
            "task": self.task,
            "at": market_time(self.at).isoformat(),
        }


INSERT = text("""
INSERT INTO account_state_change
    (account, state_before, state, restriction, reason, proposed_by, decided_by, task, at)
VALUES (:account, :state_before, :state, :restriction, :reason, :proposed_by, :decided_by, CAST(:task AS uuid), :at)
""")
HISTORY = text("""
SELECT state_before, state, restriction, reason, proposed_by, decided_by, task::text, at FROM account_state_change
WHERE account = :account ORDER BY id
""")


def note(connection: Connection, account: str, entry: Entry) -> None:
    """Append to the account's history."""
    row = {
        "account": account,
        "state_before": entry.state_before,
        "state": entry.state,
        "restriction": entry.restriction,
        "reason": entry.reason,
        "proposed_by": entry.proposed_by,
        "decided_by": entry.decided_by,
        "task": entry.task,
        "at": entry.at,
    }
    connection.execute(INSERT, row)


def history(connection: Connection, account: str) -> Sequence[Entry]:
    """Return every change of the account's state, oldest first."""
    return [Entry(**row) for row in connection.execute(HISTORY, {"account": account}).mappings()]
