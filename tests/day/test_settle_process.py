"""The settle process as it is run: metrics up, a primary that goes away, a quick end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from core.day import transitions
from core.day.gauges import Gauges
from core.day.rules import State
from core.quantities import Break
from core.settlement.rules import DisagreementError
from core.telemetry import DAY_STATE, LEDGER_IMBALANCE, TRADES_UNSETTLED, UNITS_DIFFERENCE
from deploy.ports import free_port

DAY = date(2021, 7, 16)
DIFFERENT = DisagreementError([Break("total", "exchange", "", "CNY", 1, 2)])
ROOT = Path(__file__).parents[2]
MAIN = "from core.day.worker import main; main()"


def metrics(port: int, within_s: float = 60.0) -> str:
    """Wait until the process shows its metrics."""
    until = time.monotonic() + within_s
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2).text
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_the_process_serves_metrics_without_a_primary_and_ends_within_five_seconds() -> None:
    port, nothing = free_port("127.0.0.1"), free_port("127.0.0.1")
    environment = os.environ | {
        "REGISTRY_DSN": f"postgresql://registry_app@127.0.0.1:{nothing}/registry",
        "REGISTRY_METRICS_LISTEN": f"127.0.0.1:{port}",
        "REGISTRY_NODE": "main-1",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        assert "registry_day_state" in metrics(port)
        asked = time.monotonic()
        process.terminate()
        process.wait(timeout=20)
        assert time.monotonic() - asked < 5 + 5  # five promised, five for a busy machine
    finally:
        process.kill()
        process.wait()


def test_gauges_tell_the_newest_days_state_and_both_proofs(market: Any) -> None:
    market.traded_day()
    market.run_until(State.CLEARED)

    Gauges(market.engine).refresh()

    assert DAY_STATE.labels(State.CLEARED)._value.get() == 1
    assert DAY_STATE.labels(State.TRADING)._value.get() == 0
    assert LEDGER_IMBALANCE.labels("CNY")._value.get() == 0
    assert UNITS_DIFFERENCE._value.get() == 0
    assert TRADES_UNSETTLED._value.get() == 3

    market.run_until(State.DELIVERED)
    Gauges(market.engine).refresh()
    assert TRADES_UNSETTLED._value.get() == 0


def test_trades_of_a_halted_day_count_as_unsettled_until_they_are_delivered(market: Any) -> None:
    market.traded_day()
    market.run_until(State.CLEARED)
    market.write(lambda c: transitions.halt(c, DAY, state=State.CLEARED, because=DIFFERENT, worker="test"))

    Gauges(market.engine).refresh()

    assert TRADES_UNSETTLED._value.get() == 3


def test_trades_of_a_day_that_halted_after_delivery_are_settled(market: Any) -> None:
    market.traded_day()
    market.run_until(State.DELIVERED)
    market.write(lambda c: transitions.halt(c, DAY, state=State.DELIVERED, because=DIFFERENT, worker="test"))

    Gauges(market.engine).refresh()

    assert TRADES_UNSETTLED._value.get() == 0
