"""Deals a day's trades to accounts: who sold to whom and when, from a seed, inside what everybody owns (pure)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chaos.market.published import DataError, PublishedDay
from chaos.market.solver import Deal, solve

MARKET_ZONE = ZoneInfo("Asia/Shanghai")
SESSIONS = ((time(9, 30), time(11, 30)), (time(13, 0), time(15, 0)))
"""Trading hours of listed trades; block trades only in the afternoon."""
SHARE_ATTEMPTS = 20
"""How often a random account is tried for a trade before the richest one takes it."""


@dataclass(frozen=True, slots=True)
class Participant:
    """An account with what it may sell (tonnes) and spend (fen) on the day."""

    account: str
    tonnes: int
    cash_fen: int


@dataclass(frozen=True, slots=True)
class MarketTrade:
    """One trade as the exchange reports it. ``executed_at`` is UTC with milliseconds."""

    trade_id: str
    mode: str
    product: str
    buyer: str
    seller: str
    quantity: int
    price_fen: int
    executed_at: datetime

    def as_json(self) -> dict[str, str | int]:
        """Write the trade as the exchange simulator takes it."""
        return {
            "trade_id": self.trade_id,
            "mode": self.mode,
            "product": self.product,
            "buyer": self.buyer,
            "seller": self.seller,
            "quantity": self.quantity,
            "price_fen": self.price_fen,
            "executed_at": self.executed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


def trades_of(day: PublishedDay, participants: Sequence[Participant], product: str, *, seed: int) -> list[MarketTrade]:
    """Return the day's trades in order of time; DataError when no legal set of trades gives the figures."""
    dice = random.Random(f"{seed} {day.day}")  # noqa: S311  # a repeatable day, not a secret
    purse = _Purse(participants, dice)
    timed = _timed(day.day, solve(day, dice), dice)
    # The largest first: a block must find an account that can still carry it.
    order = sorted(range(len(timed)), key=lambda place: -timed[place][1].quantity)
    parties = {place: purse.match(timed[place][1]) for place in order}
    return [
        MarketTrade(
            trade_id=f"{'B' if deal.mode == 'block' else 'L'}{day.day:%Y%m%d}{place + 1:08d}",
            mode=deal.mode,
            product=product,
            buyer=parties[place][0],
            seller=parties[place][1],
            quantity=deal.quantity,
            price_fen=deal.price_fen,
            executed_at=at,
        )
        for place, (at, deal) in enumerate(timed)
    ]


def _timed(day: date, deals: list[Deal], dice: random.Random) -> list[tuple[datetime, Deal]]:
    """Give each deal a moment inside its mode's hours; the first listed deal keeps the earliest listed moment."""
    listed = [deal for deal in deals if deal.mode == "listed"]
    block = [deal for deal in deals if deal.mode == "block"]
    moments = sorted(_moment(day, dice, SESSIONS) for _ in listed)
    timed = list(zip(moments, listed, strict=True)) + [(_moment(day, dice, SESSIONS[1:]), deal) for deal in block]
    return sorted(timed, key=lambda pair: pair[0])  # stable: deals of one millisecond keep their order


def _moment(day: date, dice: random.Random, sessions: Sequence[tuple[time, time]]) -> datetime:
    opens, closes = dice.choice(sessions)
    start = datetime.combine(day, opens, MARKET_ZONE)
    length = datetime.combine(day, closes, MARKET_ZONE) - start
    return (start + timedelta(milliseconds=dice.randrange(length // timedelta(milliseconds=1)))).astimezone(UTC)


class _Purse:
    """What each participant can still sell and spend; sale proceeds and bought units are not counted on."""

    def __init__(self, participants: Sequence[Participant], dice: random.Random) -> None:
        if len(participants) < 2:
            raise DataError("a market needs at least two participants")
        self._accounts = [party.account for party in participants]
        self._tonnes = {party.account: party.tonnes for party in participants}
        self._fen = {party.account: party.cash_fen for party in participants}
        self._dice = dice

    def match(self, deal: Deal) -> tuple[str, str]:
        """Return (buyer, seller) and take the deal out of what they have left."""
        cost = deal.quantity * deal.price_fen
        seller = self._pick(self._tonnes, deal.quantity, other=None, what="t to sell")
        buyer = self._pick(self._fen, cost, other=seller, what="fen to spend")
        self._tonnes[seller] -= deal.quantity
        self._fen[buyer] -= cost
        return buyer, seller

    def _pick(self, left: dict[str, int], need: int, *, other: str | None, what: str) -> str:
        for _ in range(SHARE_ATTEMPTS):
            account = self._dice.choice(self._accounts)
            if account != other and left[account] >= need:
                return account
        account = max((name for name in self._accounts if name != other), key=left.__getitem__)
        if left[account] < need:
            raise DataError(f"no participant has {need} {what} left; give the participants more")
        return account
