"""What the banks must agree with us on: held movements, and balances to the fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from core.bank.wire import ACCEPTED, ID_LENGTH_MAX, Movement, PaymentOrder, Statement, StatusReport
from core.quantities import CASH, MAX_AMOUNT, Break
from core.refusals import LineError, Reason, Refused

BEIJING = timezone(timedelta(hours=8))


def order_of(bank: str, day: date, nets: Sequence[tuple[str, int]], *, attempt: int) -> PaymentOrder:
    """Make the payment order of a day for one bank.

    The same day and attempt give the same bytes, so that a repeat cannot be taken for something new; a bank
    that said no is asked again under a new message id.
    """
    message_id = f"NET-{day}" if attempt == 1 else f"NET-{day}-{attempt}"
    closed_at = datetime.combine(day, time(15), BEIJING)
    return PaymentOrder(message_id, closed_at, day, bank, tuple(Movement(*net) for net in nets))


def status_breaks(order: PaymentOrder, report: StatusReport) -> list[Break]:
    """Compare a bank's answer with the order: its count, its sum, and every account held."""
    breaks: list[Break] = []
    if report.original_id != order.message_id:
        return [Break("total", order.bank, "", CASH, order.message_id, report.original_id)]
    if report.transactions != len(order.movements):
        breaks.append(Break("total", order.bank, "", "count", len(order.movements), report.transactions))
    if report.control_sum_fen != order.control_sum_fen:
        breaks.append(Break("total", order.bank, "", CASH, order.control_sum_fen, report.control_sum_fen))
    statuses = {status.account: status for status in report.statuses}
    for movement in order.movements:
        status = statuses.pop(movement.account, None)
        if status is None:
            breaks.append(Break("account", order.bank, movement.account, CASH, movement.amount_fen, "no answer"))
        elif status.status == "RJCT":
            actual = f"{status.status} {status.reason}".strip()
            breaks.append(Break("account", order.bank, movement.account, CASH, movement.amount_fen, actual))
    breaks.extend(Break("account", order.bank, account, CASH, "not asked", "answered") for account in sorted(statuses))
    if not breaks and (report.group != ACCEPTED or any(s.status != ACCEPTED for s in report.statuses)):
        breaks.append(Break("total", order.bank, "", CASH, ACCEPTED, report.group))
    return breaks


def statement_breaks(bank: str, day: date, statement: Statement, ours: Mapping[str, int]) -> list[Break]:
    """Compare a bank's statement with our cash: its day, its total, its own sum, and every account."""
    if (statement.bank, statement.day) != (bank, day):
        return [Break("total", bank, "", CASH, f"{bank} {day}", f"{statement.bank} {statement.day}")]
    breaks: list[Break] = []
    for expected in (sum(ours.values()), sum(statement.balances.values())):
        if statement.total_fen != expected and not breaks:
            breaks.append(Break("total", bank, "", CASH, expected, statement.total_fen))
    for account in sorted({*ours, *statement.balances}):
        expected, actual = ours.get(account, 0), statement.balances.get(account, 0)
        if expected != actual:
            breaks.append(Break("account", bank, account, CASH, expected, actual))
    return breaks


@dataclass(frozen=True, slots=True)
class Deposit:
    """One line of a notice of credit."""

    account: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What a bank says came in, in the registry's own words."""

    bank: str
    message_id: str
    entries: tuple[Deposit, ...]


def read_notice(body: Mapping[str, Any]) -> Notice | Refused:
    """Check the form of a notice; amounts are refused line by line, all of them at once."""
    bank, message_id, entries = body.get("bank"), body.get("message_id"), body.get("entries")
    if not isinstance(bank, str) or not bank:
        return Refused(Reason.BANK_UNKNOWN, "The notice names no bank.")
    if not isinstance(message_id, str) or not 0 < len(message_id) <= ID_LENGTH_MAX:
        return Refused(Reason.MALFORMED, f"message_id is a text of 1 to {ID_LENGTH_MAX} characters.")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        return Refused(Reason.MALFORMED, "entries is a list with at least one credit.")
    errors, deposits = [], []
    for line, entry in enumerate(entries, start=1):
        account, fen = (entry.get("account"), entry.get("amount_fen")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(account, str):
            errors.append(LineError(line, Reason.NUMBER_INVALID, "The line names no account."))
        elif type(fen) is not int or not 0 < fen <= MAX_AMOUNT:
            errors.append(LineError(line, Reason.QUANTITY_INVALID, f"{account}: {fen!r} is no amount in fen."))
        else:
            deposits.append(Deposit(account, fen))
    return Refused.of_lines(errors) if errors else Notice(bank, message_id, tuple(deposits))


def wrong_accounts(notice: Notice, bank_of: Mapping[str, str]) -> list[LineError]:
    """Name the lines whose account does not exist or keeps its cash at another bank."""
    errors = []
    for line, deposit in enumerate(notice.entries, start=1):
        bank = bank_of.get(deposit.account)
        if bank is None:
            errors.append(LineError(line, Reason.TARGET_UNKNOWN, f"{deposit.account} is unknown."))
        elif bank != notice.bank:
            errors.append(LineError(line, Reason.BANK_UNKNOWN, f"{deposit.account} settles at {bank}."))
    return errors
