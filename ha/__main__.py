"""Starts the two small processes of this package; nothing heavy is imported, one of them guards every database."""

from __future__ import annotations

import sys


def main() -> int:
    """Run `guard` or `keeper`."""
    command, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if command == "guard":
        from ha import guard  # noqa: PLC0415  # the guard must not wait for the keeper's imports

        return guard.main(arguments)
    if command == "keeper":
        from ha import keeper  # noqa: PLC0415

        return keeper.main(arguments)
    sys.stderr.write("usage: python -m ha guard|keeper ...\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
