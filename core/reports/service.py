"""Publishes the daily clearing report of a delivered day."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.reports import store
from core.reports.rules import booking_breaks, figures_of, text_of
from core.settlement.rules import DisagreementError


def publish(
    connection: Connection, day: date, *, cumulative_before_t: int, cumulative_before_fen: int
) -> dict[str, Any]:
    """Add the day up, hold the sums against the ledger, and keep the report; return its figures.

    DisagreementError when the ledger does not say what the trades say; no report is published over that.
    """
    products = store.product_days(connection, day)
    breaks = booking_breaks(products, store.booked(connection, day))
    if breaks:
        raise DisagreementError(breaks)
    figures = figures_of(
        day,
        products,
        cumulative_before_t=cumulative_before_t,
        cumulative_before_fen=cumulative_before_fen,
    )
    store.insert(connection, day, content=text_of(figures), figures=figures)
    return figures


def show(connection: Connection, day: date) -> dict[str, Any] | None:
    """Return a published report as the API shows it, or None."""
    found = store.find(connection, day)
    return None if found is None else {"text": found[0], "figures": found[1]}
