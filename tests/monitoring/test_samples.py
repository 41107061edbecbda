"""What was recorded comes back as it was: from a real Prometheus, and from the file of orders."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from deploy.ports import free_port
from monitoring.check import verdict_of
from monitoring.objectives import load
from monitoring.samples import Prometheus, UnreachableError, _thin, orders
from monitoring.verdict import Order, Outcome, Sample, judge


def test_a_healthy_probe_has_used_no_budget_and_is_not_yet_evidence(prometheus_url: str, tmp_path: Path) -> None:
    found = verdict_of(prometheus_url, tmp_path)
    assert found.outcome is Outcome.NOT_ENOUGH_EVIDENCE
    assert found.account.observed_s > 3
    assert found.budget_used_s == 0
    assert found.account.longest_gap_s == 0.25


def test_the_same_samples_read_later_show_the_silence(prometheus_url: str, tmp_path: Path) -> None:
    found = verdict_of(prometheus_url, tmp_path, now=time.time() + 600)
    assert found.outcome is Outcome.BROKEN
    assert found.account.missing_s > 590


def test_an_ordered_down_ends_the_account(prometheus_url: str, tmp_path: Path) -> None:
    entry = {"at": time.time(), "event": "down"}
    (tmp_path / "uptime.jsonl").write_text(json.dumps(entry) + "\n", "utf-8")
    assert verdict_of(prometheus_url, tmp_path, now=time.time() + 600).budget_used_s == 0


def test_a_query_that_is_wrong_or_unheard_is_one_clear_sentence(prometheus_url: str) -> None:
    prometheus = Prometheus(prometheus_url)
    with pytest.raises(UnreachableError, match="refuses the query"):
        prometheus.instant("sum(")
    assert prometheus.instant("scalar(vector(3))")[0].value == 3
    prometheus.close()
    nobody = Prometheus(f"http://127.0.0.1:{free_port('127.0.0.1')}")
    with pytest.raises(UnreachableError, match="does not answer"):
        nobody.instant("up")
    nobody.close()


def test_orders_are_read_as_epoch_or_iso_and_a_torn_line_is_no_order(tmp_path: Path) -> None:
    lines = ['{"at": 100.5, "event": "up"}', '{"at": "1970-01-01T00:03:20+00:00", "event": "down"}', '{"at": 3']
    (tmp_path / "uptime.jsonl").write_text("\n".join(lines), "utf-8")
    assert orders(tmp_path) == [Order(100.5, up=True), Order(200.0, up=False)]
    assert orders(tmp_path / "elsewhere") == []


def test_thinning_changes_no_verdict() -> None:
    samples: list[Sample] = []
    good = bad = 0.0
    for second in [*range(500), *range(560, 900), *range(903, 1500)]:
        if second == 560:
            good = bad = 0.0
        samples.append(Sample(1e6 + second, good, bad, last_good_at=1e6 + second))
        good, bad = (good, bad + 5) if 100 <= second < 110 else (good + 5, bad)
    # Samples go on over both orders: the system takes writes before it is called up, and for a moment after the down.
    given = [Order(1e6 + 7.5, up=True), Order(1e6 + 1471.2, up=False)]
    thinned = _thin(samples, [order.at for order in given])
    assert len(thinned) < 60
    assert judge(load(), thinned, given, now=1e6 + 1600) == judge(load(), samples, given, now=1e6 + 1600)
