"""What the name and the value of each kind of parameter must look like; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any

from core.parameters.rules import PRICE_TICK
from core.quantities import MAX_AMOUNT, SERIALS_PER_VINTAGE, Vintage
from core.texts import is_plain_text

MODES = ("listed", "block")
"""The modes that the exchange's messages can name; whether one trades, and how, is data."""
TICK_MAX_FEN = 10_000
SESSIONS_MAX = 10
EARLIEST = time(8)
"""Before it, a time in Shanghai belongs to another date in UTC, which messages carry."""
_SECTOR = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

Value = dict[str, Any]


class ValueRefusedError(Exception):
    """A name or a value does not fit its kind; the message says what would."""


def _need(holds: bool, sentence: str) -> None:  # noqa: FBT001  # reads as a sentence: need this, or say that
    if not holds:
        raise ValueRefusedError(sentence)


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _open(value: Mapping[str, Any]) -> bool:
    _need(type(value["open"]) is bool, "open is true or false.")
    return bool(value["open"])


def _sector(value: Mapping[str, Any]) -> Value:
    for name in ("title", "published"):
        _need(is_plain_text(value[name], 100), f"{name} is a text of at most 100 characters.")
    return {"open": _open(value), "title": value["title"], "published": value["published"]}


def _product(value: Mapping[str, Any]) -> Value:
    base = value["base_price_fen"]
    _need(base is None or _is_whole(base, 1, MAX_AMOUNT // 100), "base_price_fen is a positive number of fen, or null.")
    return {"open": _open(value), "base_price_fen": base}


def _vintage(value: Mapping[str, Any]) -> Value:
    return {"open": _open(value)}


def _mode(value: Mapping[str, Any]) -> Value:
    least, most = value["least_t"], value["most_t"]
    _need(_is_whole(least, 1, SERIALS_PER_VINTAGE), "least_t is a positive number of tonnes.")
    _need(
        most is None or _is_whole(most, least, SERIALS_PER_VINTAGE),
        "most_t is a number of tonnes not below least_t, or null.",
    )
    return {"open": _open(value), "least_t": least, "most_t": most}


def _limit(value: Mapping[str, Any]) -> Value:
    percent = value["percent"]
    _need(
        percent is None or _is_whole(percent, 1, 99),
        "percent is a whole number from 1 to 99; for a product null, to follow its mode.",
    )
    return {"percent": percent}


def _tick(value: Mapping[str, Any]) -> Value:
    _need(_is_whole(value["fen"], 1, TICK_MAX_FEN), f"fen is a whole number from 1 to {TICK_MAX_FEN}.")
    return {"fen": value["fen"]}


def _hours(value: Mapping[str, Any]) -> Value:
    sessions, form = value["sessions"], 'sessions are pairs of times as ["09:30", "11:30"], in order and apart.'
    _need(isinstance(sessions, list) and 0 < len(sessions) <= SESSIONS_MAX, form)
    latest: time | None = None
    for session in sessions:
        _need(isinstance(session, list) and len(session) == 2 and all(map(_is_time, session)), form)
        start, end = (time.fromisoformat(moment) for moment in session)
        _need(start >= EARLIEST, "A session starts at 08:00 or later, in the market's zone.")
        _need(start < end and (latest is None or latest < start), form)
        latest = end
    return {"sessions": [list(session) for session in sessions]}


def _is_time(moment: object) -> bool:
    return isinstance(moment, str) and _TIME.fullmatch(moment) is not None


def _calendar(value: Mapping[str, Any]) -> Value:
    _need(is_plain_text(value["why"]), "why is a text of at most 200 characters.")
    return {"open": _open(value), "why": value["why"]}


def _cap(value: Mapping[str, Any]) -> Value:
    tonnes = value["tonnes"]
    _need(
        tonnes is None or _is_whole(tonnes, 0, SERIALS_PER_VINTAGE - 1),
        "tonnes is a whole number below 10^12, or null for no cap.",
    )
    return {"tonnes": tonnes}


def _is_product(name: str) -> bool:
    try:
        Vintage.of_product(name)
    except ValueError:
        return False
    return True


def _is_limit(name: str) -> bool:
    mode, slash, product = name.partition("/")
    return mode in MODES and (not slash or _is_product(product))


def _is_date(name: str) -> bool:
    try:
        return date.fromisoformat(name).isoformat() == name and 2000 <= int(name[:4]) <= 2099
    except ValueError:
        return False


NAMES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "sector": (lambda name: _SECTOR.fullmatch(name) is not None, "a word in small letters, as steel"),
    "product": (_is_product, "CEA-<vintage>"),
    "vintage": (_is_product, "CEA-<vintage>"),
    "mode": (lambda name: name in MODES, "listed or block"),
    "limit": (_is_limit, "a mode, or a mode and a product as listed/CEA-2019"),
    "tick": (lambda name: name == PRICE_TICK, PRICE_TICK),
    "hours": (lambda name: name in MODES, "listed or block"),
    "calendar": (_is_date, "the date it is about, as 2021-10-08"),
    "cap": (_is_product, "CEA-<vintage>"),
}
VALUES: Mapping[str, tuple[Callable[[Mapping[str, Any]], Value], frozenset[str]]] = {
    "sector": (_sector, frozenset({"open", "title", "published"})),
    "product": (_product, frozenset({"open", "base_price_fen"})),
    "vintage": (_vintage, frozenset({"open"})),
    "mode": (_mode, frozenset({"open", "least_t", "most_t"})),
    "limit": (_limit, frozenset({"percent"})),
    "tick": (_tick, frozenset({"fen"})),
    "hours": (_hours, frozenset({"sessions"})),
    "calendar": (_calendar, frozenset({"open", "why"})),
    "cap": (_cap, frozenset({"tonnes"})),
}
KINDS = tuple(VALUES)


def check_name(kind: str, name: object) -> str:
    """Return the name of a parameter of a known kind; ValueRefusedError when it is none."""
    fits, form = NAMES[kind]
    if not isinstance(name, str) or not fits(name):
        raise ValueRefusedError(f"The name of a {kind} is {form}.")
    return name


def check_value(kind: str, name: str, value: object) -> Value:
    """Return the value of a parameter of a known kind as it is kept; ValueRefusedError when it does not fit."""
    read, fields = VALUES[kind]
    form = f"A {kind} has exactly {', '.join(sorted(fields))}."
    if not isinstance(value, Mapping) or frozenset(value) != fields:
        raise ValueRefusedError(form)
    read_value = read(value)
    if kind == "limit" and "/" not in name and read_value["percent"] is None:
        raise ValueRefusedError("The limits of a mode are a percentage; only those of a product may be null.")
    return read_value
