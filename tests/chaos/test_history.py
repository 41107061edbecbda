"""The history: on disk before the request leaves, readable whatever happened to its writer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.history import History, HistoryDamagedError, read

WRITER = """
import asyncio, sys
from pathlib import Path
from chaos.history import History

async def client(history, n):
    count = 0
    while True:
        count += 1
        await history.invoke(f"client-{n}", "transfer", {"n": count}, key=f"{n}.{count}")
        print(f"{n}.{count}", flush=True)  # stands for the request that is sent now
        history.note(f"client-{n}", "ok", "transfer", {"n": count}, key=f"{n}.{count}")

async def main():
    history = History(Path(sys.argv[1]))
    await asyncio.gather(*(client(history, n) for n in range(8)))

asyncio.run(main())
"""


def test_every_request_that_left_is_in_the_history_of_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    sent = {writer.stdout.readline().strip() for _ in range(300)}
    os.kill(writer.pid, signal.SIGKILL)
    sent |= {line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")}
    writer.stdout.close()
    writer.wait()

    events = read(path)

    assert sent <= {event.key for event in events if event.type == "invoke"}


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        history.note("client-1", "invoke", "transfer", {"n": 1}, key="k1")
        history.note("client-1", "ok", "transfer", {"n": 1}, key="k1")
    path.write_bytes(path.read_bytes()[:-20])

    assert [event.type for event in read(path)] == ["invoke"]


def test_a_damaged_line_in_the_middle_is_never_read_over(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        for n in range(3):
            history.note("client-1", "invoke", "transfer", {"n": n})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:10], lines[2]]) + "\n")

    with pytest.raises(HistoryDamagedError, match="line 2"):
        read(path)


def test_a_history_is_never_appended_to_another_run(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("")

    with pytest.raises(FileExistsError):
        History(path)


def test_lines_carry_the_field_names_of_elle(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        history.note("client-1", "ok", "transfer", {"n": 1}, key="k", status=201)

    line = json.loads(path.read_text())

    assert {"index", "process", "type", "f", "value", "time", "wall", "key", "status"} == line.keys()


def test_many_clients_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 clients ask at once; with a sync for each, a slow disk would be what the drill measures."""
    syncs = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (syncs.append(number), real(number)))

    async def ask() -> None:
        await asyncio.gather(*(history.invoke(f"client-{n}", "read", None) for n in range(200)))

    with History(tmp_path / "history.jsonl") as history:
        asyncio.run(ask())

    assert len(read(tmp_path / "history.jsonl")) == 200
    assert len(syncs) < 100


def test_a_full_disk_stops_the_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be asked that is not written down."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    async def ask() -> None:
        await history.invoke("client-1", "transfer", None, key="k")

    with History(tmp_path / "history.jsonl") as history, pytest.raises(OSError, match="space"):
        asyncio.run(ask())
