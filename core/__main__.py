"""Starts one of core's processes: api, intake or settle; or makes the database ready for them."""

from __future__ import annotations

import sys
from collections.abc import Callable


def _api() -> Callable[[], object]:
    from core.bootstrap import main  # noqa: PLC0415  # each process loads its own parts only

    return main


def _intake() -> Callable[[], object]:
    from core.exchange.intake import main  # noqa: PLC0415  # the same

    return main


def _settle() -> Callable[[], object]:
    from core.chores import main  # noqa: PLC0415  # the same

    return main


def _migrate() -> Callable[[], object]:
    from core.db.first_start import main  # noqa: PLC0415  # the same

    return main


PROCESSES = {"api": _api, "intake": _intake, "settle": _settle, "migrate": _migrate}


def main(arguments: list[str]) -> int:
    """Run the named process; 2 when there is none of that name."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write("usage: python -m core api | intake | settle | migrate\n")
        return 2
    PROCESSES[arguments[0]]()()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
