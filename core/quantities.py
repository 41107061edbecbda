"""The words everything else speaks: tonnes, fen, vintages, products and serial ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

CASH = "CNY"
"""The cash asset; its amounts are integer fen."""

MAX_AMOUNT = 2**63 - 1
"""The largest amount a ledger row can carry (PostgreSQL bigint)."""

SERIALS_PER_VINTAGE = 10**12
"""Serial numbers have twelve digits, so a vintage and a number make one integer: vintage * 10^12 + number."""

_PRODUCT = re.compile(r"CEA-([0-9]{4})")
_SERIAL = re.compile(r"CEA-([0-9]{4})-([0-9]{12})")


@dataclass(frozen=True, slots=True, order=True)
class Vintage:
    """The year an allowance was issued for; its product name is ``CEA-<year>``."""

    year: int

    def __post_init__(self) -> None:
        if type(self.year) is not int or not 2000 <= self.year <= 2099:
            raise ValueError(f"a vintage is a year from 2000 to 2099, got {self.year!r}")

    @property
    def product(self) -> str:
        """The asset name that ledger, exchange and reports use."""
        return f"CEA-{self.year}"

    @classmethod
    def of_product(cls, product: str) -> Vintage:
        """Read a product name; ValueError when it is none."""
        found = _PRODUCT.fullmatch(product)
        if found is None:
            raise ValueError(f"a product is CEA-<vintage>, got {product!r}")
        return cls(int(found[1]))


@dataclass(frozen=True, slots=True, order=True)
class SerialRange:
    """A run of serial numbers of one vintage, both ends included; numbers count from 1."""

    vintage: Vintage
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last < SERIALS_PER_VINTAGE:
            raise ValueError(f"serials run from 1 to 10^12 - 1 in order, got {self.first}..{self.last}")

    @property
    def tonnes(self) -> int:
        """How many allowances the range holds."""
        return self.last - self.first + 1

    def split(self, tonnes: int) -> tuple[SerialRange, SerialRange]:
        """Cut into the lowest ``tonnes`` serials and the rest; both parts are never empty."""
        if not 0 < tonnes < self.tonnes:
            raise ValueError(f"cannot split {tonnes} t off a block of {self.tonnes} t")
        cut = self.first + tonnes
        return SerialRange(self.vintage, self.first, cut - 1), SerialRange(self.vintage, cut, self.last)

    @property
    def bounds(self) -> tuple[int, int]:
        """The half-open integer range [low, high) that the database stores."""
        base = self.vintage.year * SERIALS_PER_VINTAGE
        return base + self.first, base + self.last + 1

    @classmethod
    def of_bounds(cls, low: int, high: int) -> SerialRange:
        """Read the half-open integer range that the database stores."""
        year, first = divmod(low, SERIALS_PER_VINTAGE)
        return cls(Vintage(year), first, first + (high - low) - 1)

    @property
    def body(self) -> dict[str, str | int]:
        """The range as callers read it."""
        name = self.vintage.product
        return {"first": f"{name}-{self.first:012d}", "last": f"{name}-{self.last:012d}", "tonnes": self.tonnes}

    def __str__(self) -> str:
        name = self.vintage.product
        return f"{name}-{self.first:012d}..{name}-{self.last:012d}"


def parse_serial(text: str) -> tuple[Vintage, int]:
    """Read ``CEA-<vintage>-<12 digits>``; ValueError when it is not one."""
    found = _SERIAL.fullmatch(text)
    if found is None:
        raise ValueError(f"a serial is CEA-<vintage>-<12 digits>, got {text!r}")
    return Vintage(int(found[1])), int(found[2])


def fen_of_yuan(text: str) -> int:
    """Turn yuan written with at most two decimals into fen; ValueError for anything else."""
    if re.fullmatch(r"-?\d{1,15}(\.\d{1,2})?", text, re.ASCII) is None:
        raise ValueError(f"yuan are written with at most two decimals, got {text!r}")
    return int(Decimal(text) * 100)


def yuan_of_fen(fen: int) -> str:
    """Write fen as yuan with two decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def half_up(numerator: int, denominator: int) -> int:
    """Divide two integers and round half up (away from zero), as every price of the market is rounded."""
    if denominator <= 0:
        raise ValueError("half_up divides by a positive number")
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded


@dataclass(frozen=True, slots=True)
class Break:
    """A figure on which two parties do not agree; the day stops on it."""

    level: str
    """``total``, ``account`` or ``trade``: how far down the difference was located."""
    party: str
    """Who or what holds the other figure: the exchange, a bank's code, ``opening``, ``units``."""
    account: str
    asset: str
    expected: int | str
    """The registry's figure."""
    actual: int | str
    """The other one."""
