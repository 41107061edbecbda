"""Transfers with one commit each, from 32 connections."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from deploy.bench import reference
from deploy.bench.benchmarks import Benchmark, Plan, Say
from deploy.bench.ground import BenchError, Ground, hardware, run_child, watched
from deploy.bench.market import ACCOUNTS, Market
from deploy.bench.results import Reference, Row, row

THREADS = 32
GOAL = 0.65


def run(ground: Ground, plan: Plan, say: Say) -> Sequence[Row]:
    """Measure between two runs of the reference."""
    say("pgbench's tables")
    reference.prepare(ground)
    say(f"{ACCOUNTS:,} accounts with cash and units")
    market = Market(ground)
    accounts = market.open_accounts(ACCOUNTS)
    market.fund(accounts)
    plan.chance.shuffle(accounts)
    before = reference.measure(ground, plan.seconds / 2)
    say(f"transfers-sql: {THREADS} threads for {plan.seconds:g} s")
    asked = {
        "dsn": ground.app_dsn,
        "token": ground.token("bench-loader", "maker"),
        "public_key": ground.state.issuer_public_key.read_text(encoding="utf-8"),
        "accounts": accounts,
        "asset": "CNY",
        "threads": THREADS,
        "seconds": plan.seconds,
        "seed": plan.seed,
        "run": uuid.uuid4().hex,
    }
    with watched() as used:
        seen = run_child("core.bench", asked, "singles", within_s=plan.seconds + 120)
    after = reference.measure(ground, plan.seconds / 2)
    if set(seen["statuses"]) - {"201", "422"}:
        raise BenchError(f"transfers-sql: answers were {seen['statuses']}")
    held_against = Reference(reference.NAME, (before + after) / 2)
    setup = (
        f"{hardware()}; {THREADS} psycopg threads in one process, Zipf 1.0 over {ACCOUNTS:,} accounts; p50 "
        f"{seen['p50_ms']:.1f} ms, p99 {seen['p99_ms']:.1f} ms; the threads used {seen['cpu_s'] / plan.seconds:.2f} of "
        f"a core, {used.left_percent:.0f} % of the machine was left"
    )
    return [
        row(
            "transfers-sql",
            seen["per_s"],
            "transfers/s",
            reference=held_against,
            goal=f">= {GOAL} x",
            met=seen["per_s"] >= GOAL * held_against.figure,
            setup=setup,
            seed=plan.seed,
        )
    ]


BENCHMARK = Benchmark("transfers-sql", "transfers with one commit each", run)
