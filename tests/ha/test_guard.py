"""The guard, with stand-ins for Patroni and for a server that works inside its data directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ha.processes import below, is_alive

SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data directory."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def server(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like the postmaster of the data directory: it works there and wrote its pid."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=data, start_new_session=True)
    (data / "postmaster.pid").write_text(f"{process.pid}\n{data}\n", encoding="utf-8")
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def guard(data: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A guard whose Patroni sleeps; it notes its own pid."""
    note = tmp_path / "patroni.pid"
    code = f"import os, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); {SLEEPER}"
    command = [sys.executable, "-m", "ha", "guard", "--data", str(data), "--rest", "127.0.0.1:1", "--"]
    process = subprocess.Popen([*command, sys.executable, "-c", code], start_new_session=True)
    wait_until(lambda: note.exists() and note.read_text() != "", "Patroni's stand-in started")
    yield process
    process.kill()
    process.wait()


def wait_until(reached: Callable[[], bool], what: str, within_s: float = 20) -> float:
    began = time.monotonic()
    while not reached():
        assert time.monotonic() - began < within_s, f"{what}: still not so after {within_s:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def patroni_pid(tmp_path: Path) -> int:
    return int((tmp_path / "patroni.pid").read_text())


def start_server(data: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=data, start_new_session=True)
    (data / "postmaster.pid").write_text(f"{process.pid}\n{data}\n", encoding="utf-8")
    return process


def test_a_dead_patroni_takes_its_server_with_it_long_before_the_lease_ends(
    guard: subprocess.Popen[bytes], data: Path, tmp_path: Path
) -> None:
    """An orphaned primary would go on acknowledging for the 20 s of its lease. Here it takes a fraction of a second."""
    server = start_server(data)
    os.kill(patroni_pid(tmp_path), signal.SIGKILL)

    took_s = wait_until(lambda: server.poll() is not None, "the server ended")

    assert took_s < 15
    assert guard.wait(timeout=20) == 1


def test_a_killed_guard_takes_patroni_with_it(guard: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pid = patroni_pid(tmp_path)
    guard.kill()
    guard.wait()

    wait_until(lambda: not is_alive(pid), "Patroni ended")


def test_an_ordered_stop_reaches_patroni(guard: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pid = patroni_pid(tmp_path)
    guard.terminate()
    guard.wait(timeout=20)

    assert not is_alive(pid)


def test_a_new_guard_ends_a_server_that_an_earlier_one_left(
    server: subprocess.Popen[bytes], guard: subprocess.Popen[bytes]
) -> None:
    assert server.wait(timeout=20) == -signal.SIGKILL


def test_a_pid_file_that_names_a_stranger_kills_nobody(
    guard: subprocess.Popen[bytes], data: Path, tmp_path: Path
) -> None:
    """Process numbers come round again: the file outlives its process."""
    stranger = subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=tmp_path, start_new_session=True)
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n", encoding="utf-8")
        os.kill(patroni_pid(tmp_path), signal.SIGKILL)
        guard.wait(timeout=20)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_zombie_counts_as_dead(tmp_path: Path) -> None:
    """Some machines' pid 1 reaps nobody: a killed process may stay a zombie for ever."""
    child = subprocess.Popen([sys.executable, "-c", ""], cwd=tmp_path, start_new_session=True)
    wait_until(lambda: not is_alive(child.pid), "the child became a zombie")

    assert below(tmp_path) == []
    child.wait()
