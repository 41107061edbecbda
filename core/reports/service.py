"""Publishes the daily clearing report of a delivered day."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection

from core.reports import store
from core.reports.rules import figures_of, text_of


class ReportError(Exception):
    """The ledger does not say what the trades say; no report is published over it."""


def publish(
    connection: Connection, day: date, *, cumulative_before_t: int, cumulative_before_fen: int
) -> dict[str, Any]:
    """Add the day up, hold the sums against the ledger, and keep the report; return its figures."""
    figures = figures_of(
        day,
        store.product_days(connection, day),
        cumulative_before_t=cumulative_before_t,
        cumulative_before_fen=cumulative_before_fen,
    )
    traded = (figures["listed_t"] + figures["block_t"], figures["listed_fen"] + figures["block_fen"])
    if traded != store.booked(connection, day):
        raise ReportError(f"{day}: trades add up to {traded}, the ledger to {store.booked(connection, day)}")
    store.insert(connection, day, content=text_of(figures), figures=figures)
    return figures


def show(connection: Connection, day: date) -> dict[str, Any] | None:
    """Return a published report as the API shows it, or None."""
    found = store.find(connection, day)
    return None if found is None else {"text": found[0], "figures": found[1]}
