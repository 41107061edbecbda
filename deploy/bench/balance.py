"""One account's balance, in SQL and over HTTP, with a long history behind it."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.bench.benchmarks import Benchmark, Plan, Say
from deploy.bench.ground import Ground, hardware, run_child, watched
from deploy.bench.market import Market
from deploy.bench.results import Reference, Row, row

ACCOUNTS = 60_000
READS = 5_000
P95_MAX_MS, HTTP_MORE_MAX_MS = 1.0, 0.4


def run(ground: Ground, plan: Plan, say: Say) -> Sequence[Row]:
    """Fill the ledger, then read at random on one connection each way."""
    say(f"{ACCOUNTS:,} accounts")
    accounts = Market(ground).open_accounts(ACCOUNTS)
    asked = {"dsn": ground.app_dsn, "accounts": accounts, "transfers": plan.history, "seed": plan.seed}
    say(f"a history of {plan.history:,} transfers: about {plan.history / 60_000 / 60:.0f} minutes")
    filled = run_child("core.bench", asked, "history", within_s=7200)
    say("balance: reading")
    asked |= {"url": ground.endpoints[0], "token": ground.token("bench-reader", "auditor"), "reads": READS}
    with watched() as used:
        seen = run_child("core.bench", asked, "balance", within_s=600)
    setup = (
        f"{hardware()}; {ACCOUNTS:,} accounts, {filled['transfers']:,} transfers, {READS:,} reads at random on one "
        f"connection; {used.left_percent:.0f} % of the machine was left"
    )
    more = seen["http_p50_ms"] - seen["sql_p50_ms"]
    http_setup = f"{setup}; HTTP p95 {seen['http_p95_ms']:.2f} ms; goal: {more:.2f} ms more than SQL"
    return [
        row(
            "balance",
            seen["sql_p95_ms"],
            "ms, p95",
            reference=Reference("SELECT 1 on the same connection, p95", seen["ping_p95_ms"]),
            goal=f"<= {P95_MAX_MS:g} ms",
            met=seen["sql_p95_ms"] <= P95_MAX_MS,
            setup=f"{setup}; p50 {seen['sql_p50_ms']:.3f} ms",
            seed=plan.seed,
        ),
        row(
            "balance-http",
            seen["http_p50_ms"],
            "ms, p50",
            reference=Reference("the same read in SQL, p50", seen["sql_p50_ms"]),
            goal=f"<= {HTTP_MORE_MAX_MS:g} ms above SQL",
            met=more <= HTTP_MORE_MAX_MS,
            setup=http_setup,
            seed=plan.seed,
        ),
    ]


BENCHMARK = Benchmark("balance", "an account's balance after ten million transfers, in SQL and over HTTP", run)
