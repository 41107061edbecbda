"""A compliance year from its rules to its penalty, with every figure worked out beside it.

Five subjects: the power firms A and B in Hubei (province 42), the steel firm C in Shanghai (31), an institution I that
trades, and a person P who wants to do some good. Units are whole tonnes, money is in fen, a hundredth of a yuan.
``pytest tests/worked -s`` prints the statements of A.
"""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import date
from typing import Any

from core.ledger.rules import CANCELLED, SURRENDERED
from core.reports import store as reports
from core.reports.rules import figures_of, text_of
from core.units import store as units
from tests.worked.allocating import (
    a_day_is_traded,
    a_first_part_is_allocated,
    some_units_are_pledged_and_some_given_up,
    the_accounts_are_opened,
    the_allocation_is_trued_up,
    the_rules_are_laid_down,
)
from tests.worked.complying import (
    FREEZE,
    a_court_has_units_deducted,
    an_empty_account_is_closed,
    b_merges_into_a,
    emissions_become_obligations,
    five_percent_are_offset,
    too_much_is_handed_in_and_taken_back,
    units_are_carried_over,
    units_are_handed_in,
    who_is_short_is_penalised,
)
from tests.worked.registry import HUBEI, SHANGHAI, Subject, Year, printed


def test_a_worked_compliance_year(year: Any, books: Any) -> None:
    # July
    the_rules_are_laid_down(year)
    a, b, c, i, p = subjects = the_accounts_are_opened(year)
    a_first_part_is_allocated(year, a, b, c)
    a_day_is_traded(year, a, b, c, i, p)
    # September
    the_allocation_is_trued_up(year, a, b, c)
    some_units_are_pledged_and_some_given_up(year, b, i, p)
    # October
    emissions_become_obligations(year, a, b, c)
    units_are_handed_in(year, a, c)
    five_percent_are_offset(year, a)
    an_empty_account_is_closed(year, p)
    too_much_is_handed_in_and_taken_back(year, b)
    units_are_carried_over(year, a)
    a_court_has_units_deducted(year, c, i)
    # November
    b_merges_into_a(year, a, b)
    # January
    who_is_short_is_penalised(year, a, b, c)

    the_statements_tell_it_day_by_day(year, a)
    two_provinces_see_their_own(year, *subjects)
    the_books_agree(year, books, subjects)


DAYS = ("2021-07-15", "2021-07-16", "2021-09-30", "2021-10-15", "2021-10-20", "2021-11-10", "2022-01-04")
"""On which something happened to A."""


def csv(day: str, *lines: str) -> bytes:
    """Word a statement as a spreadsheet takes it: UTF-8 with its mark, a line feed after each carriage return."""
    head = (
        "part,place,type,asset,bucket,opening,change,balance,other_account,reference,first_serial,last_serial",
        f"account,,{day},E42-00001001-60,,,,,,Hanjiang Power,,",
    )
    return "".join(f"{line}\r\n" for line in (*head, *lines)).encode("utf-8-sig")


def the_statements_tell_it_day_by_day(year: Year, a: Subject) -> None:
    for day in DAYS:
        printed(year.statement(a, day, "json").json())
    whole = [year.statement(a, day, "json").json() for day in DAYS]
    ends = [{(b["asset"], b["bucket"]): (b["opening"], b["closing"]) for b in one["balances"]} for one in whole]
    for before, after in itertools.pairwise(ends):  # each day begins as the one before it ended
        assert {key: end for key, (_, end) in before.items() if end} == {
            k: begin for k, (begin, _) in after.items() if begin
        }
    assert year.statement(a, "2021-07-15", "csv").content == csv(
        "2021-07-15",
        "balance,,,CEA-2019,available,0,,700000,,,,",
        'booking,1-1,PRE_ALLOCATE,CEA-2019,available,,700000,700000,S00-00000001-53,"CEA-2019/2019, first part",,',
        "serials,,,,,,,700000,,,CEA-2019-000000000001,CEA-2019-000000700000",
    )
    assert year.statement(a, "2021-07-16", "csv").content == csv(
        "2021-07-16",
        "balance,,,CEA-2019,available,700000,,597990,,,,",  # 700,000 - 2,000 - 10 - 100,000 t
        "balance,,,CNY,available,0,,484850000,,,,",  # 9,800,000 + 50,000 + 475,000,000 fen
        "booking,4-1,TRADE_UNITS,CEA-2019,available,,-2000,698000,I42-00001004-45,T1,,",
        "booking,4-2,TRADE_CASH,CNY,available,,9800000,9800000,I42-00001004-45,T1,,",
        "booking,4-3,TRADE_UNITS,CEA-2019,available,,-10,697990,P31-00001005-37,T2,,",
        "booking,4-4,TRADE_CASH,CNY,available,,50000,9850000,P31-00001005-37,T2,,",
        "booking,4-7,TRADE_UNITS,CEA-2019,available,,-100000,597990,E42-00001002-57,T4,,",
        "booking,4-8,TRADE_CASH,CNY,available,,475000000,484850000,E42-00001002-57,T4,,",
        "serials,,,,,,,597990,,,CEA-2019-000000102011,CEA-2019-000000700000",
    )
    [merger] = year.get("/v1/tasks", kind="merger")["tasks"]
    [last] = [one for one in year.get(f"/v1/accounts/{a.number}/surrenders")["surrenders"] if one["tonnes"] == 151_000]
    b_s, a_s = f"E42-00001002-57,{merger['id']},,", f"E42-00001001-60,{last['id']},,"
    assert year.statement(a, "2021-11-10", "csv").content == csv(
        "2021-11-10",
        "balance,,,CEA-2019,available,67990,,16990,,,,",  # 67,990 + 80,000 + 20,000 - 151,000 t
        "balance,,,CEA-2019,pending_surrender,0,,0,,,,",
        "balance,,,CEA-2019,pledged,0,,0,,,,",
        "balance,,,CEA-2020,available,30000,,30000,,,,",
        "balance,,,CNY,available,484850000,,509850000,,,,",
        f"booking,27-1,MERGE_TRANSFER,CEA-2019,available,,80000,147990,{b_s}",
        f"booking,27-2,MERGE_TRANSFER,CEA-2019,pledged,,20000,20000,{b_s}",
        f"booking,27-3,MERGE_TRANSFER,CNY,available,,25000000,509850000,{b_s}",
        "booking,28-1,PLEDGE_RELEASE,CEA-2019,pledged,,-20000,0,E42-00001001-60,ENC-00000001,,",
        "booking,28-1,PLEDGE_RELEASE,CEA-2019,available,,20000,167990,E42-00001001-60,ENC-00000001,,",
        f"booking,29-1,SURRENDER_HOLD,CEA-2019,available,,-151000,16990,{a_s}",
        f"booking,29-1,SURRENDER_HOLD,CEA-2019,pending_surrender,,151000,151000,{a_s}",
        f"booking,30-1,SURRENDER,CEA-2019,pending_surrender,,-151000,0,S00-00000003-47,{last['id']},,",
        # Of B's hundred thousand and A's own 1,502,011 to 1,570,000 the lowest 151,000 are handed in.
        "serials,,,,,,,16990,,,CEA-2019-000001553011,CEA-2019-000001570000",
        "serials,,,,,,,30000,,,CEA-2020-000000000001,CEA-2020-000000030000",
    )
    assert all(year.statement(a, day, "pdf").content.startswith(b"%PDF") for day in DAYS)


def two_provinces_see_their_own(year: Year, a: Subject, b: Subject, c: Subject, i: Subject, p: Subject) -> None:
    """In lists, counts, search, statements, tasks and totals; what belongs to the other is not there."""
    hubei, shanghai = [one.number for one in (a, b, i)], [one.number for one in (c, p)]
    # 70 % of 1,000,000 + 400,000 t; +200,000 t and -30,000 t; 70 % of 1,300,000 t
    of_hubei = [(1_400_000, 980_000, 0), (1_150_000, 200_000, 0), (1_300_000, 910_000, 0)]
    # 70 % of 600,000 t, withheld at first; +180,000 t; 70 % of 500,000 t less 41,000 t
    of_shanghai = [(600_000, 0, 0), (600_000, 180_000, 0), (500_000, 309_000, 41_000)]
    sides = (
        (HUBEI, hubei, shanghai, {"Power": 2, "Steel": 0, "Carbon": 1}, of_hubei, [(a, "MET"), (b, "MET")]),
        (SHANGHAI, shanghai, hubei, {"Power": 0, "Steel": 1, "Carbon": 0}, of_shanghai, [(c, "PENALISED")]),
    )
    for reader, own, others, names, totals, ended in sides:
        assert [one["number"] for one in year.get("/v1/accounts", reader)["accounts"]] == own
        found = {name: len(year.get("/v1/accounts", reader, q=name)["accounts"]) for name in names}
        assert found == names
        first = year.get("/v1/accounts", reader, limit=1)
        assert ([one["number"] for one in first["accounts"]], first["next"]) == (own[:1], own[0])
        tasks = year.get("/v1/tasks", reader, limit=1000)["tasks"]
        assert {task["approval"]["accounts"][0] for task in tasks} == set(own)
        obligations = year.get("/v1/compliance-years/2020/obligations", reader)["obligations"]
        assert [(one["account"], one["state"]) for one in obligations] == [(one.number, state) for one, state in ended]
        for plan, (stated, allocated, deducted) in enumerate(totals, start=1):
            shown = year.get(f"/v1/allocations/{plan}/totals", reader)
            [mine] = shown["provinces"]
            assert mine["province"] == reader.province
            assert (mine["tonnes"], mine["allocated"], mine["deducted"]) == (stated, allocated, deducted)
            assert shown["total"]["tonnes"] == stated == year.get(f"/v1/allocations/{plan}", reader)["tonnes"]
        for number, theirs in itertools.product(
            [*own, *others], ("", "/holdings", "/transfers", "/states", "/encumbrances")
        ):
            assert year.ask(f"/v1/accounts/{number}{theirs}", reader).status_code == (200 if number in own else 404)
        for number, form in itertools.product([*own, *others], ("json", "csv", "pdf")):
            told = year.ask(f"/v1/accounts/{number}/statements/2021-10-20", reader, form=form)
            assert (told.status_code, number in own) in {(200, True), (404, False)}
    assert year.ask("/v1/successions/SUC-00000001", SHANGHAI).status_code == 404
    assert year.ask(f"/v1/encumbrances/{FREEZE}", HUBEI).status_code == 404


def the_books_agree(year: Year, books: Any, subjects: list[Subject]) -> None:
    a, b, c, i, p = subjects
    # 2019: 1,750,000 t = handed in 700,000 + 151,000 (A) + 250,000 (B) + 500,000 + 69,000 (C) = 1,670,000
    #                   + given up 10 and carried over 30,000 + held 16,990 (A) + 20,000 (C) + 13,000 (I).
    # 2020: 30,000 t, carried over. 2021: 1,219,000 t = 910,000 (A) + 309,000 (C).
    assert year.read(units.totals) == {
        (a.number, 2019): 16_990, (c.number, 2019): 20_000, (i.number, 2019): 13_000,
        (SURRENDERED, 2019): 1_670_000, (CANCELLED, 2019): 30_010,
        (a.number, 2020): 30_000, (a.number, 2021): 910_000, (c.number, 2021): 309_000,
    }  # fmt: skip
    assert 1_670_000 + 30_010 + 16_990 + 20_000 + 13_000 == 1_750_000
    # The fen that were paid in are all there, here and at the bank: 509,850,000 + 5,100,000 + 5,100,000.
    cash = {one.number: year.fen(one) for one in subjects}
    assert cash == {a.number: 509_850_000, b.number: 0, c.number: 5_100_000, i.number: 5_100_000, p.number: 0}
    assert year.bank.get("/sim/balances").json() == {"bank": "B001", "total_fen": 520_050_000, "balances": cash}
    for one in subjects:  # whoever adds up an account's transfers gets what it holds
        sums: Counter[str] = Counter()
        for booked in year.get(f"/v1/accounts/{one.number}/transfers", limit=1000)["transfers"]:
            sums[booked["asset"]] += booked["amount"] * (booked["to_account"] == one.number)
            sums[booked["asset"]] -= booked["amount"] * (booked["from_account"] == one.number)
        held: Counter[str] = Counter()
        for (asset, _), amount in year.held(one).items():
            held[asset] += amount
        assert {asset: n for asset, n in sums.items() if n} == held
    year.read(books.sound)
    day = date(2021, 7, 16)
    again = year.read(lambda connection: figures_of(
        day, reports.product_days(connection, day), cumulative_before_t=0, cumulative_before_fen=0
    ))  # fmt: skip
    assert text_of(again) == year.get("/v1/days/2021-07-16/report")["text"]

    assert "ledger and units agree" in books.run("ledger", "verify", "--dsn", books.dsn)
    assert "The audit chain is whole." in books.run("audit", "verify", "--dsn", books.dsn)
    exported, key = str(books.folder / "exported"), str(books.folder / "seal.pub.pem")
    books.run("ledger", "export", exported, "--dsn", books.dsn)
    found = books.run("ledger", "verify", "--file", exported, "--public-key", key)
    assert "1 seals fit." in found
    assert "Every balance is the sum of its transfers." in found
    assert year.get("/v1/days/2021-07-16/seal")["hash"] in found
