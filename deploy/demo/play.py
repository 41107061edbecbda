"""Plays the demo's day on a playground: world, trading with two faults in it, day end, surrender; then the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx

from chaos.drills import GIVING_UP, find_drill, run_journaled
from chaos.durability import note_durability
from chaos.faults import wait_until
from chaos.history import Event, History, read
from chaos.judge import judge
from chaos.market.published import DataError, PublishedDay
from chaos.market.trades import MARKET_ZONE, MarketTrade, Participant, trades_of
from chaos.report import write_report
from chaos.session import Target, session
from chaos.telemetry import exported
from chaos.verdict import ASSUMPTION, Check, Verdict
from chaos.watch import Watch
from chaos.workload import Workload
from core.clock.calendar import next_trading_day
from deploy.demo import figures
from deploy.demo.plan import PRODUCT, Emitter, emitters
from deploy.demo.registry import OPERATOR, RefusedError, Registry, Simulator

PICTURE = "verdict.svg"
LEAVES = ("verdict.json", "history.jsonl", "report.txt", "report.html", PICTURE)
"""What a run leaves in its folder."""
FAULTS = ("cut-line-a", "kill-primary-node")
STREAM_S = 75
"""The trades are spread over about this long, longer than both faults; at the close the rest is sent at once."""
DAY_END_WITHIN_S = 120
SURRENDER_SHARE = 10
"""One emitter hands in a tenth of what it holds."""

GAVE_UP = (*GIVING_UP, RefusedError, TimeoutError, httpx.TransportError)
"""What can end a day early; the verdict then says how far it came."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """A playground that can be played on: its endpoints, its people, its counterparties."""

    target: Target
    api: Sequence[str]
    exchange_url: str
    bank_url: str


@dataclass(frozen=True, slots=True)
class World:
    """The emitters' accounts, what each held before the opening, and the day's trades."""

    accounts: tuple[str, ...]
    before: dict[tuple[str, str], int]
    trades: list[MarketTrade]


class Demo:
    """One run of the demo. ``play`` returns the verdict and leaves everything in ``out``."""

    def __init__(self, stage: Stage, published: PublishedDay, *, seed: int, out: Path, repeat: str, say: Say) -> None:
        self._stage, self._published, self._seed = stage, published, seed
        self._out, self._repeat, self._say = out, repeat, say
        self._run = f"{int(time.time()):x}".upper()[-6:]
        self._exchange, self._bank = Simulator(stage.exchange_url), Simulator(stage.bank_url)

    @property
    def _day(self) -> date:
        return self._published.day

    def play(self) -> Verdict:
        """Play it from the first account to the verdict; a refusal leaves what an earlier run left."""
        with Registry(self._stage.api, self._stage.target.tokens) as registry, self._exchange, self._bank:
            self._refuse_played(registry)
            for stale in LEAVES:
                (self._out / stale).unlink(missing_ok=True)
            try:
                with History(self._out / "history.jsonl") as history:
                    world = self._played(registry, history)
                return self._judged(registry, world, read(history.path))  # closed: every line is on disk
            except GAVE_UP as error:
                given_up = Check("the day was played to its end", passed=False, detail=str(error))
                return self._saved(read(history.path), [given_up], {})

    def _played(self, registry: Registry, history: History) -> World:
        facts = {"name": "demo", "seed": self._seed, "faults": FAULTS, "repeat": self._repeat}
        history.note("drill", "info", "run", facts)
        try:
            world = self._build(registry)
            self._trade(registry, world, history)
        except GAVE_UP as error:
            history.note("drill", "info", "given-up", {"error": str(error)})
            raise
        return world

    def _refuse_played(self, registry: Registry) -> None:
        """A playground's business clock never runs backwards: a day it has seen, or passed, is not played again."""
        now = registry.get("/v1/clock")["market_day"]
        if registry.find(f"/v1/days/{self._day}") is not None or now > self._day.isoformat():
            raise DataError(
                f"the running playground stands at {now} and has seen or passed {self._day}: choose a later day, "
                "or begin anew with `registry down` and `registry up --detach --fresh`"
            )

    def _build(self, registry: Registry) -> World:
        firms = emitters(self._published, seed=self._seed, run=self._run)
        self._say(f"opening {len(firms):,} accounts, two persons each")
        opened = registry.propose_and_approve("/v1/account-batches", {"accounts": [firm.filing() for firm in firms]})
        accounts = tuple(account["number"] for account in opened["accounts"])
        self._say(f"allocating {sum(firm.tonnes for firm in firms):,} t of {PRODUCT}, taking in the firms' cash")
        lines = [{"account": n, "tonnes": firm.tonnes} for n, firm in zip(accounts, firms, strict=True)]
        registry.propose_and_approve(
            "/v1/allocations", {"product": PRODUCT, "plan": f"{self._day} {self._run}", "lines": lines}
        )
        entries = [{"account": n, "amount_fen": firm.cash_fen} for n, firm in zip(accounts, firms, strict=True)]
        self._bank.post("/sim/deposits", {"message_id": f"DEPOSIT-{self._run}", "entries": entries})
        self._say(f"opening {self._day}: holdings and cash go to the exchange")
        self._open_day(registry)
        return World(accounts, _before(accounts, firms), self._trades(accounts, firms))

    def _trades(self, accounts: Sequence[str], firms: Sequence[Emitter]) -> list[MarketTrade]:
        parties = [Participant(n, firm.tonnes, firm.cash_fen) for n, firm in zip(accounts, firms, strict=True)]
        return trades_of(self._published, parties, PRODUCT, seed=self._seed)

    def _open_day(self, registry: Registry) -> None:
        self._clock(registry, 8, 30)
        published = self._published
        registry.post(
            OPERATOR,
            "/v1/days",
            {
                "day": self._day.isoformat(),
                "products": {PRODUCT: published.previous_close_fen},
                "cumulative_t": published.cumulative_t_before,
                "cumulative_fen": published.cumulative_fen_before,
            },
        )
        self._wait_state(registry, "OPENING_ACKED", within_s=30)

    def _clock(self, registry: Registry, hour: int, minute: int) -> None:
        now = datetime(self._day.year, self._day.month, self._day.day, hour, minute, tzinfo=MARKET_ZONE)
        registry.post(OPERATOR, "/v1/clock", {"now": now.isoformat()})

    def _wait_state(self, registry: Registry, state: str, *, within_s: float, day: date | None = None) -> None:
        path = f"/v1/days/{day or self._day}"

        def reached() -> bool:
            shown = registry.find(path)
            if shown is not None and shown["state"] == "HALTED" and state != "HALTED":
                raise RefusedError(f"the day halted: {shown['breaks']}")
            return shown is not None and shown["state"] == state

        wait_until(reached, within_s=within_s, what=f"{day or self._day} is {state}", error=TimeoutError)

    def _trade(self, registry: Registry, world: World, history: History) -> None:
        target = self._stage.target
        workload = Workload(
            addresses=self._stage.api,
            tokens=target.tokens,
            history=history,
            run=f"demo-{self._seed}-{self._run}",
            seed=self._seed,
            product=PRODUCT,
        )
        prometheus = target.control.status()["endpoints"]["prometheus"]
        with exported("demo", prometheus), workload, Watch(target.control, history):
            workload.prepare()
            self._start_trading(registry, world)
            workload.start()
            workload.flowed(60, within_s=30)
            with session(target, history):
                self._say(f"{len(world.trades):,} trades flow over both lines; cutting line A, then healing it")
                run_journaled(find_drill("cut-line-a").path)
                self._say("killing the whole node that is primary, then bringing it back")
                run_journaled(find_drill("kill-primary-node").path)
            workload.flowed(60, within_s=30)
            history.note("drill", "info", "next-opening")  # from here on it may bind what the clients' accounts hold
            self._end_day(registry)
            workload.stop()
            self._surrender(registry, world)
            self._say("reading everything back")
            workload.observe()
            note_durability(target.control.status(), history)

    def _start_trading(self, registry: Registry, world: World) -> None:
        loaded = {"day": self._day.isoformat(), "rate_per_s": max(0.05, len(world.trades) / STREAM_S)}
        self._exchange.post("/sim/day", loaded | {"trades": [trade.as_json() for trade in world.trades]})
        self._clock(registry, 9, 30)
        self._wait_state(registry, "TRADING", within_s=30)
        self._exchange.post("/sim/start", {})
        wait_until(
            lambda: bool(self._exchange.get("/sim/status")["sent"]),
            within_s=30,
            what="the first trade is sent",
            error=TimeoutError,
        )

    def _end_day(self, registry: Registry) -> None:
        self._say("the market closes; sealing, clearing, confirming, delivering, reporting")
        self._clock(registry, 15, 0)
        self._exchange.post("/sim/close", {})
        self._wait_state(registry, "REPORTED", within_s=DAY_END_WITHIN_S)
        self._wait_state(registry, "OPENING_ACKED", within_s=30, day=next_trading_day(self._day))

    def _surrender(self, registry: Registry, world: World) -> None:
        account = world.accounts[0]
        tonnes = world.before[account, PRODUCT] // SURRENDER_SHARE
        self._say(f"one emitter surrenders {tonnes:,} t")
        asked = {"account": account, "product": PRODUCT, "tonnes": tonnes, "year": 2020}
        registry.propose_and_approve("/v1/surrenders", asked)

    def _judged(self, registry: Registry, world: World, events: Sequence[Event]) -> Verdict:
        self._say("judging")
        delivered = registry.pages(f"/v1/days/{self._day}/trades", "trades")
        shown, report = registry.get(f"/v1/days/{self._day}"), registry.get(f"/v1/days/{self._day}/report")
        sent = self._exchange.get("/sim/status")
        counts = figures.count(world.trades, sent["sent"], shown["intake"]["accepted"], delivered)
        day = figures.figures(self._published, delivered, counts)
        after = figures.positions_after(world.before, delivered)
        extra = [
            *_faults_inside(events, sent["first_sent_at"], sent["last_sent_at"]),
            *figures.checks(self._published, day, counts, report["figures"]),
            figures.differences("the exchange opens the next day with what was delivered", after, self._opened()),
            figures.differences("the bank's own balances agree to the fen", after, self._banked(), "CNY"),
            self._surrendered(registry, world, after),
        ]
        report_path = self._out / "report.txt"
        report_path.write_text(report["text"], encoding="utf-8")
        return self._saved(events, extra, {"day": day, "report": str(report_path)}, counts)

    def _saved(
        self,
        events: Sequence[Event],
        extra: Sequence[Check],
        facts: dict[str, Any],
        counts: figures.Counts | None = None,
    ) -> Verdict:
        """Judge the history with what was found of the day, and keep the verdict whatever it says."""
        verdict = judge(events, extra_checks=extra, extra={"day": None, "report": None} | facts)
        if counts is not None:
            lost, twice = len(counts.lost), len(counts.twice)
            found = verdict.figures
            found = replace(found, lost=found.lost + lost, duplicated=found.duplicated + twice)
            verdict = replace(verdict, figures=found)
        verdict.save(self._out / "verdict.json")
        write_report(self._out / "report.html", events, verdict)
        return verdict

    def _opened(self) -> dict[tuple[str, str], int]:
        """What the exchange was handed for the next day; the surrender changes it only when that day begins."""
        opening = self._exchange.get("/sim/opening")
        return {(account, asset): amount for account, asset, amount in opening["positions"]}

    def _banked(self) -> dict[tuple[str, str], int]:
        return {(account, "CNY"): fen for account, fen in self._bank.get("/sim/balances")["balances"].items()}

    def _surrendered(self, registry: Registry, world: World, after: dict[tuple[str, str], int]) -> Check:
        account = world.accounts[0]
        expected = after[account, PRODUCT] - world.before[account, PRODUCT] // SURRENDER_SHARE
        holdings = registry.get(f"/v1/accounts/{account}/holdings")
        held = sum(entry["amount"] for entry in holdings["holdings"] if entry["asset"] == PRODUCT)
        serials = sum(block["tonnes"] for block in holdings["serials"])
        return Check(
            "the surrender left what it should, by both accountings",
            held == serials == expected,
            f"{held} t in the ledger, {serials} t by serials, {expected} t expected",
        )


def _before(accounts: Sequence[str], firms: Sequence[Emitter]) -> dict[tuple[str, str], int]:
    units = {(n, PRODUCT): firm.tonnes for n, firm in zip(accounts, firms, strict=True)}
    return units | {(n, "CNY"): firm.cash_fen for n, firm in zip(accounts, firms, strict=True)}


def _faults_inside(events: Sequence[Event], first_sent_at: float | None, last_sent_at: float | None) -> list[Check]:
    """Each fault, from its first touch to its healing, lies between the first and the last trade sent."""
    checks = []
    for name in FAULTS:
        verbs = {e.value["verb"]: e.wall for e in events if e.process == "nemesis" and e.f == name}
        inside = (
            first_sent_at is not None
            and last_sent_at is not None
            and {"inject", "wait_recover"} <= verbs.keys()
            and first_sent_at < verbs["inject"]
            and verbs["wait_recover"] < last_sent_at
        )
        checks.append(Check(f"{ASSUMPTION}{name} fell between the first and the last trade", inside))
    return checks
