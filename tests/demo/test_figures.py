"""The demo adds the day up from delivered trades, and notices every way in which they could be wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from chaos.market.published import TEN_TONNE_DAY, DataError
from chaos.market.trades import MarketTrade, Participant, trades_of
from deploy.demo import figures
from deploy.demo.command import Asked, checked
from deploy.demo.plan import EMITTERS, PRODUCT, emitters
from deploy.playground import lifecycle
from deploy.playground.preflight import CannotStartError

PARTIES = [Participant(f"E42-{n:08d}-00", 900_000, 9_000_000_000) for n in range(5)]
SENT = trades_of(TEN_TONNE_DAY, PARTIES, PRODUCT, seed=1)


def delivered(trades: list[MarketTrade]) -> list[dict[str, Any]]:
    return [trade.as_json() for trade in trades]


def judged(settled: list[dict[str, Any]], report: dict[str, Any] | None = None) -> dict[str, bool]:
    counts = figures.count(SENT, len(SENT), len(settled), settled)
    day = figures.figures(TEN_TONNE_DAY, settled, counts)
    return {check.name: check.passed for check in figures.checks(TEN_TONNE_DAY, day, counts, report or day)}


def test_ten_tonnes_set_the_close_and_the_block_does_not() -> None:
    counts = figures.count(SENT, len(SENT), len(SENT), delivered(SENT))
    day = figures.figures(TEN_TONNE_DAY, delivered(SENT), counts)

    assert day == {
        "date": "2021-08-16",
        "sent": 11,
        "booked": 11,
        "settled": 11,
        "listed_t": 10,
        "listed_fen": 51_000,
        "block_t": 500_000,
        "block_fen": 2_575_000_000,
        "open_fen": 5100,
        "high_fen": 5100,
        "low_fen": 5100,
        "close_fen": 5100,
        "change_pct": "-5.56",
        "cleared_fen": 5_150_102_000,
        "cumulative_t": 7_018_842,
        "cumulative_fen": 35_502_503_145,
    }
    assert all(judged(delivered(SENT)).values())


def test_a_lost_a_doubled_a_changed_and_an_invented_trade_are_each_noticed() -> None:
    whole = delivered(SENT)
    assert not judged(whole[1:])["no trade is lost"]
    assert not judged([*whole, whole[0]])["no trade settled twice"]
    assert not judged([whole[0] | {"buyer": "E42-99999999-00"}, *whole[1:]])["every trade settled as it was sent"]
    assert not judged([*whole, whole[0] | {"trade_id": "X"}])["every trade settled as it was sent"]
    assert not judged(whole[1:])["sent = booked = settled"]


def test_a_report_that_states_other_figures_is_noticed() -> None:
    counts = figures.count(SENT, len(SENT), len(SENT), delivered(SENT))
    day = figures.figures(TEN_TONNE_DAY, delivered(SENT), counts)
    assert not judged(delivered(SENT), day | {"cleared_fen": day["cleared_fen"] // 2})[
        "the daily report states the delivered trades"
    ]


def test_holdings_after_delivery_are_added_up_trade_by_trade() -> None:
    before = {(party.account, asset): 10**9 for party in PARTIES for asset in (PRODUCT, "CNY")}
    after = figures.positions_after(before, delivered(SENT))

    assert after != before
    for asset in (PRODUCT, "CNY"):
        assert sum(after[party.account, asset] for party in PARTIES) == 5 * 10**9
    assert figures.differences("same", after, after).passed
    place = next(iter(after))
    assert place[0] in figures.differences("one off", after, after | {place: after[place] + 1}).detail


def test_the_firms_repeat_by_their_seed_and_can_carry_the_day() -> None:
    firms = emitters(TEN_TONNE_DAY, seed=3, run="A1B2C3")

    assert firms == emitters(TEN_TONNE_DAY, seed=3, run="A1B2C3")
    assert len(firms) == len({firm.credit_code for firm in firms}) == EMITTERS
    assert all(len(firm.credit_code) == 18 for firm in firms)
    assert max(firm.tonnes for firm in firms) >= TEN_TONNE_DAY.block_t


@pytest.mark.parametrize(
    ("day", "says"),
    [
        (date(2021, 10, 1), "the market is closed on 2021-10-01"),
        (date(2021, 7, 17), "the market is closed on 2021-07-17"),
        (date(2021, 7, 19), "not a known market day"),
        (date(1999, 1, 4), "1999"),
    ],
)
def test_a_day_that_cannot_be_played_is_refused_before_anything_starts(day: date, says: str) -> None:
    asked = Asked(day=day, data=None, base_fen=4800, seed=1, keep=False)
    with pytest.raises(Exception, match=says):
        checked(asked)
    assert checked(replace(asked, day=date(2021, 8, 16))) == TEN_TONNE_DAY


def test_the_command_that_repeats_a_run_says_all_that_was_asked() -> None:
    asked = Asked(day=date(2021, 8, 16), data=None, base_fen=4800, seed=7, keep=False)
    assert asked.repeat == "registry demo --day 2021-08-16 --seed 7"

    own = replace(asked, data=Path("my figures.csv"), base_fen=5_150, base="51.5")
    assert own.repeat == "registry demo --day 2021-08-16 --seed 7 --data 'my figures.csv' --base 51.5"


def test_a_day_without_trades_cannot_be_played(tmp_path: Path) -> None:
    file = tmp_path / "idle.csv"
    columns = "date,open,high,low,close,listed_t,listed_yuan,block_t,block_yuan"
    file.write_text(f"{columns}\n2021-09-01,48.00,48.00,48.00,48.00,0,0.00,0,0.00\n", encoding="utf-8")
    with pytest.raises(DataError, match="nothing was traded on 2021-09-01"):
        checked(Asked(day=date(2021, 9, 1), data=file, base_fen=4800, seed=1, keep=False))


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStartError, match="cannot be written: Not a directory"):
        lifecycle.start(tmp_path / "file" / "state", tie="passing", say=lambda _: None)
