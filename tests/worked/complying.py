"""The second half of a worked year: emissions, surrender, offset, carry-over, a court, a merger, a penalty."""

from __future__ import annotations

from tests.worked.allocating import PLEDGE, PRODUCT, TRADED
from tests.worked.registry import (
    CHECKER,
    HUBEI,
    HUBEI_CHECKER,
    HUBEI_SECOND,
    MAKER,
    SHANGHAI,
    SHANGHAI_CHECKER,
    Person,
    Subject,
    Year,
)

FREEZE = "ENC-00000002"


def emissions_become_obligations(year: Year, a: Subject, b: Subject, c: Subject) -> None:
    """Two people of each province confirm what its own firms emitted in 2020; that is due."""
    year.morning("2021-10-15", **TRADED)
    hubei = [{"account": a.number, "tonnes": 780_000}, {"account": b.number, "tonnes": 360_000}]
    shanghai = [{"account": c.number, "tonnes": 610_000}]
    assert year.refused("/v1/emissions", {"year": 2020, "lines": hubei}, SHANGHAI)[0] == "2006"  # not there, for them
    done = year.done("/v1/emissions", {"year": 2020, "lines": hubei}, HUBEI, HUBEI_CHECKER)
    assert done == {"confirmed": 2, "tonnes": 780_000 + 360_000}
    year.done("/v1/emissions", {"year": 2020, "lines": shanghai}, SHANGHAI, SHANGHAI_CHECKER)
    assert [year.obligation(one) for one in (a, b, c)] == [
        ("OPEN", 780_000, 0, 0, 780_000),
        ("OPEN", 360_000, 0, 0, 360_000),
        ("OPEN", 610_000, 0, 0, 610_000),
    ]
    shown = year.get(f"/v1/accounts/{c.number}/obligations/2020")
    # C holds 599,000 t: 11,000 t too few. From 15 October to 31 December there are 77 days.
    assert (shown["days_left"], shown["usable"], shown["shortage"]) == (77, 599_000, 11_000)
    # 5 % of 780,000 t
    assert year.get(f"/v1/accounts/{a.number}/obligations/2020")["offset_left"] == 39_000


def surrender(year: Year, by: Subject, tonnes: int, authority: Person) -> str:
    """Hand units in for 2020: the holder applies, the authority confirms, as the dry run said; return its id."""
    wish = {"account": by.number, "product": PRODUCT, "tonnes": tonnes, "year": 2020}
    foreseen = year.foresee("/v1/surrenders", wish, by.holder).json()
    applied = year.post("/v1/surrenders", wish, by.holder)
    assert year.held(by)[PRODUCT, "pending_surrender"] == tonnes
    assert year.refused(f"/v1/tasks/{applied['id']}/approve", {}, CHECKER)[0] == "9001"  # not the registry's to confirm
    done = year.approve(applied, authority)
    now = foreseen["obligation"]
    assert foreseen["outcome"] == done
    assert year.obligation(by) == tuple(now[name] for name in ("state", "due", "surrendered", "offset", "missing"))
    return str(applied["hold"])


def units_are_handed_in(year: Year, a: Subject, c: Subject) -> None:
    number = surrender(year, a, 700_000, HUBEI_CHECKER)
    # The lowest serials that A has: 30,000 t that B gave back (1 to 30,000), what is left of the first part
    # (102,011 to 700,000: 597,990 t), and the first 72,010 t of the second: in all 700,000 t.
    assert year.get(f"/v1/surrenders/{number}")["serials"] == [
        {"first": "CEA-2019-000000000001", "last": "CEA-2019-000000030000", "tonnes": 30_000},
        {"first": "CEA-2019-000000102011", "last": "CEA-2019-000000700000", "tonnes": 597_990},
        {"first": "CEA-2019-000001400001", "last": "CEA-2019-000001472010", "tonnes": 72_010},
    ]
    assert year.obligation(a) == ("PART", 780_000, 700_000, 0, 80_000)
    surrender(year, c, 500_000, SHANGHAI_CHECKER)
    assert year.obligation(c) == ("PART", 610_000, 500_000, 0, 110_000)
    assert [year.tonnes(a), year.tonnes(c)] == [797_990 - 700_000, 599_000 - 500_000]


def too_much_is_handed_in_and_taken_back(year: Year, b: Subject) -> None:
    number = surrender(year, b, 300_000, HUBEI_CHECKER)
    year.morning("2021-10-20", **TRADED)  # five of the thirty days
    wrong = {"reason": "Fifty thousand too much"}
    done = year.done(f"/v1/surrenders/{number}/reverse", wrong, b.holder, HUBEI_CHECKER)
    kept = year.get(f"/v1/surrenders/{number}")
    assert (kept["state"], kept["serials"]) == ("REVERSED", done["serials"])  # the very same units return
    assert (year.obligation(b), year.tonnes(b)) == (("OPEN", 360_000, 0, 0, 360_000), 330_000)
    again = year.refused(f"/v1/surrenders/{number}/reverse", wrong, b.holder)
    assert again[0] == "7110"  # once
    surrender(year, b, 250_000, HUBEI_CHECKER)
    assert (year.obligation(b), year.tonnes(b)) == (("PART", 360_000, 250_000, 0, 110_000), 330_000 - 250_000)


def five_percent_are_offset(year: Year, a: Subject) -> None:
    """Units of the offset registry are frozen there, confirmed here, cancelled there, and counted here."""
    year.ccer.post("/sim/units", json={"account": a.number, "project": "CCER-0042", "first": 1, "last": 40_000})
    lots = [
        year.post(
            "/v1/offset-lots", {"account": a.number, "project": "CCER-0042", "first": first, "last": last}, a.holder
        )
        for first, last in ((1, 39_000), (39_001, 39_001))
    ]
    year.settle()
    whole, one_more = (year.get(f"/v1/offset-lots/{lot['id']}") for lot in lots)
    assert (whole["state"], whole["tonnes"], one_more["state"]) == ("SYNCED", 39_000, "SYNCED")
    wish = {"account": a.number, "year": 2020, "lots": [whole["id"]]}
    # 5 % of 780,000 t are 39,000 t; 39,001 are too many.
    over = year.refused("/v1/offsets", wish | {"lots": [whole["id"], one_more["id"]]}, a.holder)
    assert over == ("7206", "Left of 5.00 % of 780000 t: 39000.")
    foreseen = year.foresee("/v1/offsets", wish, a.holder).json()
    done = year.done("/v1/offsets", wish, a.holder, HUBEI_CHECKER)
    year.settle()
    shown = year.get(f"/v1/accounts/{a.number}/obligations/2020")
    assert foreseen["outcome"] == done
    assert foreseen["obligation"] == {name: shown[name] for name in foreseen["obligation"]}
    assert year.obligation(a) == ("PART", 780_000, 700_000, 39_000, 780_000 - 700_000 - 39_000)
    assert year.get(f"/v1/offset-lots/{whole['id']}")["state"] == "USED"
    year.post(f"/v1/offset-lots/{one_more['id']}/release", {}, a.holder)
    year.settle()
    there = [year.ccer.get(f"/v1/lots/{lot['id']}").json()["state"] for lot in lots]
    assert there == ["CANCELLED", "RELEASED"]


def an_empty_account_is_closed(year: Year, p: Subject) -> None:
    """P has neither units nor cash any more; the exchange hears of it before the account is closed."""
    done = year.done(f"/v1/accounts/{p.number}/close", {"reason": "All is done"}, p.holder, CHECKER)
    assert done["now"]["state"] == "CLOSURE_PENDING"
    assert p.number not in year.floor.restricted
    year.settle()
    assert year.floor.restricted[p.number][1] == "all"
    assert year.get(f"/v1/accounts/{p.number}")["state"] == "CLOSED"


def units_are_carried_over(year: Year, a: Subject) -> None:
    """Into the next vintage: 10,000 t and 1.5 times what A sold net, 102,010 t: 10,000 + 153,015 = 163,015 t."""
    [limit] = year.get(f"/v1/accounts/{a.number}/carry-overs")["limits"]
    assert (limit["net_sold"], limit["limit_t"], limit["left"]) == (102_010, 163_015, 163_015)
    wish = {"account": a.number, "product": PRODUCT, "tonnes": 30_000}
    foreseen = year.foresee("/v1/carry-overs", wish, a.holder).json()
    done = year.done("/v1/carry-overs", wish, a.holder, HUBEI_CHECKER)
    assert foreseen["outcome"] == done
    assert done["issued"] == {"first": "CEA-2020-000000000001", "last": "CEA-2020-000000030000", "tonnes": 30_000}
    assert (year.tonnes(a), year.tonnes(a, "CEA-2020")) == (97_990 - 30_000, 30_000)
    [limit] = year.get(f"/v1/accounts/{a.number}/carry-overs")["limits"]
    assert (limit["carried"], limit["left"]) == (30_000, 163_015 - 30_000)


def a_court_has_units_deducted(year: Year, c: Subject, i: Subject) -> None:
    """C has 99,000 t left. A court freezes 30,000 t for I, and decides on 10,000 t of them."""
    order = {"account": c.number, "asset": PRODUCT, "amount": 30_000, "court": "上海市第一中级人民法院"}
    frozen = year.done("/v1/freezes", order | {"document": "(2021)沪01执17号"})["encumbrance"]
    assert (frozen["number"], frozen["held"], year.tonnes(c)) == (FREEZE, 30_000, 69_000)
    decision = {"document": "(2021)沪01执17号之一", "to_account": i.number, "amount": 10_000}
    more = year.refused(f"/v1/encumbrances/{FREEZE}/deduct", decision | {"amount": 30_001})
    assert more == ("3020", "It holds 30000.")
    done = year.done(f"/v1/encumbrances/{FREEZE}/deduct", decision)
    assert (done["taken"], done["left"], done["notice"]) == (10_000, 20_000, 1)
    notice = year.http.get("/v1/notices/1").json()  # without a login
    assert (notice["market_day"], notice["facts"]["amount"]) == ("2021-10-20", 10_000)
    assert (year.held(c)[PRODUCT, "frozen"], year.tonnes(i)) == (20_000, 3_000 + 10_000)
    # What is frozen cannot be handed in.
    wish = {"account": c.number, "product": PRODUCT, "tonnes": 69_001, "year": 2020}
    assert year.refused("/v1/surrenders", wish, c.holder) == ("3003", "Available: 69000.")
    surrender(year, c, 69_000, SHANGHAI_CHECKER)
    assert year.obligation(c) == ("PART", 610_000, 569_000, 0, 41_000)


def b_merges_into_a(year: Year, a: Subject, b: Subject) -> None:
    year.morning("2021-11-10", **TRADED)
    wish = {"kind": "merger", "account": b.number, "into_account": a.number, "document": "Merger contract 2021-9"}
    foreseen = year.foresee("/v1/successions", wish, HUBEI).json()
    asked = year.post("/v1/successions", wish, HUBEI)
    year.post(f"/v1/tasks/{asked['id']}/approve", {}, HUBEI_CHECKER)
    assert year.refused(f"/v1/tasks/{asked['id']}/approve", {}, HUBEI_CHECKER)[0] == "9009"  # another one is needed
    done = year.approve(asked, HUBEI_SECOND)["succession"]
    moved = [(one["asset"], one["bucket"], one["amount"]) for one in done["movements"]]
    assert moved == [(one["asset"], one["bucket"], one["amount"]) for one in foreseen["outcome"]["movements"]]
    assert moved == [(PRODUCT, "available", 80_000), (PRODUCT, "pledged", 20_000), ("CNY", "available", 25_000_000)]
    assert done["encumbrances"] == [{"number": PLEDGE, "to_account": a.number}]
    assert (year.held(b), year.fen(a)) == ({}, 484_850_000 + 25_000_000)
    # B had not met 360,000 - 250,000 = 110,000 t, which A owes now: due 780,000 + 110,000, missing 41,000 + 110,000.
    assert year.obligation(b) == ("MET", 250_000, 250_000, 0, 0)
    assert year.obligation(a) == ("PART", 890_000, 700_000, 39_000, 151_000)
    # A has 67,990 + 80,000 = 147,990 t; 20,000 t are pledged, and not handed in before the creditor releases them.
    last = {"account": a.number, "product": PRODUCT, "tonnes": 151_000, "year": 2020}
    assert year.refused("/v1/surrenders", last, a.holder) == ("3003", "Available: 147990.")
    year.done(f"/v1/encumbrances/{PLEDGE}/release", {"document": "Release 2021-3"}, a.holder, CHECKER)
    surrender(year, a, 151_000, HUBEI_CHECKER)
    assert (year.obligation(a), year.tonnes(a)) == (("MET", 890_000, 851_000, 39_000, 0), 167_990 - 151_000)
    # B can trade no more at once, and is closed when the exchange has new opening data without it.
    year.settle()
    assert year.get(f"/v1/accounts/{b.number}")["state"] == "SUSPENDED"
    year.at("2021-11-10 09:30")
    assert year.get(f"/v1/accounts/{b.number}")["state"] == "CLOSED"
    at_bank = year.bank.get("/sim/balances").json()["balances"]
    assert (at_bank[a.number], at_bank[b.number]) == (509_850_000, 0)


def who_is_short_is_penalised(year: Year, a: Subject, b: Subject, c: Subject) -> None:
    """C lacks 610,000 - 569,000 = 41,000 t when the year is over: they come off its next allocation."""
    early = {"account": c.number, "year": 2020, "reason": "Not met by 2021-12-31"}
    assert year.refused("/v1/penalties", early, SHANGHAI)[0] == "7112"
    year.morning("2022-01-04", **TRADED)
    ended = year.get("/v1/compliance-years/2020/obligations")["obligations"]
    assert {one["account"]: (one["state"], one["missing"]) for one in ended} == {
        a.number: ("MET", 0),
        b.number: ("MET", 0),
        c.number: ("SHORT", 41_000),
    }
    done = year.done("/v1/penalties", early, SHANGHAI, SHANGHAI_CHECKER)
    assert done == {"state": "PENALISED", "deducted": 41_000}
    # The court lets the rest go now: too late for the year.
    year.done(f"/v1/encumbrances/{FREEZE}/release", {"document": "(2021)沪01执17号之二"}, MAKER, CHECKER)
    late = {"account": c.number, "product": PRODUCT, "tonnes": 20_000, "year": 2020}
    assert (year.tonnes(c), year.refused("/v1/surrenders", late, c.holder)[0]) == (20_000, "7105")
    lines = [{"account": a.number, "tonnes": 1_300_000}, {"account": c.number, "tonnes": 500_000}]
    plan = {"product": "CEA-2021", "plan": "2021, first part", "kind": "pre", "share_percent": 70, "lines": lines}
    done = year.done("/v1/allocations", plan)
    # A 910,000; C 350,000 - 41,000 = 309,000: granted are 1,260,000 t, issued 1,219,000 t.
    assert done == {
        "serials": "CEA-2021-000000000001..CEA-2021-000001219000", "tonnes": 1_260_000, "deducted": 41_000,
    }  # fmt: skip
    assert [year.tonnes(one, "CEA-2021") for one in (a, c)] == [910_000, 309_000]
    year.morning("2022-01-05", **TRADED)
    opened = year.get("/v1/days/2022-01-05")["products"]
    assert [(one["product"], one["previous_close_fen"]) for one in opened] == [(PRODUCT, 4_967), ("CEA-2021", 5_500)]
