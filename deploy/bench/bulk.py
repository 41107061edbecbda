"""The bulk path of the ledger beside a raw COPY of the same rows."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.bench.benchmarks import Benchmark, Plan, Say
from deploy.bench.ground import Ground, hardware, run_child, watched
from deploy.bench.market import Market
from deploy.bench.results import Reference, Row, row

ROWS, ACCOUNTS = 200_000, 1_000
GOAL = 0.5


def run(ground: Ground, plan: Plan, say: Say) -> Sequence[Row]:
    """Measure the reference, the bulk path, the reference again."""
    say(f"{ACCOUNTS:,} accounts")
    accounts = Market(ground).open_accounts(ACCOUNTS)
    say(f"bulk: {ROWS:,} transfers, raw and booked")
    asked = {
        "dsn": ground.app_dsn,
        "raw_dsn": ground.drill_uri,
        "accounts": accounts,
        "rows": ROWS,
        "seed": plan.seed,
    }
    with watched() as used:
        seen = run_child("core.bench", asked, "bulk", within_s=900)
    raw, booked = ROWS / seen["raw_s"], ROWS / seen["booked_s"]
    setup = (
        f"{hardware()}; {ROWS:,} transfers over {ACCOUNTS:,} accounts in one commit; raw: COPY into a table with the "
        f"same columns, checks and indexes; {used.left_percent:.0f} % of the machine was left"
    )
    return [
        row(
            "bulk",
            booked,
            "transfers/s",
            reference=Reference("raw COPY of the same rows, mean of right before and right after", raw),
            goal=f">= {GOAL} x",
            met=booked >= GOAL * raw,
            setup=setup,
            seed=plan.seed,
        )
    ]


BENCHMARK = Benchmark("bulk", "transfers by the bulk path, beside a raw COPY", run)
