"""Starts and ends of whole playgrounds: what stays, and that nobody is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.playground import lifecycle
from deploy.playground import plan as places
from deploy.playground.lifecycle import Tie
from deploy.playground.preflight import free_instance
from deploy.playground.state import State
from ha.control import STATE_VARIABLE
from ha.processes import below

Eventually = Callable[..., float]


def begin(root: Path, tie: Tie) -> lifecycle.Started:
    """Start processes without waiting for the system to be up: enough to see who ends them."""
    return lifecycle.start(root, tie=tie, instance=free_instance(list(places.PRIVATE_INSTANCES)[::-1]), say=print)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own, empty of processes afterwards."""
    yield tmp_path / "playground"
    lifecycle.stop(tmp_path / "playground")


def busy(started: lifecycle.Started) -> bool:
    """Tell whether PostgreSQL and etcd are among what runs."""
    return len(below(started.state.nodes)) > 12


def test_a_killed_runner_takes_every_process_with_it(root: Path, eventually: Eventually) -> None:
    started = begin(root, "free")
    eventually(lambda: busy(started), "processes run", within_s=40)
    (runner,) = psutil.Process(started.warden.pid).children()

    runner.kill()

    eventually(lambda: started.warden.poll() is not None, "the warden ended", within_s=20)
    assert below(started.state.nodes) == []
    assert not lifecycle.is_running(started.state)


def test_a_killed_warden_makes_the_runner_end_everything(root: Path, eventually: Eventually) -> None:
    started = begin(root, "free")
    eventually(lambda: busy(started), "processes run", within_s=40)

    started.warden.kill()
    started.warden.wait()

    eventually(lambda: below(started.state.nodes) == [], "nothing is left", within_s=60)


def test_a_playground_in_the_foreground_ends_with_its_terminal(root: Path, eventually: Eventually) -> None:
    started = begin(root, "passing")
    eventually(lambda: busy(started), "processes run", within_s=40)
    assert started.warden.stdin is not None

    started.warden.stdin.close()

    eventually(lambda: started.warden.poll() is not None, "the warden ended", within_s=60)
    assert below(root) == []
    assert not root.exists()


def test_data_survives_an_ordered_stop_until_a_fresh_start(root: Path) -> None:
    environment = os.environ | {STATE_VARIABLE: str(root)}
    instance = str(free_instance(list(places.PRIVATE_INSTANCES)[::-1]))

    def registry(*arguments: str) -> str:
        command = [sys.executable, "-m", "deploy", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    registry("up", "--detach", "--instance", instance)
    with psycopg.connect(json.loads(registry("status", "--json"))["endpoints"]["write"][0]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    registry("down")
    assert below(root) == []

    registry("up", "--detach")
    with psycopg.connect(json.loads(registry("status", "--json"))["endpoints"]["read"][0]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    registry("down")

    events = [json.loads(line)["event"] for line in State(root).uptime.read_text(encoding="utf-8").splitlines()]
    assert events == ["up", "down", "up", "down"]
