"""Transfers through the endpoint: 128 callers, committed in groups."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict

from deploy.bench import reference
from deploy.bench.benchmarks import Benchmark, Plan, Say
from deploy.bench.ground import BenchError, Ground, hardware, run_child, watched
from deploy.bench.load import Load
from deploy.bench.market import ACCOUNTS, PRODUCT, Market
from deploy.bench.results import Reference, Row, row

CALLERS = 128
GOAL, P99_MAX_MS = 1.4, 80.0
WARM_S = 3.0


def run(ground: Ground, plan: Plan, say: Say) -> Sequence[Row]:
    """Measure cash, then units, each between two runs of the reference."""
    say("pgbench's tables")
    reference.prepare(ground)
    say(f"{ACCOUNTS:,} accounts with cash and units")
    market = Market(ground)
    accounts = market.open_accounts(ACCOUNTS)
    market.fund(accounts)
    plan.chance.shuffle(accounts)
    found = []
    before = reference.measure(ground, plan.seconds / 2)
    for name, asset in (("transfers", "CNY"), ("transfers-units", PRODUCT)):
        say(f"{name}: {CALLERS} callers for {plan.seconds:g} s")
        load = Load(
            urls=ground.endpoints,
            token=ground.token("bench-loader", "maker"),
            accounts=accounts,
            assets=[asset],
            callers=CALLERS,
            warm_s=WARM_S,
            seconds=plan.seconds,
            seed=plan.seed,
            run=uuid.uuid4().hex,
        )
        with watched() as used:
            seen = run_child("deploy.bench.load", asdict(load), within_s=plan.seconds + 120)
        after = reference.measure(ground, plan.seconds / 2)
        found.append(_row(name, seen, Reference(reference.NAME, (before + after) / 2), used.left_percent, plan))
        before = after
    return found


def _row(name: str, seen: dict[str, object], held_against: Reference, left: float, plan: Plan) -> Row:
    latencies, statuses = seen["latencies_ms"], seen["statuses"]
    assert isinstance(latencies, list)
    assert isinstance(statuses, dict)
    if set(statuses) - {"201", "422"} or not latencies:
        raise BenchError(f"{name}: answers were {statuses}")
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
    per_s = len(latencies) / plan.seconds
    share = float(str(seen["cpu_s"])) / (plan.seconds + WARM_S)
    setup = (
        f"{hardware()}; HAProxy to two API processes, {CALLERS} callers, Zipf 1.0 over {ACCOUNTS:,} accounts; p50 "
        f"{p50:.1f} ms, p99 {p99:.1f} ms; {statuses.get('422', 0)} refused; callers used {share:.2f} of a core, "
        f"{left:.0f} % of the machine was left"
    )
    is_goal = name == "transfers"
    return row(
        name,
        per_s,
        "transfers/s",
        reference=held_against,
        goal=f">= {GOAL} x, p99 <= {P99_MAX_MS:g} ms" if is_goal else None,
        met=per_s >= GOAL * held_against.figure and p99 <= P99_MAX_MS if is_goal else None,
        setup=setup,
        seed=plan.seed,
    )


BENCHMARK = Benchmark("transfers", "transfers over HTTP, committed in groups", run)
