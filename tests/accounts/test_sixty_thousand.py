"""The size that the registry is made for: sixty thousand accounts, opened with one file, each found at once."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.accounts.files.rules import ROWS_MAX
from core.accounts.search import store
from core.accounts.search.rules import Wanted

WORDS = ("华能", "大唐", "国电", "华电", "江汉", "长江", "黄河", "北方", "南方", "东方", "钢铁", "水泥", "铝业", "热电")
FILE_ROWS = ROWS_MAX


@pytest.mark.anyio
async def test_a_file_of_sixty_thousand_opens_in_one_go_and_each_is_found_by_index(web: Any, engine: Engine) -> None:
    chosen = random.Random(7)
    names = [f"{''.join(chosen.sample(WORDS, 3))}第{n}发电有限责任公司" for n in range(FILE_ROWS)]
    rows = "".join(f"{name},E,42,91{n:016d},power\n" for n, name in enumerate(names))
    content = ("name,kind,province,credit_code,sector\n" + rows).encode()
    asked = await web.file(content)
    assert asked.status_code == 202, asked.text[:500]
    opened = await web.approve(asked.json()["id"])
    assert opened.json()["file"]["count"] == FILE_ROWS, opened.text[:500]

    for part, count in (("第31415发", 1), ("910000000000031415", 1), (names[77], 1)):
        found = (await web.get("/v1/accounts", params={"q": part})).json()["accounts"]
        assert len(found) == count, part

    with engine.begin() as connection:
        plans = {part: plan_of(connection, part) for part in ("第31415", "华能钢铁第9")}
    assert "account_by_grams" in plans["第31415"]
    assert "account_by_grams" in plans["华能钢铁第9"]
    again = await web.file(content + b"\n")
    assert again.status_code == 409
    assert len(again.json()["errors"]) == FILE_ROWS, "every subject has an account by now, and each line says so"


def plan_of(connection: Any, part: str) -> str:
    """Explain the very statement that a search runs."""
    said: list[str] = []
    whole = connection.execute

    class Explaining:
        def execute(self, query: Any, values: Any) -> Any:
            said.extend(row[0] for row in whole(text(f"EXPLAIN {query.text}"), values))
            return whole(query, values)

    store.page(Explaining(), Wanted(part=part), after="", limit=101)  # type: ignore[arg-type]
    return "\n".join(said)
