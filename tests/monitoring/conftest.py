"""A real Prometheus with the generated rules, fed by an exporter that plays the outside probe."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from deploy.binaries import program
from deploy.ports import free_port
from monitoring.generate import FOLDER
from monitoring.objectives import TICKS_PER_S

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}/*.yaml"]
scrape_configs:
- job_name: probe
  static_configs: [{{targets: ["127.0.0.1:{exporter}"], labels: {{node: outside-1, site: outside}}}}]
"""


class PlayedProbe(Collector):
    """Five good ticks a second since it was made."""

    def __init__(self) -> None:
        self._began = time.time()

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        now = time.time()
        ticks = CounterMetricFamily("registry_probe_ticks_total", "", labels=["outcome"])
        ticks.add_metric(["good"], int((now - self._began) * TICKS_PER_S))
        ticks.add_metric(["bad"], 0)
        yield ticks
        yield GaugeMetricFamily("registry_probe_longest_gap_seconds", "", 0.25)
        yield GaugeMetricFamily("registry_probe_last_good_timestamp_seconds", "", now)
        yield GaugeMetricFamily("registry_probe_first_sample_timestamp_seconds", "", self._began)


@pytest.fixture(scope="session")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a Prometheus answers that has watched a healthy probe for some seconds."""
    folder, port, exporter = tmp_path_factory.mktemp("prometheus"), free_port("127.0.0.1"), free_port("127.0.0.1")
    registry = CollectorRegistry()
    registry.register(PlayedProbe())
    server, thread = start_http_server(exporter, addr="127.0.0.1", registry=registry)
    (folder / "prometheus.yaml").write_text(CONFIG.format(rules=FOLDER / "rules", exporter=exporter), "utf-8")
    arguments = [
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    running = subprocess.Popen([str(program("prometheus")), *arguments])
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, "min(count_over_time(slo:clock_running:bool[1m])) > 4 and min(slo:observed_availability:ratio)")
        yield url
    finally:
        running.terminate()
        running.wait(timeout=20)
        server.shutdown()
        server.server_close()
        thread.join()


def _wait_for(url: str, expression: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, trust_env=False)
            if answer.is_success and answer.json()["data"]["result"]:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise TimeoutError(f"{expression} has no sample after a minute")
