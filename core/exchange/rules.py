"""What a trade must satisfy, and the six control totals that prove a day complete.

Precedence: a trade after the end marker is not looked at further; else the first check that fails is the reason, in
the order of ``judge``: form, day, hours, buyer, seller, product, amount, tick, limits, size, and then the day's other
trades. Hours, products, tick, limits and sizes are the day's market rules, read once when its stream is opened.

Control totals cover every number received, accepted or refused, exactly as received, from the canonical row alone:
``new_count`` counts kind N and ``changed_count`` everything else (together they are ``last_seq``); quantity per product
and turnover add the row's plain numbers whatever the kind or the outcome (a field that is no plain number adds
nothing, and a row that does not split into 13 fields only counts); the hash chains all rows. They prove transmission,
so a cancellation adds like any other row: what a day is worth is settlement's question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import lru_cache
from typing import Any

from core.parameters.rules import MarketRules
from core.quantities import MAX_AMOUNT
from core.refusals import Reason

FIELDS = 13
HASH_0 = bytes(32)
TIME_LENGTH = len("20210716-01:30:00.123")
UTC_BEFORE_MARKET_H = 8
"""Hours between the market's wall and UTC, which messages carry: no summer time there, and the same date from 8 on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a trade of one product in one mode keeps on a day; every end is included."""

    low_fen: int
    high_fen: int
    least_t: int
    most_t: int


@dataclass(frozen=True, slots=True)
class Market:
    """What a day's trades are held against."""

    day: date
    appl_id: str
    tick_fen: int
    hours: Mapping[str, Sequence[tuple[str, str]]]
    """By mode, in UTC as messages write it; both ends included."""
    bounds: Mapping[str, Mapping[str, Bounds]]
    """By product and mode."""

    @classmethod
    def of(cls, rules: MarketRules, appl_id: str, previous_close_fen: Mapping[str, int]) -> Market:
        """Put a day's rules around the closes from which its products start."""
        hours = {name: [(_utc(start), _utc(end)) for start, end in mode.sessions] for name, mode in rules.modes.items()}
        bounds = {
            product: {
                name: Bounds(limits.low_fen, limits.high_fen, mode.least_t, mode.most_t or MAX_AMOUNT)
                for name, mode in rules.modes.items()
                for limits in [rules.limits_of(product, name, close)]
            }
            for product, close in previous_close_fen.items()
        }
        return cls(rules.day, appl_id, rules.tick_fen, hours, bounds)


def _utc(moment: time) -> str:
    return f"{moment.hour - UTC_BEFORE_MARKET_H:02d}:{moment.minute:02d}:00.000"


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says about a batch: accounts that may trade, trade ids taken, trades that can be changed."""

    open_accounts: Collection[str]
    taken_ids: Collection[str] = frozenset()
    changeable: Collection[str] = frozenset()
    buyers: Collection[str] = frozenset()
    """Accounts that may buy, and not sell."""
    sellers: Collection[str] = frozenset()
    """Accounts that may sell, and not buy."""
    until: Mapping[str, int] = field(default_factory=dict)
    """Trades up to this number were made before the exchange knew of the account's restriction; they stand."""

    def may_trade(self, account: str, side: Collection[str], seq: int) -> bool:
        """Tell whether an account that may not simply trade may still take this side of this trade."""
        return account in side or seq <= self.until.get(account, 0)


@dataclass(frozen=True, slots=True)
class Received:
    """One number of the stream: the canonical row as received, its fields, the trade it refers to, and the line that
    had it first.
    """

    seq: int
    row: str
    values: Sequence[str]
    refers_to: str
    line: str

    @classmethod
    def of_body(cls, seq: int, body: str, line: str) -> Received:
        """Read what the line processes pass on: the row, and after a SOH the reference if there is one."""
        row, _, refers_to = body.partition("\x01")
        return cls(seq, row, row.split("|"), refers_to, line)


def is_plain(text: str) -> bool:
    """Tell whether this is a whole number as a database would write it back: no sign, no leading zero."""
    return text.isascii() and text.isdigit() and (text[0] != "0" or len(text) == 1) and len(text) <= 18


@lru_cache(maxsize=16_384)
def _is_second(text: str) -> bool:
    """Tell whether this is HH:MM:SS; a day has few enough seconds to remember them."""
    parts = text.split(":")
    return (
        len(parts) == 3
        and all(len(part) == 2 and is_digits(part) for part in parts)
        and (int(parts[0]) < 24 and int(parts[1]) < 60 and int(parts[2]) < 60)
    )


def is_digits(text: str) -> bool:
    """Tell whether this is ASCII digits and nothing else."""
    return text.isascii() and text.isdigit()


def judge(batch: Sequence[Received], market: Market, known: Known) -> list[Reason | None]:
    """Decide each trade of a batch in order; earlier ones of the batch count for later ones."""
    day = market.day.strftime("%Y%m%d")
    taken, changeable = set(known.taken_ids), set(known.changeable)
    decisions: list[Reason | None] = []
    for received in batch:
        values = received.values
        reason = _look(received, day, market, known)
        if reason is None:
            reason = _compare(values, received.refers_to, taken, changeable)
        decisions.append(reason)
    return decisions


def _look(  # noqa: PLR0911  # one return a rule, in the order of precedence
    received: Received, day: str, market: Market, known: Known
) -> Reason | None:
    """Check what a row says by itself and against the day."""
    values, seq = received.values, received.seq
    if len(values) != FIELDS:
        return Reason.TRADE_INVALID
    date_, appl_id, _, trade_id, kind, mode, product, buyer, seller, quantity, price, amount, time = values
    if not _is_whole(trade_id, kind, mode, quantity, price, amount, time) or appl_id != market.appl_id:
        return Reason.TRADE_INVALID
    if date_ != day or time[:8] != day:
        return Reason.TRADE_DAY
    if not any(first <= time[9:] <= last for first, last in market.hours.get(mode, ())):
        return Reason.TRADE_HOURS
    if buyer not in known.open_accounts and not known.may_trade(buyer, known.buyers, seq):
        return Reason.TRADE_BUYER
    if seller not in known.open_accounts and not known.may_trade(seller, known.sellers, seq):
        return Reason.TRADE_SELLER
    if buyer == seller:
        return Reason.TRADE_SELF
    bounds = market.bounds.get(product)
    if bounds is None:
        return Reason.TRADE_PRODUCT
    return _look_at_numbers(int(quantity), int(price), int(amount), bounds[mode], market.tick_fen)


def _is_whole(trade_id: str, kind: str, mode: str, quantity: str, price: str, amount: str, time: str) -> bool:
    return (
        trade_id != ""
        and kind in {"N", "C", "R"}
        and mode in {"listed", "block"}
        and is_plain_positive(quantity)
        and is_plain_positive(price)
        and is_plain_positive(amount)
        and len(time) == TIME_LENGTH
        and is_digits(time[:8])
        and time[8] == "-"
        and time[17] == "."
        and is_digits(time[18:])
        and _is_second(time[9:17])
    )


def is_plain_positive(text: str) -> bool:
    """Tell whether this is a plain whole number above zero."""
    return is_plain(text) and text != "0" if text else False


def _look_at_numbers(quantity: int, price: int, amount: int, bounds: Bounds, tick_fen: int) -> Reason | None:
    if amount != quantity * price or amount > MAX_AMOUNT:
        return Reason.TRADE_AMOUNT
    if price % tick_fen:
        return Reason.TRADE_TICK
    if not bounds.low_fen <= price <= bounds.high_fen:
        return Reason.TRADE_LIMIT
    if not bounds.least_t <= quantity <= bounds.most_t:
        return Reason.TRADE_SIZE
    return None


def _compare(values: Sequence[str], refers_to: str, taken: set[str], changeable: set[str]) -> Reason | None:
    """Check a row against other trades of the day, and remember it for the next ones."""
    trade_id, kind = values[3], values[4]
    if trade_id in taken:
        return Reason.TRADE_ID_SEEN
    if kind == "N":
        if refers_to:
            return Reason.TRADE_REFERENCE
    elif refers_to not in changeable:
        return Reason.TRADE_REFERENCE
    else:
        changeable.discard(refers_to)
    taken.add(trade_id)
    if kind != "C":
        changeable.add(trade_id)
    return None


FIX_REASONS = {
    Reason.TRADE_BUYER: 1, Reason.TRADE_SELLER: 1, Reason.TRADE_SELF: 1, Reason.TRADE_PRODUCT: 2, Reason.TRADE_SIZE: 4,
}  # fmt: skip
"""TradeReportRejectReason (751) of the refusals that have one of their own."""
OTHER_REASON = 99


@dataclass(frozen=True, slots=True)
class Totals:
    """The six control totals of a day; comparable between exchange, running and recomputed."""

    new_count: int = 0
    changed_count: int = 0
    last_seq: int = 0
    quantity: Mapping[str, int] = field(default_factory=dict)
    turnover_fen: int = 0
    sha256_hex: str = HASH_0.hex()

    def as_json(self) -> dict[str, Any]:
        """Return them as the plain values that the database keeps."""
        return {
            "new_count": self.new_count,
            "changed_count": self.changed_count,
            "last_seq": self.last_seq,
            "quantity": dict(self.quantity),
            "turnover_fen": self.turnover_fen,
            "sha256_hex": self.sha256_hex,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Totals:
        """Read what ``as_json`` wrote."""
        return cls(**value)


def extend(totals: Totals, batch: Sequence[Received]) -> Totals:
    """Add the next numbers of the stream to the running totals."""
    digest = bytes.fromhex(totals.sha256_hex)
    new, quantity, turnover = totals.new_count, dict(totals.quantity), totals.turnover_fen
    sha256 = hashlib.sha256
    for received in batch:
        values = received.values
        digest = sha256(b"%s%s\n" % (digest, received.row.encode())).digest()
        if len(values) != FIELDS:
            continue
        new += values[4] == "N"
        if values[9] and is_plain(values[9]):
            quantity[values[6]] = quantity.get(values[6], 0) + int(values[9])
        if values[11] and is_plain(values[11]):
            turnover += int(values[11])
    last = totals.last_seq + len(batch)
    return Totals(new, last - new, last, quantity, turnover, digest.hex())
