"""The exchange's one state, kept over a restart by replaying a journal of what happened."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.simulators.exchange.market import ExchangeError, Opening, TradingDay, compare, opening_of, trades_of

SENT_EVERY = 500
"""Numbers between two notes of how far the stream is; after a restart at most so many are sent again."""


class Floor:
    """Opening data and the trading day, shared by both gateways and the HTTP services."""

    def __init__(self, journal: Path | None = None) -> None:
        self.opening: Opening | None = None
        self.day: TradingDay | None = None
        self.sessions: dict[str, bool] = {"A": False, "B": False}
        self.subscribed: dict[str, bool] = {"A": False, "B": False}
        self.mischief: dict[tuple[str, int], str] = {}
        self.restricted: dict[str, tuple[int, str]] = {}
        self._journal = journal
        self._opening_message: dict[str, Any] = {}
        self._noted = 0
        if journal is not None and journal.exists():
            for line in journal.read_text(encoding="utf-8").splitlines():
                self._replay(json.loads(line))

    def open(self, message: Mapping[str, Any]) -> dict[str, object]:
        """Take a version of the opening data; the same one again is the same answer."""
        opening, agreed = opening_of(message)
        known = self.opening
        stale = known is not None and known.day == opening.day and known.version > opening.version
        if agreed and not stale and opening != known:
            self.opening, self._opening_message = opening, dict(message)
            self._write({"did": "open", "message": dict(message)})
        return {
            "day": opening.day,
            "version": opening.version,
            "totals": dict(opening.totals),
            "accepted": agreed and not stale,
        }

    def restrict(
        self, account: str, effect: str, number: int, *, day: str | None = None, after: int | None = None
    ) -> dict[str, object]:
        """Refuse orders of an account from now on, or take them again; an older notice than the last changes nothing.

        The answer says which trades were made before. ``day`` and ``after`` are those of the first time, in a replay.
        """
        trading = self.day
        known, _ = self.restricted.get(account, (0, ""))
        if trading is not None and after is None:
            after = max(trading.sent, trading.due(time.monotonic()))
        if number > known:
            self.restricted[account] = (number, effect)
            if trading is not None and day in {None, trading.day}:
                trading.refuse_orders(account, effect, after=after or 0)
            said = {"account": account, "effect": effect, "number": number}
            self._write({"did": "restrict", **said, "day": trading.day if trading else None, "after": after or 0})
        return {
            "account": account,
            "number": number,
            "acknowledged": True,
            "day": trading.day if trading is not None else None,
            "last_seq": after or 0,
        }

    def opening_data(self) -> dict[str, Any]:
        """Return the newest opening data whole, as accepted."""
        if self.opening is None:
            raise ExchangeError("no opening data was received")
        return self._opening_message

    def load(self, day: str, rate_per_s: float | None, rows: list[dict[str, Any]]) -> TradingDay:
        """Take the day's trades; they may flow only after the day's opening data is here."""
        if self.opening is None or self.opening.day != day:
            raise ExchangeError(f"no opening data of {day} was received")
        if self.day is not None and self.day.day == day and self.day.started:
            raise ExchangeError(f"{day} has started already")
        self.day = TradingDay(day, trades_of(day, rows), rate_per_s)
        self._noted = 0
        self.mischief.clear()
        if self._journal is not None:  # days before this one are over
            self._journal.unlink(missing_ok=True)
        self._write({"did": "open", "message": self._opening_message})
        self._write({"did": "load", "day": day, "rate_per_s": rate_per_s, "trades": rows})
        for account, (number, effect) in self.restricted.items():
            self.day.refuse_orders(account, effect, after=0)
            said = {"account": account, "effect": effect, "number": number}
            self._write({"did": "restrict", **said, "day": day, "after": 0})
        return self.day

    def loaded(self) -> TradingDay:
        """Return the day, or say that there is none."""
        if self.day is None:
            raise ExchangeError("no day is loaded")
        return self.day

    def start(self) -> TradingDay:
        """Let the stream begin."""
        day = self.loaded()
        day.start(time.monotonic())
        self._write({"did": "start"})
        return day

    def rate(self, rate_per_s: float | None) -> TradingDay:
        """Change the stream's rate."""
        day = self.loaded()
        day.set_rate(rate_per_s, time.monotonic())
        self._write({"did": "rate", "rate_per_s": rate_per_s})
        return day

    def close(self) -> TradingDay:
        """End the trading day."""
        day = self.loaded()
        day.close(time.monotonic())
        self._write({"did": "close"})
        return day

    def refuse(self, day: str, seq: int, text: str) -> None:
        """Remember that the registry refused a trade."""
        if self.day is not None and self.day.day.replace("-", "") == day and seq not in self.day.refused:
            self.day.refused[seq] = text
            self._write({"did": "refuse", "day": day, "seq": seq, "text": text})

    def note_sent(self, day: TradingDay, seq: int) -> None:
        """Note how far the stream has gone on any line."""
        day.note_sent(seq, time.time())
        if day.sent >= self._noted + SENT_EVERY or (day.sent == len(day.trades) != self._noted):
            self._noted = day.sent
            self._write({"did": "sent", "sent": day.sent, "first": day.first_sent_at, "last": day.last_sent_at})

    def check_clearing(self, message: Mapping[str, Any]) -> dict[str, object]:
        """Say whether the registry's clearing result is ours too."""
        if self.day is None or self.day.day != str(message["day"]):
            missing = {"level": "total", "account": "", "asset": "day", "expected": None, "actual": message["day"]}
            return {"agreed": False, "breaks": [missing]}
        breaks = compare(self.day, message)
        return {"agreed": not breaks, "breaks": breaks}

    def status(self) -> dict[str, object]:
        """Say where the day stands."""
        opening = None if self.opening is None else {"day": self.opening.day, "version": self.opening.version}
        day = self.day
        common: dict[str, object] = {"opening": opening}
        common |= {"sessions": dict(self.sessions), "subscribed": dict(self.subscribed)}
        if day is None:
            nothing = dict.fromkeys(("day", "first_sent_at", "last_sent_at", "totals"))
            zero = dict.fromkeys(("loaded", "sent", "acknowledged", "refused", "orders_refused"), 0)
            return common | nothing | zero | {"started": False, "closed": False, "marker_sent": False}
        totals = day.totals
        return common | {
            "day": day.day,
            "loaded": len(day.trades),
            "started": day.started,
            "sent": day.sent,
            "first_sent_at": day.first_sent_at,
            "last_sent_at": day.last_sent_at,
            "closed": day.closed,
            "marker_sent": day.marker_sent,
            "acknowledged": day.acknowledged,
            "refused": len(day.refused),
            "orders_refused": day.orders_refused,
            "totals": {
                "new_count": totals.new_count,
                "changed_count": totals.changed_count,
                "last_seq": len(day.trades),
                "quantity": dict(totals.quantity),
                "turnover_fen": totals.turnover_fen,
                "sha256_hex": totals.sha256_hex,
            },
        }

    def _write(self, event: dict[str, object]) -> None:
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def _replay(self, event: dict[str, Any]) -> None:
        """Repeat what happened before a restart, without writing it again."""
        journal, self._journal = self._journal, None
        try:
            did = event["did"]
            if did == "open":
                self.open(event["message"])
            elif did == "load":
                self.load(event["day"], event["rate_per_s"], event["trades"])
            elif did == "refuse":
                self.refuse(event["day"], event["seq"], event["text"])
            elif did == "restrict":
                named = (event["account"], event["effect"], event["number"])
                self.restrict(*named, day=event["day"] or "none", after=event["after"])
            elif did == "rate":
                self.rate(event["rate_per_s"])
            elif did == "sent":
                day = self.loaded()
                day.restart_at(event["sent"], time.monotonic())
                day.first_sent_at, day.last_sent_at = event["first"], event["last"]
            else:
                {"start": self.start, "close": self.close}[did]()
        finally:
            self._journal = journal
