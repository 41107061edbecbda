"""The reference that everybody has: pgbench, the one of PostgreSQL's own package, on the same cluster."""

from __future__ import annotations

import re
import subprocess

from deploy.bench.ground import BenchError, Ground
from deploy.binaries import postgres_bin

CLIENTS = 32
SCALE = 10
"""A million accounts: no two clients ever wait for the same row under -N."""
NAME = f"pgbench -N, {CLIENTS} clients, mean of right before and right after"


def prepare(ground: Ground) -> None:
    """Make pgbench's tables in the schema of the drills."""
    _pgbench(ground, "-i", "-q", "-s", str(SCALE), within_s=180)


def measure(ground: Ground, seconds: float) -> float:
    """Return transactions per second."""
    said = _pgbench(
        ground, "-N", "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(max(1, round(seconds))), within_s=seconds + 60
    )
    found = re.search(r"tps = ([0-9.]+) \(without", said)
    if found is None:
        raise BenchError("pgbench did not say how fast it was")
    return float(found[1])


def _pgbench(ground: Ground, *arguments: str, within_s: float) -> str:
    command = [str(postgres_bin() / "pgbench"), *arguments, ground.drill_uri]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=within_s)
    except subprocess.CalledProcessError as error:
        raise BenchError(f"pgbench failed: {(error.stderr.strip().splitlines() or ['?'])[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"pgbench was not done after {within_s:g} s") from error
    return done.stdout
