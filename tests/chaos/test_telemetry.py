"""What a drill shows to Prometheus: its own metrics, and none of those whose values other processes answer for."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chaos import telemetry
from chaos.telemetry import DRILL_ACTIVE, REQUESTS, exported
from deploy.ports import free_port
from monitoring.telemetry import FIRST_SAMPLE


def test_a_drill_shows_its_own_metrics_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe's first sample at second zero, from a program that is no probe, would make the promise 56 years old."""
    assert FIRST_SAMPLE is not None, "the probe's metrics are in this process, as they are in the command's"
    monkeypatch.setattr(telemetry, "PORT", free_port("127.0.0.1"))
    REQUESTS.labels("done").inc()

    with exported("d", "http://127.0.0.1:9090"):
        text = httpx.get(f"http://127.0.0.1:{telemetry.PORT}/metrics", trust_env=False).text

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families.keys() >= {"registry_drill_active", "registry_drill_requests"}
    assert [name for name in families if not name.startswith("registry_drill_")] == []
    assert DRILL_ACTIVE.labels("d")._value.get() == 0
