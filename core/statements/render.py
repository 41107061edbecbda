"""A statement on paper and in a spreadsheet: PDF and CSV, the same bytes for the same statement."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from core.statements.rules import Statement, amount_text

FONT = "STSong-Light"
"""Every PDF reader knows it, Chinese and Latin alike, so that nothing is embedded."""

COLUMNS = (
    "part", "place", "type", "asset", "bucket", "opening", "change", "balance", "other_account", "reference",
    "first_serial", "last_serial",
)  # fmt: skip

HARMLESS_PREFIX = "'"
"""A spreadsheet would run a text that begins like a formula."""


def to_csv(statement: Statement) -> bytes:
    """Write one table with the balances, the bookings and the serials below each other; amounts are whole numbers.

    UTF-8 with the mark that spreadsheets need to read Chinese.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    about = {"asset": statement.account, "type": statement.day.isoformat(), "reference": _harmless(statement.name)}
    writer.writerow({"part": "account", **about})
    for held in statement.balances:
        row = {"asset": held.asset, "bucket": held.bucket, "opening": held.opening, "balance": held.closing}
        writer.writerow({"part": "balance", **row})
    for booked in statement.bookings:
        row = {
            "place": booked.place,
            "type": booked.type,
            "asset": booked.asset,
            "bucket": booked.bucket,
            "change": booked.change,
            "balance": booked.balance,
            "other_account": booked.other,
            "reference": _harmless(booked.reference),
        }
        writer.writerow({"part": "booking", **row})
    for serials in statement.serials:
        row = {"first_serial": serials.first, "last_serial": serials.last, "balance": serials.tonnes}
        writer.writerow({"part": "serials", **row})
    return out.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    return HARMLESS_PREFIX + cell if cell.startswith(("=", "+", "-", "@", "\t")) else cell


def to_pdf(statement: Statement) -> bytes:
    """Print the statement on A4, landscape; amounts in tonnes and in yuan."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out,
        pagesize=landscape(A4),
        title=f"{statement.account} {statement.day}",
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        invariant=1,  # no time of printing inside: the same statement is the same file
    )
    page.build(list(_pages(statement)))
    return out.getvalue()


def _pages(statement: Statement) -> Iterable[Flowable]:
    head = ParagraphStyle("head", fontName=FONT, fontSize=13, leading=18)
    yield Paragraph(_escaped(f"{statement.account}  {statement.name}"), head)
    yield Paragraph(_escaped(f"Statement of {statement.day}"), head)
    yield from _table(
        "Balances",
        ("asset", "bucket", "opening", "closing"),
        [
            (b.asset, b.bucket, amount_text(b.asset, b.opening), amount_text(b.asset, b.closing))
            for b in statement.balances
        ],
        amounts=(2, 3),
    )
    yield from _table(
        "Bookings",
        ("place", "type", "asset", "bucket", "change", "balance", "other account"),
        [
            (
                b.place,
                b.type,
                b.asset,
                b.bucket,
                amount_text(b.asset, b.change),
                amount_text(b.asset, b.balance),
                b.other,
            )
            for b in statement.bookings
        ],
        amounts=(4, 5),
    )
    yield from _table(
        "Serial numbers at the end of the day",
        ("first", "last", "tonnes"),
        [(s.first, s.last, f"{s.tonnes:,}") for s in statement.serials],
        amounts=(2,),
    )


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, amounts: Sequence[int]
) -> Iterable[Flowable]:
    yield Spacer(0, 5 * mm)
    yield Paragraph(title, ParagraphStyle("title", fontName=FONT, fontSize=10, leading=14))
    if not rows:
        yield Paragraph("none", ParagraphStyle("none", fontName=FONT, fontSize=8))
        return
    style = TableStyle()
    style.add("FONT", (0, 0), (-1, -1), FONT, 8)
    style.add("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black)
    style.add("ROWBACKGROUNDS", (0, 1), (-1, -1), (colors.white, colors.whitesmoke))
    for column in amounts:
        style.add("ALIGN", (column, 0), (column, -1), "RIGHT")
    yield Table([list(columns), *map(list, rows)], repeatRows=1, hAlign="LEFT", style=style)


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
