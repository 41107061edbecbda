"""PostgreSQL never sees root, on any machine."""

from __future__ import annotations

import os
import pwd
import subprocess

import pytest

from deploy.binaries import as_node_user
from deploy.playground import preflight


def test_postgres_runs_as_a_user_that_this_machine_knows() -> None:
    """A fresh Debian has no user 1000, and initdb refuses a user without a name."""
    seen = subprocess.run(as_node_user(["id", "-u"]), check=True, capture_output=True, text=True).stdout.strip()

    assert int(seen) != 0
    assert int(seen) in {user.pw_uid for user in pwd.getpwall()}


def test_an_ordinary_user_needs_no_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert as_node_user(["postgres"]) == ["postgres"]


def test_a_kernel_without_user_namespaces_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "as_node_user", lambda _: ["sh", "-c", "echo not permitted >&2; exit 1"])
    with pytest.raises(
        preflight.CannotStartError, match=r"another user here \(not permitted\): run as an ordinary user"
    ):
        preflight.check_programs()
