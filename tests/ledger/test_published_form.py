"""docs/ledger.md is what a reader outside computes by: its example is recomputed from the page, with hashlib alone."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path

from core.ledger import canonical
from core.ledger.rules import BANK, ISSUANCE, Transfer, place_of

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
EXAMPLE = PAGE[PAGE.index("## Example") : PAGE.index("## Files")]
FIRST, SECOND, SEAL = [block.encode() for block in re.findall(r"```\n(.*?\n)```", EXAMPLE, re.DOTALL)]
ROWS_1, H_1, ROWS_2, H_2, SEALED = re.findall(r"`([0-9a-f]{64})`", EXAMPLE)

DAY = date(2021, 7, 16)


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def test_the_example_is_right_by_what_the_page_says() -> None:
    assert sha256(sha256(FIRST)).hex() == ROWS_1
    assert sha256(bytes(32) + bytes.fromhex(ROWS_1)).hex() == H_1
    assert sha256(sha256(SECOND)).hex() == ROWS_2
    assert sha256(bytes.fromhex(H_1 + ROWS_2)).hex() == H_2
    assert f"seal|2021-07-16|2|{H_2}|{'0' * 64}\n".encode() == SEAL
    assert sha256(SEAL).hex() == SEALED


def test_the_registry_writes_the_example_byte_by_byte() -> None:
    cash = Transfer("T-1", place_of(BANK, "CNY"), place_of("E42-00001001-60", "CNY"), 52_800_000, "DEPOSIT", "M|1")
    giver, taker = place_of(ISSUANCE, "CEA-2019"), place_of("E42-00001002-57", "CEA-2019")
    units = Transfer("T-2", giver, taker, 10_000, "ALLOCATE", "CEA-2019/配额")
    first = [canonical.line_of(cash, DAY), canonical.line_of(units, DAY)]
    second = [canonical.line_of(cash.mirror("T-3", kind="REVERSAL", reference="by mistake"), DAY)]

    assert b"".join(first) == FIRST
    assert b"".join(second) == SECOND
    h_1 = canonical.chained(canonical.NOTHING, canonical.rows_hash(first))
    h_2 = canonical.chained(h_1, canonical.rows_hash(second))
    seal = canonical.Seal(DAY, 1, 1, 2, h_2, canonical.NOTHING, b"")
    assert (seal.text, seal.computed.hex()) == (SEAL, SEALED)


def test_a_long_batch_is_hashed_in_blocks() -> None:
    lines = [f"{n}\n".encode() for n in range(2500)]
    blocks = [b"".join(lines[begin : begin + 1000]) for begin in (0, 1000, 2000)]

    assert canonical.rows_hash(lines) == sha256(b"".join(sha256(block) for block in blocks))
    assert canonical.rows_hash(lines[:1000]) == sha256(sha256(blocks[0]))
    assert canonical.rows_hash([]) == sha256(b"")
    assert canonical.rows_hash(lines, form=1) == sha256(b"".join(lines))
