"""The runner: parent of every process of the playground, in memory of nothing but that."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from deploy.binaries import postgres_bin
from deploy.playground import config, tokens
from deploy.playground.boot import Boot, BootFailedError, Progress
from deploy.playground.commands import Commands
from deploy.playground.healing import LinkHealer
from deploy.playground.plan import RUNNER, Plan, Service
from deploy.playground.server import ControlServer, Routes, orders_of
from deploy.playground.state import State, secrets_of, write_private
from deploy.playground.status import Watcher
from deploy.playground.supervisor import Supervisor
from ha.processes import adopt_orphans, die_with_parent

TICK_S = 0.05
SERVICES_STOP_WITHIN_S = 6.0
POSTGRES_STOPS_WITHIN_S = 30.0
"""A primary's last checkpoint is up to max_wal_size of writing."""
ETCD_STOPS_WITHIN_S = 2.0
"""The last member waits for others that are gone already; a killed etcd has lost nothing."""


@dataclass(slots=True)
class Runner:
    """One playground from its start to its end."""

    plan: Plan
    state: State
    stopping: threading.Event = field(default_factory=threading.Event)
    progress: Progress = field(default_factory=Progress)

    def run(self) -> int:
        """Start, supervise until told to stop, stop in order."""
        secrets = secrets_of(self.state)
        tokens.make_issuer(self.state)
        tokens.make_sealing_key(self.state)
        config.write_all(self.plan, self.state, secrets, postgres_bin())
        commands = Commands(self.plan, self.state, secrets)
        commands.write_tokens()
        supervisor = Supervisor(commands, self.state)
        watcher = Watcher(self.plan, self.state, supervisor, secrets.drill)
        healer = LinkHealer(str(self.plan.endpoints("")["toxiproxy"]))
        reads = {"/status": watcher.document, "/progress": self.progress.document}
        routes = Routes(secrets.control, reads, orders_of(supervisor, healer, self.stopping.set))
        server = ControlServer((self.plan.runner, RUNNER), routes)
        server.start()
        watcher.start()
        self._announce(secrets.control)
        boot = Boot(self.plan, self.state, commands, supervisor, watcher, self.progress, self.stopping)
        threading.Thread(target=self._boot, args=(boot,), name="boot", daemon=True).start()
        try:
            while not self.stopping.is_set():
                supervisor.tick()
                time.sleep(TICK_S)
            self._stop(supervisor, watcher)
        finally:
            supervisor.kill_everything()
            server.shutdown()
        return 0 if self.progress.error is None else 1

    def _boot(self, boot: Boot) -> None:
        try:
            boot.run()
        except BootFailedError as error:
            self._give_up(str(error))
        except Exception as error:  # noqa: BLE001  # a thread that ends unnoticed would be waited for without end
            traceback.print_exc()
            self._give_up(f"{self.progress.waiting_for or 'the first step'}: {type(error).__name__}: {error}")
        else:
            self._note_uptime("up")

    def _give_up(self, reason: str) -> None:
        self.state.error.write_text(reason, encoding="utf-8")
        self.progress.error = reason
        self.stopping.set()

    def _announce(self, token: str) -> None:
        url = f"http://{self.plan.runner}:{RUNNER}"
        entry = {"url": url, "token": token, "instance": self.plan.instance, "started_at": _now()}
        write_private(self.state.control, json.dumps(entry))

    def _note_uptime(self, event: str) -> None:
        with self.state.uptime.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": _now(), "event": event}) + "\n")

    def _stop(self, supervisor: Supervisor, watcher: Watcher) -> None:
        """Services first, then standbys, then the primary, which so has the last word in the WAL, then etcd."""
        if self.progress.ready:
            self._note_uptime("down")
        primary = watcher.topology.primary
        watcher.stop()
        by_rank: list[list[Service]] = [[], [], [], []]
        for service in self.plan.services:
            if service.kind == "etcd":
                by_rank[3].append(service)
            elif service.kind == "patroni":
                by_rank[2 if primary is not None and service.node == primary.name else 1].append(service)
            else:
                by_rank[0].append(service)
        patience = (
            SERVICES_STOP_WITHIN_S,
            POSTGRES_STOPS_WITHIN_S,
            POSTGRES_STOPS_WITHIN_S,
            ETCD_STOPS_WITHIN_S,
        )
        for services, within_s in zip(by_rank, patience, strict=True):
            supervisor.stop(services, within_s=within_s)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def main() -> int:
    """Run one playground: runner STATE INSTANCE."""
    state, plan = State(Path(sys.argv[1])), Plan(int(sys.argv[2]))
    adopt_orphans()
    die_with_parent(signal.SIGTERM)  # without the warden: an ordered end, as long as there is time
    runner = Runner(plan, state)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        runner.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return runner.run()


if __name__ == "__main__":
    sys.exit(main())
