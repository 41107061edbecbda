"""Makes judicial deductions known to everybody, in the words of the market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection

from core import paging
from core.db import counters
from core.encumbrance import store
from core.encumbrance.rules import Encumbrance
from core.encumbrance.store import Notice
from core.quantities import CASH, MAX_AMOUNT, yuan_of_fen
from core.refusals import Answer, Reason, Refused

DEDUCTION = "judicial_deduction"


@dataclass(frozen=True, slots=True)
class Deduction:
    """What a court had taken from whom, for whom."""

    freeze: Encumbrance
    document: str
    taker: str
    asset: str
    amount: int
    serials: tuple[Mapping[str, Any], ...]


def publish_deduction(connection: Connection, facts: Deduction, *, day: date) -> int:
    """Publish the notice of a deduction that was carried out in this transaction; return its number."""
    number = counters.take(connection, "notice")
    said = {
        "court": facts.freeze.creditor,
        "document": facts.document,
        "freeze": facts.freeze.name,
        "from_account": facts.freeze.account,
        "to_account": facts.taker,
        "asset": facts.asset,
        "amount": facts.amount,
        "serials": list(facts.serials),
    }
    store.publish(connection, Notice(number, day, DEDUCTION, text_of(number, facts, day=day), said))
    return number


def text_of(number: int, facts: Deduction, *, day: date) -> str:
    """Word the notice of a deduction."""
    amount = (
        f"资金{yuan_of_fen(facts.amount)}元" if facts.asset == CASH else f"{facts.asset}碳排放配额{facts.amount:,}吨"
    )
    return (
        f"司法扣划公告（第{number}号）\n"
        f"{day.year}年{day.month}月{day.day}日，根据{facts.freeze.creditor}{facts.document}，"
        f"已将登记账户{facts.freeze.account}的{amount}扣划至登记账户{facts.taker}。特此公告。\n"
    )


def page(connection: Connection, *, after: int, limit: int) -> Answer:
    """Return a page of public notices, the newest first; ``next`` is the cursor of the page after."""
    listed = store.notices(connection, before=after or MAX_AMOUNT, limit=limit + 1)
    found, more = paging.page(listed, limit, lambda notice: notice.number)
    return Answer(200, {"notices": [notice.body for notice in found], "next": more})


def get(connection: Connection, number: int) -> Answer | Refused:
    """Return one public notice."""
    found = store.notice(connection, number)
    return Refused(Reason.NOTICE_UNKNOWN) if found is None else Answer(200, found.body)
