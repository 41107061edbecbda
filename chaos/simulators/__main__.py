"""Starts one of the counterparties: ``python -m chaos.simulators exchange``, ``bank`` or ``ccer``."""

from __future__ import annotations

import importlib
import sys

SIMULATORS = {
    "exchange": "chaos.simulators.exchange.server",
    "bank": "chaos.simulators.bank",
    "ccer": "chaos.simulators.ccer.server",
}


def main(arguments: list[str]) -> None:
    """Run the named simulator; only its own module is loaded."""
    if len(arguments) != 1 or arguments[0] not in SIMULATORS:
        sys.stderr.write(f"usage: python -m chaos.simulators {'|'.join(SIMULATORS)}\n")
        raise SystemExit(2)
    importlib.import_module(SIMULATORS[arguments[0]]).main()


if __name__ == "__main__":
    main(sys.argv[1:])
