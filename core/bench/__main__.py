"""`python -m core.bench NAME`: reads what to do as JSON from standard input, says what was seen on standard output."""

from __future__ import annotations

import json
import sys

from core.bench import balance, bulk, singles

MEASURES = {"singles": singles.measure, "bulk": bulk.measure, "history": bulk.fill, "balance": balance.measure}


def main() -> None:
    """Measure one thing."""
    json.dump(MEASURES[sys.argv[1]](json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
