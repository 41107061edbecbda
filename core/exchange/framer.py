"""Cuts a byte stream into FIX frames and puts frames together; whatever is not one is skipped and counted."""

from __future__ import annotations

from zlib import adler32

SOH = b"\x01"
BEGIN = b"8=FIXT.1.1\x019="
MAX_FRAME = 4096
"""Bytes of a whole message; what claims to be longer is garbled, so a peer never makes us hold more than this."""

_TRAILER = 7  # 10=ddd<SOH>
_CHUNK = 256  # 256 bytes sum to at most 65,280, below Adler's modulus of 65,521
_ALLOWED = bytes([1, *range(0x20, 0x7F), *range(0x80, 0x100)])


def checksum(data: bytes) -> int:
    """Return the sum of all bytes modulo 256; Adler's low half is that sum plus one, and runs in C."""
    total = 0
    for start in range(0, len(data), _CHUNK):
        total += (adler32(data[start : start + _CHUNK]) & 0xFFFF) - 1
    return total & 0xFF


def frame(body: bytes) -> bytes:
    """Put begin string, length and checksum around a body that starts with 35=."""
    head = b"%s%d\x01%s" % (BEGIN, len(body), body)
    return b"%s10=%03d\x01" % (head, checksum(head))


class Framer:
    """Keeps the unfinished tail of a stream; ``garbled`` counts runs of bytes that were no message."""

    __slots__ = ("_buffer", "_in_noise", "garbled")

    def __init__(self) -> None:
        self._buffer = b""
        self._in_noise = False
        self.garbled = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and return the bodies (35= up to the checksum) of all complete messages."""
        buffer = self._buffer + data
        bodies: list[bytes] = []
        at, good_until = 0, 0
        while True:
            start = buffer.find(BEGIN, at)
            if start < 0:
                keep = max(good_until, len(buffer) - len(BEGIN) + 1)
                self._skipped(good_until, keep)
                break
            found = _cut(buffer, start)
            if found is None:  # not all of it is here
                self._skipped(good_until, start)
                keep = start
                break
            body, after = found
            if body is None:
                at = start + 1
                continue
            self._skipped(good_until, start)
            self._in_noise = False
            bodies.append(body)
            at = good_until = after
        self._buffer = buffer[keep:]
        return bodies

    def _skipped(self, since: int, until: int) -> None:
        if until > since:
            self.garbled += not self._in_noise  # a run may arrive in pieces
            self._in_noise = True


def _cut(buffer: bytes, start: int) -> tuple[bytes | None, int] | None:
    """Read one message at ``start``: (body, end), (None, _) when garbled, None when more bytes are needed."""
    digits_at = start + len(BEGIN)
    digits_end = buffer.find(SOH, digits_at, digits_at + 5)
    if digits_end < 0:
        return None if len(buffer) < digits_at + 5 else (None, 0)
    digits = buffer[digits_at:digits_end]
    if not digits.isdigit():
        return None, 0
    body_end = digits_end + 1 + int(digits)
    after = body_end + _TRAILER
    if after - start > MAX_FRAME:
        return None, 0
    if len(buffer) < after:
        return None
    body = buffer[digits_end + 1 : body_end]
    if buffer[body_end:after] != b"10=%03d\x01" % checksum(buffer[start:body_end]) or not _is_clean(body):
        return None, 0
    return body, after


def _is_clean(body: bytes) -> bool:
    """Tell whether a body is fields of printable UTF-8: what is not could be kept in no database row."""
    if not body.startswith(b"35=") or not body.endswith(SOH) or body.translate(None, _ALLOWED):
        return False
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
