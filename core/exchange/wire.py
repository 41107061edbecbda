"""Bytes to a frozen message, or a reason why not, and back; everything the two ends of the link share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from core.exchange.framer import MAX_FRAME, Framer, checksum, frame
from core.exchange.messages import (
    ACCEPTED,
    ALIVE,
    KINDS,
    LAST_MESSAGE_SENT,
    MODES,
    NO_SUCH_STREAM,
    RANGE,
    SUBSCRIBE,
    ApplicationAnswer,
    ApplicationReport,
    ApplicationRequest,
    ControlTotals,
    Heartbeat,
    Logon,
    Logout,
    Message,
    Reject,
    ResendRequest,
    SequenceReset,
    TestRequest,
    TradeCaptureReport,
    TradeRefused,
)

__all__ = [
    "ACCEPTED", "ALIVE", "LAST_MESSAGE_SENT", "MAX_FRAME", "NO_SUCH_STREAM", "RANGE", "SUBSCRIBE", "ApplicationAnswer",
    "ApplicationReport", "ApplicationRequest", "ControlTotals", "Framer", "Header", "Heartbeat", "Logon", "Logout",
    "Message", "Reject", "ResendRequest", "SequenceReset", "TestRequest", "TradeCaptureReport", "TradeRefused",
    "WireError", "checksum", "decode", "encode", "fix_time", "frame", "ms_of_fix_time",
]  # fmt: skip

VALUE_INCORRECT, TAG_MISSING, TYPE_INVALID = 5, 1, 11
"""SessionRejectReason (373) of what decode() refuses."""

_EPOCH = date(1970, 1, 1).toordinal()
_DATES: dict[int, str] = {}


class WireError(ValueError):
    """A well-framed message that cannot be read; ``tag`` and ``code`` are what a Reject (3) says about it."""

    def __init__(self, text: str, *, tag: int = 0, code: int = VALUE_INCORRECT) -> None:
        super().__init__(text)
        self.tag = tag
        self.code = code


@dataclass(frozen=True, slots=True)
class Header:
    """What every message says about itself; ``seq`` is None when MsgSeqNum is missing or no number."""

    msg_type: str
    seq: int | None
    sender: str
    target: str
    sent_at: str
    poss_dup: bool


Fields = dict[str, str]


def encode(message: Message, *, seq: int, sender: str, target: str, sent_at: str, poss_dup: bool = False) -> bytes:
    """Write a whole message, checksum included."""
    dup = f"43=Y\x01122={sent_at}\x01" if poss_dup else ""
    head = f"35={message.msg_type}\x0149={sender}\x0156={target}\x0134={seq}\x01{dup}52={sent_at}\x01"
    return frame((head + message.body()).encode())


def split(body: bytes) -> tuple[Header, Fields, str]:
    """Read the header and all single fields of a body; what follows the first group count is returned raw."""
    text = body.decode()
    single, found, group = text.partition("\x01552=")
    if not found:
        single, found, group = text.partition("\x0120013=")
    try:
        fields = dict([pair.split("=", 1) for pair in single.split("\x01") if pair])
    except ValueError:
        raise WireError("a field has no equals sign", code=TAG_MISSING) from None
    seq = fields.get("34", "")
    return (
        Header(
            msg_type=fields["35"],
            seq=int(seq) if seq.isascii() and seq.isdigit() else None,
            sender=fields.get("49", ""),
            target=fields.get("56", ""),
            sent_at=fields.get("52", ""),
            poss_dup=fields.get("43") == "Y",
        ),
        fields,
        group,
    )


def decode(msg_type: str, fields: Fields, group: str) -> Message:
    """Build the message that ``split`` read; WireError when its type is unknown or a number is none."""
    build = _BUILD.get(msg_type)
    if build is None:
        raise WireError(f"MsgType {msg_type} is not spoken here", tag=35, code=TYPE_INVALID)
    return build(fields, group)


def _number(fields: Fields, tag: str, default: int | None = None) -> int:
    value = fields.get(tag)
    if value is None and default is not None:
        return default
    if value is None:
        raise WireError(f"tag {tag} is missing", tag=int(tag), code=TAG_MISSING)
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise WireError(f"tag {tag} is no number", tag=int(tag))
    return int(value)


def _pairs(group: str) -> list[list[str]]:
    """Split what follows a group count; the count itself is the first, without an equals sign."""
    pairs = [pair.split("=", 1) for pair in group.split("\x01")[1:] if pair]
    if any(len(pair) != 2 for pair in pairs):
        raise WireError("a field has no equals sign", code=TAG_MISSING)
    return pairs


def _trade(fields: Fields, group: str) -> TradeCaptureReport:
    """Read an AE; its group holds the sides, and other engines put further fields after it."""
    sides = {"1": "", "2": ""}
    side = ""
    for tag, value in _pairs(group):
        if tag == "54":
            side = value
        elif tag == "1":
            sides[side] = value
        else:
            fields[tag] = value
    get = fields.get
    kind, mode = get("487", ""), get("828", "")
    return TradeCaptureReport(
        get("75", ""), get("1180", ""), _number(fields, "1181"), get("1003", ""), KINDS.get(kind, kind),
        MODES.get(mode, mode), get("48", ""), sides["1"], sides["2"], get("32", ""), get("31", ""), get("381", ""),
        get("60", ""), get("572", ""), get("1352") == "Y",
    )  # fmt: skip


def _totals(fields: Fields, group: str) -> ControlTotals:
    quantity: dict[str, int] = {}
    product = ""
    for tag, value in _pairs(group):
        if tag == "20014":
            product = value
        elif tag == "20015":
            quantity[product] = _number({tag: value}, tag)
        else:
            fields[tag] = value
    turnover = fields.get("20016", "")
    if not (turnover.isascii() and turnover.isdigit() and len(turnover) <= 30):
        raise WireError("tag 20016 is no number", tag=20016)
    return ControlTotals(
        new_count=_number(fields, "20011"),
        changed_count=_number(fields, "20012"),
        quantity=quantity,
        turnover_fen=int(turnover),
        sha256_hex=fields.get("20017", ""),
    )


def _report(fields: Fields, group: str) -> ApplicationReport:
    kind = _number(fields, "1426")
    last = _number(fields, "1357")
    totals = _totals(fields, group) if kind == LAST_MESSAGE_SENT else None
    return ApplicationReport(kind, fields.get("20001", ""), fields.get("1355", ""), last, totals)


def _request(fields: Fields, _group: str) -> ApplicationRequest:
    return ApplicationRequest(
        request_id=fields.get("1346", ""),
        kind=_number(fields, "1347"),
        day=fields.get("20001", ""),
        appl_id=fields.get("1355", ""),
        begin=_number(fields, "1182"),
        end=_number(fields, "1183", 0),
    )


def _answer(fields: Fields, _group: str) -> ApplicationAnswer:
    return ApplicationAnswer(
        request_id=fields.get("1346", ""),
        kind=_number(fields, "1347"),
        response=_number(fields, "1348"),
        day=fields.get("20001", ""),
        appl_id=fields.get("1355", ""),
        begin=_number(fields, "1182"),
        end=_number(fields, "1183", 0),
        last=_number(fields, "1357", 0),
    )


def _refused(fields: Fields, _group: str) -> TradeRefused:
    return TradeRefused(
        day=fields.get("20001", ""),
        appl_seq=_number(fields, "20002"),
        trade_id=fields.get("1003", ""),
        reason=_number(fields, "751"),
        text=fields.get("58", ""),
    )


def _logon(fields: Fields, _group: str) -> Logon:
    return Logon(_number(fields, "108"), fields.get("141") == "Y", _number(fields, "789", 0))


_BUILD: dict[str, Callable[[Fields, str], Message]] = {
    "0": lambda fields, _: Heartbeat(fields.get("112", "")),
    "1": lambda fields, _: TestRequest(fields.get("112", "")),
    "2": lambda fields, _: ResendRequest(_number(fields, "7"), _number(fields, "16", 0)),
    "3": lambda fields, _: Reject(
        _number(fields, "45"), _number(fields, "373", 0), fields.get("58", ""), _number(fields, "371", 0)
    ),
    "4": lambda fields, _: SequenceReset(_number(fields, "36"), fields.get("123") == "Y"),
    "5": lambda fields, _: Logout(fields.get("58", "")),
    "A": _logon,
    "AE": _trade,
    "AR": _refused,
    "BW": _request,
    "BX": _answer,
    "BY": _report,
}


def fix_time(epoch_ms: int) -> str:
    """Write milliseconds since 1970 as FIX UTCTimestamp; the calendar part is computed once a day."""
    days, ms = divmod(epoch_ms, 86_400_000)
    seconds, ms = divmod(ms, 1000)
    calendar = _DATES.get(days)
    if calendar is None:
        _DATES.clear()
        calendar = _DATES[days] = date.fromordinal(_EPOCH + days).strftime("%Y%m%d")
    return f"{calendar}-{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def ms_of_fix_time(text: str) -> int | None:
    """Read a FIX UTCTimestamp with or without milliseconds; None when it is none."""
    try:
        moment = datetime.strptime(text if "." in text else text + ".0", "%Y%m%d-%H:%M:%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)
