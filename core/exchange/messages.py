"""The messages of the exchange link as frozen values, and the canonical row of a trade.

FIXT.1.1 session in the LFIXT profile, FIX 5.0 SP2 application messages. Numbers travel as whole tonnes and whole fen.
Values stay text here, exactly as received: what a trade must satisfy is decided in rules.py.

Bilateral tags: 20001 market day of a stream, 20002 refused ApplSeqNum, 20011 count of new, 20012 count of all other
kinds, 20013 group of (20014 product, 20015 quantity), 20016 turnover in fen, 20017 SHA-256 in lower-case hex.
TrdType (828) is the mode: 0 listed, 1 block. TradeReportTransType (487) is the kind: 0 N, 1 C, 2 R.

Canonical row: ``date|ApplID|ApplSeqNum|trade id|kind|mode|product|buyer|seller|quantity|price|amount|time`` and one
newline, UTF-8. Date is YYYYMMDD of the market day (tag 75), time is FIX UTCTimestamp with milliseconds,
``20210716-01:30:00.123`` (tag 60). A missing field is empty; an unknown kind or mode is the tag's own value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

SOH = "\x01"
KINDS = {"0": "N", "1": "C", "2": "R"}
MODES = {"0": "listed", "1": "block"}
_KIND_TAGS = {kind: tag for tag, kind in KINDS.items()}
_MODE_TAGS = {mode: tag for tag, mode in MODES.items()}

SUBSCRIBE, RANGE = 1, 0
LAST_MESSAGE_SENT, ALIVE = 1, 2
ACCEPTED, NO_SUCH_STREAM = 0, 1


class Message(Protocol):
    """Anything that can be sent: its MsgType, and its own fields as text."""

    @property
    def msg_type(self) -> str:
        """MsgType (35)."""

    def body(self) -> str:
        """Return the fields after the header, each ended by SOH."""


@dataclass(frozen=True, slots=True)
class Logon:
    """A session begins, both numbers at 1 (141=Y, 789=1), application version FIX 5.0 SP2 (1137=9)."""

    msg_type: ClassVar[str] = "A"
    heartbeat_s: int
    reset: bool = True
    next_expected: int = 1

    def body(self) -> str:  # noqa: D102
        reset = "Y" if self.reset else "N"
        return f"98=0\x01108={self.heartbeat_s}\x01141={reset}\x01789={self.next_expected}\x011137=9\x01"


@dataclass(frozen=True, slots=True)
class Logout:
    """A session ends, and why."""

    msg_type: ClassVar[str] = "5"
    text: str = ""

    def body(self) -> str:  # noqa: D102
        return _optional(58, self.text)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life, or the answer to a test request."""

    msg_type: ClassVar[str] = "0"
    test_id: str = ""

    def body(self) -> str:  # noqa: D102
        return _optional(112, self.test_id)


@dataclass(frozen=True, slots=True)
class TestRequest:
    """Asks for a heartbeat."""

    __test__: ClassVar[bool] = False  # not a test, whatever a test runner thinks of its name
    msg_type: ClassVar[str] = "1"
    test_id: str

    def body(self) -> str:  # noqa: D102
        return f"112={self.test_id}\x01"


@dataclass(frozen=True, slots=True)
class ResendRequest:
    """Asks for session messages again; we answer with a gap fill."""

    msg_type: ClassVar[str] = "2"
    begin: int
    end: int = 0

    def body(self) -> str:  # noqa: D102
        return f"7={self.begin}\x0116={self.end}\x01"


@dataclass(frozen=True, slots=True)
class SequenceReset:
    """Moves the expected session number on; with gap_fill in order, without it by force."""

    msg_type: ClassVar[str] = "4"
    new_seq: int
    gap_fill: bool = True

    def body(self) -> str:  # noqa: D102
        return f"123={'Y' if self.gap_fill else 'N'}\x0136={self.new_seq}\x01"


@dataclass(frozen=True, slots=True)
class Reject:
    """A message was read and broke a session rule."""

    msg_type: ClassVar[str] = "3"
    ref_seq: int
    code: int
    text: str
    ref_tag: int = 0
    ref_type: str = ""

    def body(self) -> str:  # noqa: D102
        tag = f"371={self.ref_tag}\x01" if self.ref_tag else ""
        return f"45={self.ref_seq}\x01{tag}{_optional(372, self.ref_type)}373={self.code}\x0158={self.text}\x01"


@dataclass(frozen=True, slots=True)
class TradeCaptureReport:
    """One trade of the stream (AE), every value as received."""

    msg_type: ClassVar[str] = "AE"
    day: str
    appl_id: str
    appl_seq: int
    trade_id: str
    kind: str
    mode: str
    product: str
    buyer: str
    seller: str
    quantity: str
    price_fen: str
    amount_fen: str
    time: str
    refers_to: str = ""
    resent: bool = False

    def body(self) -> str:  # noqa: D102
        return (
            f"571={self.trade_id}\x011003={self.trade_id}\x01487={_KIND_TAGS.get(self.kind, self.kind)}\x01"
            f"{_optional(572, self.refers_to)}828={_MODE_TAGS.get(self.mode, self.mode)}\x01570=N\x01"
            f"48={self.product}\x0122=8\x0132={self.quantity}\x0131={self.price_fen}\x01381={self.amount_fen}\x01"
            f"75={self.day}\x01715={self.day}\x0160={self.time}\x01"
            f"1180={self.appl_id}\x011181={self.appl_seq}\x01{'1352=Y' + SOH if self.resent else ''}"
            f"552=2\x0154=1\x011={self.buyer}\x0154=2\x011={self.seller}\x01"
        )

    def row(self) -> str:
        """Return the canonical row without its newline."""
        return (
            f"{self.day}|{self.appl_id}|{self.appl_seq}|{self.trade_id}|{self.kind}|{self.mode}|{self.product}|"
            f"{self.buyer}|{self.seller}|{self.quantity}|{self.price_fen}|{self.amount_fen}|{self.time}"
        )


@dataclass(frozen=True, slots=True)
class TradeRefused:
    """The registry refuses a trade (AR with 939=1); the number stays consumed."""

    msg_type: ClassVar[str] = "AR"
    day: str
    appl_seq: int
    trade_id: str
    reason: int
    text: str

    def body(self) -> str:  # noqa: D102
        return (
            f"571={self.trade_id}\x011003={self.trade_id}\x01939=1\x01751={self.reason}\x0158={self.text}\x01"
            f"20001={self.day}\x0120002={self.appl_seq}\x01"
        )


@dataclass(frozen=True, slots=True)
class ApplicationRequest:
    """Asks for a stream from a number on (BW): for good (SUBSCRIBE, end 0) or a RANGE."""

    msg_type: ClassVar[str] = "BW"
    request_id: str
    kind: int
    day: str
    appl_id: str
    begin: int
    end: int = 0

    def body(self) -> str:  # noqa: D102
        return (
            f"1346={self.request_id}\x011347={self.kind}\x011351=1\x011355={self.appl_id}\x01"
            f"1182={self.begin}\x011183={self.end}\x0120001={self.day}\x01"
        )


@dataclass(frozen=True, slots=True)
class ApplicationAnswer:
    """Answers a request (BX): 0 accepted, 1 no such stream; ``last`` is the last number sent so far."""

    msg_type: ClassVar[str] = "BX"
    request_id: str
    kind: int
    response: int
    day: str
    appl_id: str
    begin: int
    end: int
    last: int

    def body(self) -> str:  # noqa: D102
        return (
            f"1353={self.request_id}\x011346={self.request_id}\x011347={self.kind}\x011348={self.response}\x01"
            f"1351=1\x011355={self.appl_id}\x011182={self.begin}\x011183={self.end}\x011357={self.last}\x01"
            f"20001={self.day}\x01"
        )


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """What the end marker claims about all numbers 1 to last: five of the six totals; ``last`` is the sixth."""

    new_count: int
    changed_count: int
    quantity: Mapping[str, int]
    turnover_fen: int
    sha256_hex: str

    def fields(self) -> str:
        """Return them as fields of the end marker."""
        group = "".join(f"20014={product}\x0120015={tonnes}\x01" for product, tonnes in sorted(self.quantity.items()))
        return (
            f"20011={self.new_count}\x0120012={self.changed_count}\x0120013={len(self.quantity)}\x01{group}"
            f"20016={self.turnover_fen}\x0120017={self.sha256_hex}\x01"
        )


@dataclass(frozen=True, slots=True)
class ApplicationReport:
    """BY: ALIVE says the last number sent (exchange) or durable (registry); LAST_MESSAGE_SENT ends the day."""

    msg_type: ClassVar[str] = "BY"
    kind: int
    day: str
    appl_id: str
    last: int
    totals: ControlTotals | None = None

    def body(self) -> str:  # noqa: D102
        totals = self.totals.fields() if self.totals is not None else ""
        return (
            f"1356={self.kind}-{self.last}\x011426={self.kind}\x011351=1\x011355={self.appl_id}\x01"
            f"1357={self.last}\x0120001={self.day}\x01{totals}"
        )


def _optional(tag: int, value: str) -> str:
    return f"{tag}={value}\x01" if value else ""
