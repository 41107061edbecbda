"""Opening data: what every open account may sell and spend on a day, frozen, hashed and versioned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.callers import Caller
from core.clock import store as clock
from core.clock.rules import market_day
from core.day import store
from core.day.chores import Chore
from core.day.rules import Opening, State, opening_hash
from core.encumbrance import keeping as freezes
from core.ledger import store as ledger
from core.parameters import service as parameters
from core.quantities import CASH

OPENER = Caller("opening data", frozenset())
"""Who is named where freezes are filled while opening data is built."""


@dataclass(frozen=True, slots=True)
class OpeningData:
    """One version of a day's opening data."""

    day: date
    version: int
    hash: str
    positions: list[tuple[str, str, int]]

    @property
    def totals(self) -> dict[str, int]:
        """Sum of each asset over all accounts."""
        sums: dict[str, int] = {}
        for _, asset, amount in self.positions:
            sums[asset] = sums.get(asset, 0) + amount
        return sums

    def message(self, previous_close_fen: Mapping[str, int]) -> dict[str, Any]:
        """Return what the exchange is sent."""
        return {
            "day": self.day.isoformat(),
            "version": self.version,
            "previous_close_fen": dict(previous_close_fen),
            "positions": [list(position) for position in self.positions],
            "totals": self.totals,
            "hash": self.hash,
        }


def open_first(connection: Connection, asked: Opening, *, worker: str) -> OpeningData:
    """Write a new day in its first state, with version 1 of its opening data; from now on its rules are fixed."""
    parameters.freeze(connection, asked.day)
    store.insert(
        connection,
        asked.day,
        previous_close_fen=asked.previous_close_fen,
        cumulative_t=asked.cumulative_t,
        cumulative_fen=asked.cumulative_fen,
    )
    store.move(connection, asked.day, before=None, after=State.OPENING_SENT, worker=worker)
    return build(connection, asked.day, products=sorted(asked.previous_close_fen))


def build(connection: Connection, day: date, *, products: Sequence[str], version: int = 1) -> OpeningData:
    """Freeze what every open account may sell and spend; the day's first state has it sent to the exchange.

    What was bought on earlier days may be sold on this one, and is counted in. Freezes that waited for what the
    exchange had take their part first, so that it is not offered again.
    """
    store.lock_balances(connection)
    freezes.fill_all(connection, OPENER)
    store.insert_positions(connection, day, version, assets=[*products, CASH])
    return _publish(connection, day, version)


def open_bought(connection: Connection, day: date) -> None:
    """Make available on ``day`` what was bought on the days before it; freezes that waited for it take their part."""
    store.lock_balances(connection)
    ledger.stage(connection)
    store.stage_releases(connection, day)
    if ledger.post_staged(connection, market_day=day):
        freezes.fill_all(connection, OPENER)


def mornings(connection: Connection) -> Sequence[str]:
    """Name the day that is over and whose purchases wait for the date to have changed; a chore."""
    over = store.not_opened(connection, market_day(clock.now(connection)))
    return [over.isoformat()] if over is not None else []


def begin(connection: Connection, worker: Caller, over: str) -> bool:
    """Open what was bought up to the day named; False when somebody else did."""
    day = date.fromisoformat(over)
    store.lock_patiently(connection, day)
    if mornings(connection) != [over]:
        return False
    open_bought(connection, market_day(clock.now(connection)))
    store.note(connection, day, worker=worker.name, detail=store.BOUGHT_OPENED)
    return True


MORNING = Chore("morning", mornings, begin)


def _publish(connection: Connection, day: date, version: int) -> OpeningData:
    positions = store.positions(connection, day, version)
    hashed = opening_hash(positions)
    store.insert_opening(connection, day, version, positions=len(positions), hashed=hashed)
    return OpeningData(day, version, hashed, positions)


def revise(connection: Connection, day: date) -> OpeningData | None:
    """Freeze the same accounts anew where any of them holds something else by now; None when all is as it was said.

    Until trading starts an owner may still hand units in, and cash may come in: the exchange must not start on less
    or more than there is. The balances stay locked, so that what is true here is true when the day moves on.
    """
    open_bought(connection, day)
    version, _ = store.latest_opening(connection, day)
    if not store.positions_changed(connection, day, version):
        return None
    store.insert_positions_again(connection, day, version)
    return _publish(connection, day, version + 1)


def latest(connection: Connection, day: date) -> OpeningData:
    """Read the newest version of the day's opening data."""
    version, hashed = store.latest_opening(connection, day)
    return OpeningData(day, version, hashed, store.positions(connection, day, version))
