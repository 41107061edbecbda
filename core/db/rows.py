"""Hands many rows to one statement as one JSON text, which ``json_to_recordset`` takes apart on the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson


def json_rows(of: Iterable[Mapping[str, Any]]) -> str:
    """Write rows for one parameter: the driver needs twenty times as long for an array a column, text in it above all.

    Whole numbers of more than 64 bits cannot be among them.
    """
    return orjson.dumps(list(of)).decode()
