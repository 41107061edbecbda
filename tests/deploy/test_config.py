"""The rendered configuration: it parses, and holds the settings on which the promises rest."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings
from deploy.binaries import program
from deploy.playground import config
from deploy.playground.plan import Plan
from deploy.playground.state import Secrets, State

PLAN = Plan(20)
SECRETS = Secrets.new()


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A written playground folder."""
    state = State(tmp_path)
    config.write_all(PLAN, state, SECRETS, Path("/pg/bin"))
    return state


def patroni_of(state: State, node: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((state.service(node, "patroni") / "patroni.yaml").read_text())
    return found


def test_patroni_confirms_every_write_on_two_standbys_or_waits(state: State) -> None:
    dcs = patroni_of(state, "main-1")["bootstrap"]["dcs"]

    assert (dcs["synchronous_mode"], dcs["synchronous_node_count"], dcs["synchronous_mode_strict"]) == (
        "quorum",
        2,
        True,
    )


def test_patronis_times_respect_the_floors_that_it_would_raise_silently(state: State) -> None:
    dcs = patroni_of(state, "main-1")["bootstrap"]["dcs"]

    assert dcs["ttl"] >= 20
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]


def test_no_server_writes_unsafely(state: State) -> None:
    """A killed process loses nothing with fsync off either: no drill would notice."""
    text = (state.service("main-2", "patroni") / "patroni.yaml").read_text()

    assert not re.search(r"fsync|full_page_writes|synchronous_commit|no-sync", text)
    assert "data-checksums" in text


def test_replication_is_for_the_replication_role_only(state: State) -> None:
    rules = patroni_of(state, "second-2")["postgresql"]["pg_hba"]

    assert [rule for rule in rules if " replication " in f" {rule} "] == [
        "host replication replicator 127.0.0.0/8 scram-sha-256"
    ]
    assert not any("trust" in rule for rule in rules)


def test_files_with_passwords_are_for_their_owner_only(state: State) -> None:
    path = state.service("main-1", "patroni") / "patroni.yaml"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_haproxy_accepts_its_configuration(state: State) -> None:
    for node in ("main-1", "second-1"):
        path = state.service(node, "haproxy") / "haproxy.cfg"
        checked = subprocess.run([program("haproxy"), "-c", "-f", path], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_the_endpoint_waits_longer_than_the_api_holds_a_write(state: State) -> None:
    text = (state.service("main-1", "haproxy") / "haproxy.cfg").read_text()
    server_s, client_s = (
        int(re.search(rf"timeout {side} (\d+)s", text).group(1))  # type: ignore[union-attr]
        for side in ("server", "client")
    )

    assert Settings().hold_window_s < server_s < client_s


def test_prometheus_accepts_its_configuration(state: State) -> None:
    path = state.service("outside-1", "prometheus") / "prometheus.yaml"
    checked = subprocess.run(
        [program("promtool"), "check", "config", path], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_the_objective_is_computed_from_is_asked_every_second() -> None:
    intervals = {job.name: job.interval for job in config.jobs(PLAN)}

    assert intervals["probe"] == "1s"


def test_toxiproxy_gets_every_link(state: State) -> None:
    written = json.loads((state.service("outside-1", "toxiproxy") / "proxies.json").read_text())

    assert {proxy["name"] for proxy in written} == {proxy.name for proxy in PLAN.proxies}
    assert all(proxy["enabled"] for proxy in written)
