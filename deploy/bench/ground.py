"""The cluster that is measured, as the benchmarks see it: its addresses, its people, its hardware."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.playground import plan as places
from deploy.playground import tokens
from deploy.playground.commands import DATABASE
from deploy.playground.plan import Plan
from deploy.playground.state import Secrets, State, secrets_of
from ha import control


class BenchError(Exception):
    """The benchmark could not be carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One running playground."""

    state: State
    plan: Plan
    secrets: Secrets

    @classmethod
    def running(cls) -> Ground:
        """Find the playground that the environment names."""
        state = State(control.state_folder().absolute())
        return cls(state, Plan(int(state.instance_file.read_text(encoding="utf-8"))), secrets_of(state))

    @property
    def endpoints(self) -> list[str]:
        """Return each site's HAProxy, as services inside the registry's network reach it: no Toxiproxy in between."""
        return [f"http://{self.plan.address(node)}:{places.HTTP}" for node in places.ENTRY_NODES]

    @property
    def bank(self) -> str:
        """Return the bank simulator's address."""
        return f"http://{self.plan.address('bank-1')}:{places.BANK_HTTP}"

    @property
    def app_dsn(self) -> str:
        """Return the registry's own way to its database."""
        return self.plan.sql_uri("registry_app", self.secrets.app, DATABASE)

    @property
    def drill_uri(self) -> str:
        """Return the primary itself, for the role that owns the schema ``drill``."""
        return f"postgresql://drill:{self.secrets.drill}@{self.primary}:{places.POSTGRES}/{DATABASE}"

    @property
    def primary(self) -> str:
        """Return the address of the node that takes writes now."""
        for node in control.find(self.state.root).status()["nodes"]:
            if node["role"] == "primary":
                return str(node["address"]).partition(":")[0]
        raise BenchError("the cluster has no primary")

    def token(self, name: str, *roles: str) -> str:
        """Sign a bearer token."""
        return tokens.mint(self.state, name, list(roles) or None)


@dataclass(slots=True)
class Used:
    """How much of the machine was in use while something was measured."""

    left_percent: float = 0.0


@contextmanager
def watched() -> Iterator[Used]:
    """Note how much of all processors was left meanwhile."""
    used = Used()
    psutil.cpu_percent()
    yield used
    used.left_percent = 100.0 - psutil.cpu_percent()


def hardware() -> str:
    """Name the machine in a few words."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {_processor()}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def run_child(module: str, asked: Mapping[str, Any], *arguments: str, within_s: float) -> dict[str, Any]:
    """Run a measuring process of its own: it must not share an interpreter with what reads its answer."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=within_s
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BenchError(f"{module} failed: {last}") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{module} was not done after {within_s:g} s") from error
    found: dict[str, Any] = json.loads(done.stdout)
    return found
