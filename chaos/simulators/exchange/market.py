"""What the exchange knows: opening data, the day's trades, and totals and nets added up by code of its own (pure)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from core.exchange.wire import ControlTotals, TradeCaptureReport, fix_time

APPL_ID = "1"
CASH = "CNY"


class ExchangeError(Exception):
    """The exchange cannot do what was asked; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The registry's opening data of a day, as accepted."""

    day: str
    version: int
    totals: Mapping[str, int]


def opening_of(message: Mapping[str, Any]) -> tuple[Opening, bool]:
    """Add up positions ourselves; True when the registry's totals are the same."""
    totals: dict[str, int] = {}
    for _account, asset, amount in message["positions"]:
        totals[asset] = totals.get(asset, 0) + int(amount)
    claimed = {asset: int(amount) for asset, amount in message["totals"].items() if int(amount)}
    agreed = claimed == {asset: amount for asset, amount in totals.items() if amount}
    return Opening(str(message["day"]), int(message["version"]), totals), agreed


def trades_of(day: str, rows: Iterable[Mapping[str, Any]]) -> list[TradeCaptureReport]:
    """Number the trades of a day from 1 in the order given."""
    compact = day.replace("-", "")
    return [_trade_of(compact, seq, row) for seq, row in enumerate(rows, start=1)]


def _trade_of(day: str, seq: int, row: Mapping[str, Any]) -> TradeCaptureReport:
    quantity, price = row["quantity"], row["price_fen"]
    amount = row.get("amount_fen", quantity * price if isinstance(quantity, int) and isinstance(price, int) else "")
    moment = datetime.fromisoformat(row["executed_at"])
    if moment.tzinfo is None:
        raise ExchangeError(f"trade {seq}: executed_at has no time zone")
    return TradeCaptureReport(
        day=str(row.get("day", day)).replace("-", ""),
        appl_id=APPL_ID,
        appl_seq=seq,
        trade_id=str(row["trade_id"]),
        kind=str(row.get("kind", "N")),
        mode=str(row["mode"]),
        product=str(row["product"]),
        buyer=str(row["buyer"]),
        seller=str(row["seller"]),
        quantity=str(quantity),
        price_fen=str(price),
        amount_fen=str(amount),
        time=fix_time(round(moment.timestamp() * 1000)),
        refers_to=str(row.get("refers_to", "")),
    )


def totals_of(trades: Sequence[TradeCaptureReport]) -> ControlTotals:
    """Add up the control totals of everything sent, by the wire specification and nothing of the registry's."""
    chain = bytes(32)
    new = 0
    turnover = 0
    tonnes: defaultdict[str, int] = defaultdict(int)
    for trade in trades:
        row = trade.row() + "\n"
        chain = hashlib.sha256(chain + row.encode("utf-8")).digest()
        if row.count("|") != 12:
            continue  # no row of thirteen fields: it counts, and adds nothing
        if trade.kind == "N":
            new += 1
        if _counts(trade.quantity):
            tonnes[trade.product] += int(trade.quantity)
        if _counts(trade.amount_fen):
            turnover += int(trade.amount_fen)
    return ControlTotals(new, len(trades) - new, dict(tonnes), turnover, chain.hex())


def _counts(text: str) -> bool:
    """Tell whether a field is a number that totals add: digits only, no leading zero, at most 18."""
    return text == "0" or (0 < len(text) <= 18 and text[0] in "123456789" and all(c in "0123456789" for c in text))


def _is_stopped(trade: TradeCaptureReport, account: str, effect: str) -> bool:
    buys, sells = trade.buyer == account, trade.seller == account
    return {"in": buys, "out": sells, "all": buys or sells}.get(effect, False)


@dataclass
class TradingDay:
    """One day's stream. Not due, not sendable: ``due`` says how far the stream may go by now."""

    day: str
    trades: list[TradeCaptureReport]
    rate_per_s: float | None
    started: bool = False
    closed: bool = False
    sent: int = 0
    first_sent_at: float | None = None
    last_sent_at: float | None = None
    marker_sent: bool = False
    acknowledged: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    orders_refused: int = 0
    _due_before: float = 0.0
    _rated_at: float = 0.0

    @cached_property
    def totals(self) -> ControlTotals:
        """The control totals of the whole day."""
        return totals_of(self.trades)

    def refuse_orders(self, account: str, effect: str, *, after: int) -> int:
        """Take no order of an account any more that would be a trade behind this number; return how many that were.

        What follows moves up, so that the stream keeps its numbers without a gap.
        """
        made, to_come = self.trades[:after], self.trades[after:]
        gone = {trade.trade_id for trade in to_come if _is_stopped(trade, account, effect)}
        kept = [trade for trade in to_come if trade.trade_id not in gone and trade.refers_to not in gone]
        self.trades[:] = made + [replace(trade, appl_seq=seq) for seq, trade in enumerate(kept, start=after + 1)]
        self.__dict__.pop("totals", None)
        self.orders_refused += len(to_come) - len(kept)
        return len(to_come) - len(kept)

    def start(self, now: float) -> None:
        """Let trades come due from now on."""
        if not self.started:
            self.started, self._rated_at = True, now

    def set_rate(self, rate_per_s: float | None, now: float) -> None:
        """Change how fast trades come due; None is as fast as the lines carry."""
        self._due_before, self._rated_at = float(self.due(now)), now
        self.rate_per_s = rate_per_s

    def close(self, now: float) -> None:
        """End trading: what is left comes due at once, then the end marker."""
        self.start(now)
        self.closed = True

    def due(self, now: float) -> int:
        """Return the highest number that may be sent by now."""
        if not self.started:
            return 0
        if self.closed or self.rate_per_s is None:
            return len(self.trades)
        return min(len(self.trades), int(self._due_before + self.rate_per_s * (now - self._rated_at)))

    def note_sent(self, seq: int, at: float) -> None:
        """Note that numbers up to this one have left on some line."""
        if seq > self.sent:
            if self.first_sent_at is None:
                self.first_sent_at = at
            self.sent, self.last_sent_at = seq, at

    def restart_at(self, sent: int, now: float) -> None:
        """Go on after a restart of the exchange from what had been sent."""
        self.sent, self._due_before, self._rated_at = sent, float(sent), now

    def cleared(self) -> list[TradeCaptureReport]:
        """Return the trades that count: not refused, neither cancelled nor corrected by a later one."""
        accepted = [trade for trade in self.trades if trade.appl_seq not in self.refused]
        undone = {trade.refers_to for trade in accepted if trade.kind in {"C", "R"}}
        return [trade for trade in accepted if trade.kind in {"N", "R"} and trade.trade_id not in undone]


def compare(day: TradingDay, message: Mapping[str, Any]) -> list[dict[str, object]]:
    """Hold the registry's clearing result against our own; the list of differences is empty when we agree."""
    trades = day.cleared()
    tonnes: defaultdict[str, int] = defaultdict(int)
    sides: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    turnover = 0
    for trade in trades:
        quantity, amount = int(trade.quantity), int(trade.amount_fen)
        tonnes[trade.product] += quantity
        turnover += amount
        sides[trade.buyer, trade.product][0] += quantity
        sides[trade.seller, trade.product][1] += quantity
        sides[trade.seller, CASH][0] += amount
        sides[trade.buyer, CASH][1] += amount
    theirs = message["totals"]
    named: list[tuple[str, object, object]] = [
        ("trades", len(trades), theirs["trades"]),
        ("turnover_fen", turnover, theirs["turnover_fen"]),
        *((product, tonnes.get(product, 0), theirs["quantity"].get(product, 0))
          for product in sorted({*tonnes, *theirs["quantity"]})),
    ]  # fmt: skip
    breaks = [_break("total", "", name, ours, other) for name, ours, other in named if ours != other]
    claimed = {(account, asset): [receives, delivers] for account, asset, receives, delivers in message["accounts"]}
    for account, asset in sorted({*sides, *claimed}):
        ours, other = sides.get((account, asset), [0, 0]), claimed.get((account, asset), [0, 0])
        if ours != other:
            breaks.append(_break("account", account, asset, ours, other))
    return breaks


def _break(level: str, account: str, asset: str, expected: object, actual: object) -> dict[str, object]:
    return {"level": level, "account": account, "asset": asset, "expected": expected, "actual": actual}
