"""The wire: every message comes back as it went, and nothing that is not one does any harm."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.exchange.framer import frame
from core.exchange.wire import (
    ALIVE,
    LAST_MESSAGE_SENT,
    MAX_FRAME,
    ApplicationAnswer,
    ApplicationReport,
    ApplicationRequest,
    ControlTotals,
    Framer,
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
    WireError,
    decode,
    encode,
    fix_time,
    ms_of_fix_time,
    split,
)

TRADE = TradeCaptureReport(
    "20210716", "1", 7, "T1", "N", "listed", "CEA-2019", "E1", "E2", "100", "4800", "480000", "20210716-01:30:00.123"
)
CORRECTION = TradeCaptureReport(
    "20210716", "1", 8, "T2", "R", "block", "CEA-2019", "E1", "E2", "1.5", "", "x", "noon", "T1", resent=True
)
TOTALS = ControlTotals(2, 1, {"CEA-2019": 5, "CEA-2020": 0}, 10**20, "ab" * 32)
MESSAGES: list[Message] = [
    TRADE, CORRECTION, Logon(5), Logout("bye"), Heartbeat(), Heartbeat("x"), TestRequest("x"), ResendRequest(3, 0),
    SequenceReset(9), SequenceReset(9, gap_fill=False), Reject(3, 5, "no", 7),
    TradeRefused("20210716", 3, "T1", 99, "不"),
    ApplicationRequest("1", 1, "20210716", "1", 5), ApplicationAnswer("1", 1, 0, "20210716", "1", 5, 0, 17),
    ApplicationReport(ALIVE, "20210716", "1", 17), ApplicationReport(LAST_MESSAGE_SENT, "20210716", "1", 17, TOTALS),
]  # fmt: skip
NAMES = {"seq": 3, "sender": "EXCHANGE", "target": "REGISTRY", "sent_at": "20210716-01:30:00.123"}


def _decoded(body: bytes) -> Message:
    header, fields, group = split(body)
    return decode(header.msg_type, fields, group)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    framer = Framer()
    (body,) = framer.feed(encode(message, **NAMES))  # type: ignore[arg-type]
    header, fields, group = split(body)
    assert (header.seq, header.sender, header.target, header.poss_dup) == (3, "EXCHANGE", "REGISTRY", False)
    assert decode(header.msg_type, fields, group) == message
    assert framer.garbled == 0


def test_a_trade_is_these_bytes() -> None:
    """The wire specification's example; an exchange's engineers copy it."""
    data = encode(TRADE, **NAMES)  # type: ignore[arg-type]
    assert data.replace(b"\x01", b"^").decode() == (
        "8=FIXT.1.1^9=226^35=AE^49=EXCHANGE^56=REGISTRY^34=3^52=20210716-01:30:00.123^571=T1^1003=T1^487=0^828=0^570=N^"
        "48=CEA-2019^22=8^32=100^31=4800^381=480000^75=20210716^715=20210716^60=20210716-01:30:00.123^1180=1^1181=7^"
        "552=2^54=1^1=E1^54=2^1=E2^10=223^"
    )
    assert sum(data[:-7]) % 256 == 223


def test_other_engines_may_put_the_sides_before_other_fields() -> None:
    body = TRADE.body()
    group = body[body.index("552=2") :]
    moved = "35=AE\x0149=EXCHANGE\x0134=3\x01" + group + body.removesuffix(group)
    assert _decoded(moved.encode()) == TRADE


def test_a_stream_may_be_cut_anywhere() -> None:
    data = b"".join(encode(message, **NAMES) for message in MESSAGES)  # type: ignore[arg-type]
    for size in (1, 2, 7, 100, 5000):
        framer = Framer()
        bodies = [body for at in range(0, len(data), size) for body in framer.feed(data[at : at + size])]
        assert [_decoded(body) for body in bodies] == MESSAGES
        assert framer.garbled == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"noise", b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01", b"8=FIXT.1.1\x019=x\x0135=0\x01",
        b"8=FIXT.1.1\x019=99999\x0135=0\x01", encode(TRADE, **NAMES).replace(b"T1", b"T2"),  # type: ignore[arg-type]
        encode(TRADE, **NAMES)[:-9],  # type: ignore[arg-type]
        frame(b"34=1\x0135=0\x01"), frame(b"35=0\x0158=a\x00b\x01"), frame(b"35=0\x0158=\xff\xfe\x01"),
        frame(b"35=0\x0158=a\nb\x01"), frame(b"35=0\x0158=" + b"x" * MAX_FRAME + b"\x01"),
    ],
)  # fmt: skip
def test_a_garbled_message_is_ignored_and_counted_and_the_next_one_is_read(broken: bytes) -> None:
    framer = Framer()
    good = encode(TRADE, **NAMES)  # type: ignore[arg-type]
    assert [_decoded(body) for body in framer.feed(good + broken + good + good)] == [TRADE] * 3
    assert framer.garbled == 1


def test_noise_without_end_is_not_kept() -> None:
    framer = Framer()
    dice = random.Random(1)
    for _ in range(50):
        framer.feed(dice.randbytes(100_000))
        framer.feed(b"8=FIXT.1.1\x019=4000\x01")
    assert len(framer._buffer) <= MAX_FRAME


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([encode(m, **NAMES) for m in MESSAGES]))))  # type: ignore[arg-type]
def test_whatever_arrives_is_a_message_or_a_reason(chunks: list[bytes]) -> None:
    framer = Framer()
    for chunk in chunks:
        for body in framer.feed(chunk):
            try:
                _decoded(body)
            except WireError:
                continue
    assert len(framer._buffer) <= MAX_FRAME


@pytest.mark.parametrize(
    "body", [b"35=AE\x0134=1\x0148=x\x01", b"35=AE\x011181=x\x01", b"35=ZZ\x01", b"35=2\x01", b"35=0\x01junk\x01",
             b"35=AE\x011181=1\x01552=2\x01junk\x01", b"35=BY\x011426=1\x011357=3\x0120013=0\x01"],
)  # fmt: skip
def test_a_message_that_cannot_be_read_says_why(body: bytes) -> None:
    with pytest.raises(WireError, match=r"."):
        _decoded(body)


def test_times_are_utc_with_milliseconds() -> None:
    assert fix_time(1_626_399_000_123) == "20210716-01:30:00.123"
    assert ms_of_fix_time("20210716-01:30:00.123") == 1_626_399_000_123
    assert ms_of_fix_time("20210716-01:30:00") == 1_626_399_000_000
    assert ms_of_fix_time("noon") is None
