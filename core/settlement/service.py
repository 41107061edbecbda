"""Clears and delivers a sealed day, each in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection

from core.ledger import store as ledger
from core.outbox import store as outbox
from core.quantities import Break, Vintage
from core.reconciliation import store as reconciliation
from core.settlement import store
from core.settlement.rules import DisagreementError, close_of
from core.units import store as units

BANK_RELEASE = "bank_release"
"""Topic of the outbox row that tells a bank to make held movements final."""


def clear(
    connection: Connection, day: date, *, opening_version: int, previous_close_fen: Mapping[str, int], tick_fen: int = 1
) -> dict[str, int]:
    """Write every account's obligations; return each product's close.

    DisagreementError names who sold or spent what the opening data did not give them.
    """
    store.insert_obligations(connection, day)
    breaks = store.uncovered(connection, day, version=opening_version)
    if breaks:
        raise DisagreementError(breaks)
    listed = store.listed_sums(connection, day)
    closes = {}
    for product, previous in previous_close_fen.items():
        tonnes, fen = listed.get(product, (0, 0))
        closes[product] = close_of(listed_fen=fen, listed_t=tonnes, previous_close_fen=previous, tick_fen=tick_fen)
    return closes


def _short_of_units(nets: Sequence[tuple[str, Vintage, int]], held: Mapping[tuple[str, int], int]) -> Sequence[Break]:
    """Name who has fewer serial numbers than delivery would take, whatever the ledger says."""
    return [
        Break("account", "units", account, vintage.product, -net, held.get((account, vintage.year), 0))
        for account, vintage, net in nets
        if -net > held.get((account, vintage.year), 0)
    ]


def deliver(connection: Connection, day: date, *, releases: Mapping[str, str]) -> int:
    """Make the day's change of ownership final, both legs of every trade; return how many trades that were.

    ``releases`` names by bank the message whose held movements become final with it. DisagreementError when
    somebody is short, or when the two accountings end up apart; then nothing was delivered.
    """
    nets = store.unit_nets(connection, day)
    breaks = [*store.short(connection, day), *_short_of_units(nets, units.totals(connection))]
    if breaks:
        raise DisagreementError(breaks)
    ledger.stage(connection)
    staged = store.stage_trades(connection, day)
    posted = ledger.post_staged(connection, market_day=day)
    # The ledger's locks first, the units' after them: the order that every writer of both keeps.
    units.deliver(connection, nets, reference=f"day:{day}", market_day=day)
    for bank, message_id in releases.items():
        outbox.put(connection, BANK_RELEASE, f"{day}:{bank}", {"bank": bank, "message_id": message_id})
    breaks = [*reconciliation.differences(connection), *store.in_transit(connection)]
    if posted != staged:
        breaks.append(Break("total", "ledger", "", "", staged, posted))
    if breaks:
        raise DisagreementError(breaks)
    return staged // 2
