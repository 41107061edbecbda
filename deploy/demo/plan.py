"""Who takes part in the demo and what they own before the opening, from a seed (pure)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from chaos.market.published import PublishedDay

EMITTERS = 2162
"""Firms of the first compliance cycle."""
MAJORS = 12
"""Emitters rich enough to take any block of the day."""
PRODUCT = "CEA-2019"
BANK = "B001"

PROVINCES = (
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41"),
    *("42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65"),
)
"""GB/T 2260, two digits."""

HOLDING_T = (160_000, 4_000_000)
"""About 4.5 Gt a year over 2,162 firms: 2.08 Mt each on average."""
CASH_FEN = (2_000_000_000, 20_000_000_000)
"""20 to 200 million yuan each."""


@dataclass(frozen=True, slots=True)
class Emitter:
    """A synthetic firm: its filing, its allocation in tonnes and its first deposit in fen."""

    name: str
    province: str
    credit_code: str
    tonnes: int
    cash_fen: int

    def filing(self) -> dict[str, str]:
        """Write the application for its account."""
        return {
            "name": self.name,
            "kind": "E",
            "province": self.province,
            "credit_code": self.credit_code,
            "bank": BANK,
        }


def emitters(day: PublishedDay, *, seed: int, run: str) -> list[Emitter]:
    """Return the firms; ``run`` keeps the credit codes of two runs on one playground apart."""
    dice = random.Random(f"{seed} emitters")  # noqa: S311  # repeatable, not secret
    traded_t, traded_fen = day.listed_t + day.block_t, day.listed_fen + day.block_fen
    firms = []
    for n in range(1, EMITTERS + 1):
        province = dice.choice(PROVINCES)
        tonnes, cash = dice.randint(*HOLDING_T), dice.randint(*CASH_FEN)
        if n <= MAJORS:
            tonnes, cash = tonnes + traded_t, cash + traded_fen
        firms.append(Emitter(f"Emitter {n:04d}", province, f"91{province}{run}{n:08d}", tonnes, cash))
    return firms
