"""The first half of a worked year: rules, accounts, a first allocation, a day of trade, the true-up."""

from __future__ import annotations

import hashlib

from tests.worked.registry import CHECKER, Person, Subject, Year

PRODUCT, PLEDGE = "CEA-2019", "ENC-00000001"
TRADED = {"tonnes": 103_010, "fen": 489_950_000}
"""All that is ever traded here, on one day; every later day begins with it."""


def the_rules_are_laid_down(year: Year) -> None:
    steel = {"open": True, "title": "Steel", "published": "钢铁"}
    at_once = [
        {"kind": "sector", "name": "steel", "value": steel, "effective_from": "2021-07-15"},
        {"kind": "cap", "name": PRODUCT, "value": {"tonnes": 1_750_000}, "effective_from": "2021-07-15"},
    ]
    year.done("/v1/parameters", {"changes": at_once, "why": "Steel joins, and the first cycle has a cap"})
    new, own = {"open": True, "base_price_fen": 5_500}, {"percent": 5}
    in_autumn = [
        {"kind": "product", "name": "CEA-2021", "value": new, "effective_from": "2021-10-15"},
        {"kind": "limit", "name": "listed/CEA-2021", "value": own, "effective_from": "2021-10-15"},
    ]
    wish = {"changes": in_autumn, "why": "A new product while the market runs"}
    [day] = year.foresee("/v1/parameters", wish).json()["outcome"]["days"]
    assert (day["day"], day["products"]) == ("2021-10-15", {"added": ["CEA-2021"], "removed": []})
    year.done("/v1/parameters", wish)
    before, after = (year.get(f"/v1/market-rules/{day}") for day in ("2021-10-14", "2021-10-15"))
    assert sorted(before["products"]) == [PRODUCT, "CEA-2020"]
    assert sorted(after["products"]) == [PRODUCT, "CEA-2020", "CEA-2021"]
    cycle = {"year": 2020, "deadline": "2021-12-31", "vintages": [2019, 2020], "reason": "The first cycle"}
    year.done("/v1/compliance-years", cycle)  # 5 % may be offset, 30 days are there for a reversal
    carried = {
        "name": "first cycle", "vintages": [2019], "to_vintage": 2020, "sold_from": "2021-07-16",
        "sold_until": "2021-12-31", "apply_until": "2021-12-31", "reason": "10,000 t and 1.5 times the net sales",
    }  # fmt: skip
    year.done("/v1/carry-over-rules", carried)


def the_accounts_are_opened(year: Year) -> list[Subject]:
    applicants = [
        ("Hanjiang Power", "E", "42", "91420000MA4KHANJ12", {"sector": "power"}),
        ("Fuhe Power", "E", "42", "91420000MA4KFUHE20", {"sector": "power"}),
        ("Pujiang Steel", "E", "31", "91310000MA1KPUJ13U", {"sector": "steel"}),
        ("Chutian Carbon Fund", "I", "42", "91420000MA4KCHUT4U", {}),
        ("Li Hua", "P", "31", "310101199001011234", {}),
    ]
    subjects = []
    for name, kind, province, code, sector in applicants:
        paper = {"kind": "licence", "reference": name, "received": "2021-07-14"}
        paper["sha256"] = hashlib.sha256(name.encode()).hexdigest()
        said = {"name": name, "kind": kind, "province": province, "credit_code": code, "documents": [paper], **sector}
        asked = year.post("/v1/accounts", said)
        number = asked["account"]["number"]
        assert asked["doubts"] == []
        assert year.refused(f"/v1/tasks/{asked['id']}/approve", {}, CHECKER)[0] == "2035"  # nobody saw the documents
        year.post(f"/v1/accounts/{number}/documents/review", {"documents": [paper["sha256"]]}, CHECKER)
        year.approve(asked, CHECKER)
        holder = Person(f"holder of {name}", ("holder",))
        year.done(f"/v1/accounts/{number}/operators", {"login": holder.name, "right": "maker"})
        assert year.get("/v1/me/accounts", holder)["accounts"] == [{"account": number, "rights": ["maker"]}]
        subjects.append(Subject(number, holder))
    # Counted from 1001 on, with check digits by ISO 7064.
    assert [one.number for one in subjects] == [
        "E42-00001001-60", "E42-00001002-57", "E31-00001003-11", "I42-00001004-45", "P31-00001005-37",
    ]  # fmt: skip
    return subjects


def a_first_part_is_allocated(year: Year, a: Subject, b: Subject, c: Subject) -> None:
    """70 % of what was emitted in 2018; what is not verified is withheld, and handed out when it is."""
    lines = [
        {"account": a.number, "tonnes": 1_000_000},
        {"account": b.number, "tonnes": 400_000},
        {"account": c.number, "tonnes": 600_000, "withheld": "Output of 2018 not verified"},
    ]
    plan = {"product": PRODUCT, "plan": "2019, first part", "kind": "pre", "share_percent": 70, "lines": lines}
    asked = year.post("/v1/allocations", plan)
    foreseen = year.foresee("/v1/allocations/1", {}, CHECKER).json()
    done = year.approve(asked, CHECKER)
    # 70 % of 1,000,000 + 400,000 + 600,000 t: 700,000 + 280,000 + 420,000 = 1,400,000 t, of which 420,000 t wait.
    assert done == {
        "serials": f"{PRODUCT}-000000000001..{PRODUCT}-000001400000",
        "tonnes": 1_400_000,
        "withheld": 420_000,
    }
    assert foreseen["outcome"] == done
    assert [year.tonnes(one) for one in (a, b, c)] == [700_000, 280_000, 0]
    totals = year.get("/v1/allocations/1/totals")["provinces"]
    assert [(t["province"], t["tonnes"], t["allocated"], t["withheld"]) for t in totals] == [
        ("31", 600_000, 0, 420_000),
        ("42", 1_400_000, 980_000, 0),
    ]
    released = year.done("/v1/allocations/1/release", {"accounts": [c.number], "reason": "Verified"})
    assert (released, year.tonnes(c)) == ({"released": 420_000}, 420_000)


def a_day_is_traded(year: Year, a: Subject, b: Subject, c: Subject, i: Subject, p: Subject) -> None:
    paid_in = [(b, 500_000_000), (i, 20_000_000), (p, 50_000)]
    entries = [{"account": one.number, "amount_fen": fen} for one, fen in paid_in]
    told = year.bank.post("/sim/deposits", json={"message_id": "D-1", "entries": entries})
    assert told.json()["registry"]["total_fen"] == 520_050_000
    year.morning("2021-07-16", tonnes=0, fen=0)
    year.at("2021-07-16 09:30")
    trades = [
        ("T1", "09:31", "listed", a, i, 2_000, 4_900),  # 9,800,000 fen
        ("T2", "09:45", "listed", a, p, 10, 5_000),  # 50,000 fen
        ("T3", "10:30", "listed", c, i, 1_000, 5_100),  # 5,100,000 fen
        ("T4", "13:10", "block", a, b, 100_000, 4_750),  # 475,000,000 fen
    ]
    names = ("trade_id", "executed_at", "mode", "seller", "buyer", "quantity", "price_fen")
    rows = [dict(zip(names, trade, strict=True)) | {"product": PRODUCT} for trade in trades]
    for row in rows:
        row |= {"seller": row["seller"].number, "buyer": row["buyer"].number}
        row["executed_at"] = f"2021-07-16T{row['executed_at']}:00+08:00"
    year.trade("2021-07-16", rows)
    year.at("2021-07-16 15:00")

    day = year.get("/v1/days/2021-07-16")
    assert (day["state"], day["seal"]["totals"]["quantity"]) == ("REPORTED", {PRODUCT: 103_010})
    figures = year.get("/v1/days/2021-07-16/report")["figures"]
    # Listed: 9,800,000 + 50,000 + 5,100,000 = 14,950,000 fen for 2,000 + 10 + 1,000 = 3,010 t. The close is their
    # average, 4,966.8, half up: 4,967 fen; the block does not set it. Against 48.00 yuan that is +1.67, or 3.48 %.
    assert (figures["listed_t"], figures["listed_fen"], figures["close_fen"]) == (3_010, 14_950_000, 4_967)
    assert (figures["block_t"], figures["block_fen"], figures["change_pct"]) == (100_000, 475_000_000, "3.48")
    # Both legs are cleared: 2 x (14,950,000 + 475,000,000) fen.
    assert (figures["cumulative_fen"], figures["cleared_fen"]) == (489_950_000, 979_900_000)
    seal = year.get("/v1/days/2021-07-16/seal")
    assert (seal["number"], seal["first_seq"], seal["signature"] is not None) == (1, 1, True)
    # What was bought may be used only when the day is over: in the evening B has 280,000 t to dispose of, not 380,000.
    assert year.tonnes(b) == 280_000
    year.at("2021-07-17 00:01")
    assert {one: (year.tonnes(one), year.fen(one)) for one in (a, b, c, i, p)} == {
        a: (700_000 - 2_000 - 10 - 100_000, 9_800_000 + 50_000 + 475_000_000),
        b: (280_000 + 100_000, 500_000_000 - 475_000_000),
        c: (420_000 - 1_000, 5_100_000),
        i: (2_000 + 1_000, 20_000_000 - 9_800_000 - 5_100_000),
        p: (10, 50_000 - 50_000),
    }
    # The exchange opens the next day with just that: 1,400,000 t, and the fen that were paid in.
    assert (year.floor.opening.day, year.floor.opening.totals) == (
        "2021-07-19",
        {PRODUCT: 1_400_000, "CNY": 520_050_000},
    )


def the_allocation_is_trued_up(year: Year, a: Subject, b: Subject, c: Subject) -> None:
    """The plan says what is due in the end; who got more gives back, and that is handed out again first."""
    year.morning("2021-09-30", **TRADED)
    lines = [{"account": one.number, "tonnes": t} for one, t in ((a, 900_000), (b, 250_000), (c, 600_000))]
    plan = {"product": PRODUCT, "plan": "2019, final", "kind": "final", "follows": 1, "lines": lines}
    done = year.done("/v1/allocations", plan)
    # A 900,000 - 700,000 = +200,000; B 250,000 - 280,000 = -30,000; C 600,000 - 420,000 = +180,000: in all +350,000.
    # 380,000 t go out, of which 30,000 t came back: 350,000 t are new.
    assert done == {
        "serials": f"{PRODUCT}-000001400001..{PRODUCT}-000001750000", "tonnes": 350_000, "taken_back": 30_000,
    }  # fmt: skip
    assert [year.tonnes(one) for one in (a, b, c)] == [597_990 + 200_000, 380_000 - 30_000, 419_000 + 180_000]
    totals = year.get("/v1/allocations/2/totals")["provinces"]
    assert [(t["province"], t["allocated"], t["taken_back"]) for t in totals] == [
        ("31", 180_000, 0),
        ("42", 200_000, 30_000),
    ]
    # 1,400,000 + 350,000 t are out: the cap. Not one tonne more.
    more = plan | {"plan": "more", "kind": "adjust", "lines": [{"account": a.number, "tonnes": 1}]}
    said = "CEA-2019: 1750000 t are allocated and would be 1750001 t; the cap is 1750000 t."
    assert year.refused("/v1/allocations", more) == ("7004", said)


def some_units_are_pledged_and_some_given_up(year: Year, b: Subject, i: Subject, p: Subject) -> None:
    pledge = {
        "account": b.number, "asset": PRODUCT, "amount": 20_000, "creditor": "Chutian Carbon Fund",
        "creditor_account": i.number, "document": "Pledge contract 2021-17",
    }  # fmt: skip
    made = year.done("/v1/pledges", pledge, b.holder, CHECKER)["encumbrance"]
    assert (made["number"], made["state"], made["held"]) == (PLEDGE, "ACTIVE", 20_000)
    assert (year.tonnes(b), year.held(b)[PRODUCT, "pledged"]) == (350_000 - 20_000, 20_000)

    wish = {
        "account": p.number,
        "product": PRODUCT,
        "tonnes": 10,
        "beneficiary": "A wedding",
        "reason": "No trace of it",
    }
    done = year.done("/v1/cancellations", wish, p.holder, CHECKER)
    # Sold were A's units 1 to 102,010 and C's 980,001 to 981,000; buyers took them in the order of their accounts:
    # B 100,000 t, I 3,000 t, and P the last ten.
    assert done["serials"] == [{"first": "CEA-2019-000000980991", "last": "CEA-2019-000000981000", "tonnes": 10}]
    shown = year.http.get(f"/v1/certificates/{done['certificate']}").json()  # without a login
    assert (shown["certificate"]["tonnes"], shown["certificate"]["holder"]) == (10, None)  # a person's name is private
    assert hashlib.sha256(shown["document"].encode()).hexdigest() == shown["sha256"] == done["sha256"]
    assert year.held(p) == {}
