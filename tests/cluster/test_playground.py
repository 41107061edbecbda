"""The running playground: what it promises to the outside, and what becomes of it when parts of it die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from deploy.playground import tokens
from deploy.playground.lifecycle import CannotStartError, Started, start
from ha import etcd
from ha.control import STATE_VARIABLE, ControlRefusedError
from ha.processes import is_alive

Status = Callable[[], dict[str, Any]]
Eventually = Callable[..., float]
ROLES = {"primary", "sync_standby", "standby", "witness", None}


def node_of(status: Status, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in status()["nodes"] if node["name"] == name)
    return found


def primary_of(status: Status) -> dict[str, Any] | None:
    return next((node for node in status()["nodes"] if node["role"] == "primary"), None)


def service_of(status: Status, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(service for service in status()["services"] if service["name"] == name)
    return found


def test_the_status_has_the_published_shape(whole: None, status: Status) -> None:
    seen = status()

    assert set(seen) == {"nodes", "links", "services", "endpoints"}
    assert [node["name"] for node in seen["nodes"]] == ["main-1", "main-2", "second-1", "second-2", "witness-1"]
    for node in seen["nodes"]:
        assert set(node) == {"name", "site", "role", "state", "address", "timeline", "lag_bytes", "pids"}
        assert set(node["pids"]) == {"patroni", "postgres", "etcd"}
        assert node["role"] in ROLES
        assert node["state"] == "running"
        assert all(pid is None or is_alive(pid) for pid in node["pids"].values())
    assert all(set(service) == {"name", "kind", "node", "site", "pid", "url"} for service in seen["services"])
    assert all(service["pid"] is not None for service in seen["services"])
    assert set(seen["endpoints"]) == {"api", "write", "read", "status", "prometheus", "toxiproxy"}


def test_every_write_endpoint_takes_a_write_and_every_read_endpoint_is_a_standby(whole: None, status: Status) -> None:
    ends = status()["endpoints"]
    for uri in ends["write"]:
        with psycopg.connect(uri) as connection:
            assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    for uri in ends["read"]:
        with psycopg.connect(uri) as connection:
            assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_outside_tools_may_touch_their_own_schema_and_nothing_else(whole: None, status: Status) -> None:
    with psycopg.connect(status()["endpoints"]["write"][0]) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("drill",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM registry.transfer")


def test_no_data_node_writes_unsafely(whole: None, playground: Started, status: Status) -> None:
    """A killed process loses nothing with fsync off either, so a drill would not notice."""
    for uri in (*status()["endpoints"]["write"], *status()["endpoints"]["read"]):
        with psycopg.connect(uri) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
                asked = connection.execute("SELECT current_setting(%s)", (setting,))
                assert asked.fetchone() == ("on",), setting


def test_both_api_endpoints_answer_a_caller_with_a_token(whole: None, playground: Started, status: Status) -> None:
    headers = {"Authorization": f"Bearer {tokens.mint(playground.state, 'auditor')}"}
    for url in status()["endpoints"]["api"]:
        assert httpx.get(f"{url}/v1/accounts", headers=headers, timeout=10).status_code == 200
        assert httpx.get(f"{url}/v1/accounts", timeout=10).status_code == 401


def test_both_exchange_lines_come_up(status: Status, eventually: Eventually) -> None:
    def up() -> bool:
        return [(link["name"], link["state"]) for link in status()["links"]] == [("A", "up"), ("B", "up")]

    eventually(up, "both lines up", within_s=30)


def test_prometheus_reaches_everything_it_asks(whole: None, status: Status, eventually: Eventually) -> None:
    """All but the drill's own metrics: those are served by the drill, and no drill runs now."""
    url = f"{status()['endpoints']['prometheus']}/api/v1/query"

    def none_down() -> bool:
        answer = httpx.get(url, params={"query": 'up{job!="drill"}'}, timeout=5).json()["data"]["result"]
        return len(answer) >= 15 and all(sample["value"][1] == "1" for sample in answer)

    eventually(none_down, "every target is up", within_s=40)


def test_etcds_leadership_comes_home_to_the_witness(status: Status, eventually: Eventually) -> None:
    urls = [service["url"] for service in status()["services"] if service["kind"] == "etcd"]

    def at_home() -> bool:
        with httpx.Client(timeout=2) as http:
            leaders = {member.leader for member in etcd.members(http, urls)}
            home = {member.id for member in etcd.members(http, urls) if member.name == "witness-1"}
        return leaders == home

    eventually(at_home, "witness-1 leads etcd", within_s=60)


def test_a_second_start_is_refused_in_one_line(playground: Started) -> None:
    with pytest.raises(CannotStartError, match="already runs") as refusal:
        start(playground.state.root, tie="free", say=print)

    assert "\n" not in str(refusal.value)


def test_the_command_refuses_a_second_start_with_exit_code_2(playground: Started) -> None:
    environment = os.environ | {STATE_VARIABLE: str(playground.state.root)}
    again = subprocess.run(
        [sys.executable, "-m", "deploy", "up", "--detach"], capture_output=True, text=True, env=environment, check=False
    )

    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_a_killed_service_is_started_again(status: Status, playground: Started, eventually: Eventually) -> None:
    before = service_of(status, "settle-second-1")["pid"]
    playground.control.kill("settle-second-1")

    def back() -> bool:
        return service_of(status, "settle-second-1")["pid"] not in (None, before)

    eventually(back, "settle-second-1 runs again", within_s=15)


def test_a_fault_heals_in_the_runner_although_its_driver_is_gone(
    status: Status, playground: Started, eventually: Eventually
) -> None:
    playground.control.power_off("bank-1", heal_after_s=1.0)
    assert service_of(status, "bank-bank-1")["pid"] is None

    eventually(lambda: service_of(status, "bank-bank-1")["pid"] is not None, "bank-1 has power again", within_s=10)


def test_nobody_else_s_process_can_be_killed_through_the_control_socket(playground: Started) -> None:
    with pytest.raises(ControlRefusedError):
        playground.control.kill(os.getpid())
    with pytest.raises(ControlRefusedError):
        playground.control.power_off("main-9")


def test_orders_need_the_token(playground: Started) -> None:
    url = f"{playground.control.url}/power-off"

    assert httpx.post(url, json={"node": "main-1"}, timeout=5).status_code == 401


def test_a_killed_postgres_costs_seconds_and_no_acknowledged_write(
    whole: None, client: Any, status: Status, eventually: Eventually
) -> None:
    time.sleep(1)
    before = primary_of(status)
    assert before is not None
    os.kill(before["pids"]["postgres"], signal.SIGKILL)

    eventually(lambda: (primary_of(status) or before)["name"] != before["name"], "another node leads", within_s=40)
    seen = len(client.acknowledged)
    eventually(lambda: len(client.acknowledged) > seen + 20, "writes go on", within_s=40)
    client.__exit__()

    assert set(client.acknowledged) <= client.present()
    assert client.longest_gap_s < 30


def test_a_node_that_loses_power_costs_no_acknowledged_write_and_comes_back_as_a_standby(
    whole: None, client: Any, status: Status, playground: Started, eventually: Eventually
) -> None:
    time.sleep(1)
    before = primary_of(status)
    assert before is not None
    name, pids = before["name"], [pid for pid in before["pids"].values() if pid is not None]

    playground.control.power_off(name)

    assert not any(is_alive(pid) for pid in pids)
    dead = node_of(status, name)
    assert (dead["role"], dead["state"], set(dead["pids"].values())) == (None, "down", {None})
    took_s = eventually(lambda: primary_of(status) is not None, "another node leads", within_s=60)
    seen = len(client.acknowledged)
    eventually(lambda: len(client.acknowledged) > seen + 20, "writes go on", within_s=40)
    playground.control.power_on(name)
    eventually(lambda: node_of(status, name)["role"] in ("standby", "sync_standby"), f"{name} is back", within_s=60)
    client.__exit__()

    assert set(client.acknowledged) <= client.present()
    assert max(took_s, client.longest_gap_s) < 60
