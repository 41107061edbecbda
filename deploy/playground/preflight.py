"""Looks, before anything starts, whether it can: each lack is one clear line."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
from pathlib import Path

import psutil

from deploy.binaries import MissingProgramError, as_node_user, postgres_bin, program
from deploy.playground.commands import PROGRAMS
from deploy.playground.plan import RUNNER, Plan

DISK_NEEDED_BYTES = 1024**3
"""Four databases with their logs, the metrics, and room for a day of a million trades' worth of WAL to turn over."""


class CannotStartError(Exception):
    """One clear line: what is missing or in the way, and what to do about it."""


def check_programs() -> None:
    """Find every program now, not one after the other in the middle of a start."""
    try:
        for name in PROGRAMS:
            program(name)
        postgres = postgres_bin() / "postgres"
    except MissingProgramError as error:
        raise CannotStartError(str(error)) from error
    if not postgres.exists():
        raise CannotStartError(f"PostgreSQL is missing: there is no {postgres}; run `make setup`")
    _check_node_user()


def _check_node_user() -> None:
    """PostgreSQL refuses root, so root must be able to start it as somebody else."""
    trial = as_node_user(["true"])
    if shutil.which(trial[0]) is None:
        raise CannotStartError(f"{trial[0]} is missing: apt-get install util-linux")
    tried = subprocess.run(trial, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise CannotStartError(
            f"root cannot start PostgreSQL as another user here ({tried.stderr.strip()}): run as an ordinary user, "
            "or allow user namespaces"
        )


def check_disk(folder: Path) -> None:
    """Refuse to start on a disk that would be full within minutes."""
    at = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(at).free
    if free < DISK_NEEDED_BYTES:
        raise CannotStartError(
            f"no disk space: {free / 1024**2:,.0f} MiB free at {at}, the playground needs"
            f" {DISK_NEEDED_BYTES / 1024**2:,.0f} MiB"
        )


def check_ports(plan: Plan) -> None:
    """Name the first address that somebody else has, and who, if that can be told."""
    wanted = [("runner", plan.runner, RUNNER)]
    wanted += [(service.name, *address) for service in plan.services for address in service.listens]
    for name, host, port in wanted:
        reason = _in_the_way(host, port)
        if reason is not None:
            raise CannotStartError(f"{name} cannot listen on {host}:{port}: {reason}")


def _in_the_way(host: str, port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"the port is in use{_owner(host, port)}"
            return error.strerror or str(error)
    return None


def _owner(host: str, port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return ""
    for found in connections:
        if found.status != psutil.CONN_LISTEN or not found.laddr or found.pid is None:
            continue
        everywhere = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
        if found.laddr.port == port and found.laddr.ip in (host, *everywhere):
            try:
                return f" by {psutil.Process(found.pid).name()} (pid {found.pid})"
            except psutil.Error:
                return f" by pid {found.pid}"
    return ""


def free_instance(candidates: list[int]) -> int:
    """Return the first instance whose addresses are all free."""
    for instance in candidates:
        try:
            check_ports(Plan(instance))
        except CannotStartError:
            continue
        return instance
    raise CannotStartError("no instance is free: another program listens on the addresses of all of them")
