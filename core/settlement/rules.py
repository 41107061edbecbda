"""Clearing: the close of a product, and what counts as a break of the day."""

from __future__ import annotations

from collections.abc import Sequence

from core.quantities import Break, half_up


class DisagreementError(Exception):
    """Parties do not agree: nothing of the step was kept, and the day halts with this list.

    ``patience_s`` is how long the difference may be mere delay, a deposit on its way for instance.
    ``refused_by`` names parties that said no to a question, which may not be asked again under the same id.
    ``opening_version`` is set where the question was about one version of the opening data.
    """

    def __init__(
        self,
        breaks: Sequence[Break],
        *,
        patience_s: float = 0.0,
        refused_by: Sequence[str] = (),
        opening_version: int | None = None,
    ) -> None:
        super().__init__(f"{len(breaks)} breaks, the first: {breaks[0]}")
        self.breaks = tuple(breaks)
        self.patience_s = patience_s
        self.refused_by = tuple(refused_by)
        self.opening_version = opening_version


def close_of(*, listed_fen: int, listed_t: int, previous_close_fen: int, tick_fen: int = 1) -> int:
    """Return the volume-weighted average of the listed trades, half up to the tick; without any, the previous close."""
    return half_up(listed_fen, listed_t * tick_fen) * tick_fen if listed_t else previous_close_fen
