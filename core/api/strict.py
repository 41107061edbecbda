"""Reads JSON as strictly as the database will, no NaN, no name twice, no characters it cannot hold; and writes it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NoReturn

import orjson

UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What PostgreSQL (NUL, lone surrogates) or the banks' XML (the others) cannot carry."""


def parse(raw: bytes) -> Any:
    """Read one JSON document; JSONDecodeError, which the framework knows, for everything else."""
    try:
        document = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("The body is not UTF-8", "", error.start) from error
    if document.startswith("\ufeff"):
        raise json.JSONDecodeError("The body starts with a byte order mark", "", 0)
    try:
        value = json.loads(document, parse_constant=_refuse_constant, object_pairs_hook=_names_once)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nesting without end
        raise json.JSONDecodeError(str(error), "", 0) from error
    if UNSTORABLE.search(document) or ("\\u" in document and _holds_unstorable(value)):
        raise json.JSONDecodeError("A text holds a control character or half a surrogate pair", "", 0)
    return value


def fingerprint(method: str, path: str, body: Any) -> bytes:
    """Return SHA-256 of method, path and the body in canonical form: what makes a repeat the same request."""
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(f"{method}\n{path}\n{canonical}".encode()).digest()


def compact(value: object) -> bytes:
    """Write JSON as we answer and record it."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number of more than 64 bits, which it cannot write
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name stands twice in one object")
    return found


def _holds_unstorable(value: Any) -> bool:
    """Look into every text, names included; escapes hide from a search of the document."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if UNSTORABLE.search(one):
                return True
        elif isinstance(one, dict):
            waiting.extend(one)
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return False
