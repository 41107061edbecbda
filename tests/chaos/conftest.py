"""Two API processes on one database, as drills meet them: by address and token."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.ports import free_port

ISSUER = "https://issuer.invalid"


@dataclass
class Apis:
    """The processes, where they answer, and whoever signs tokens."""

    tokens: Callable[[str], str]
    addresses: list[str] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()


@pytest.fixture
def apis(dsn: str, tmp_path: Path) -> Iterator[Apis]:
    """Two ready API processes."""
    key = Ed25519PrivateKey.generate()
    public = tmp_path / "issuer.pub.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def token(name: str) -> str:
        claims = {"sub": name, "roles": ["maker", "checker", "probe"], "iss": ISSUER, "exp": int(time.time()) + 3600}
        return jwt.encode(claims, key, algorithm="EdDSA")

    facts = {"DSN": dsn, "TOKEN_PUBLIC_KEY": str(public), "TOKEN_ISSUER": ISSUER, "PLAYGROUND": "true"}
    found = Apis(token)
    try:
        for n in range(2):
            listen = f"127.0.0.1:{free_port('127.0.0.1')}"
            environment = os.environ | {f"REGISTRY_{name}": value for name, value in facts.items()}
            with (tmp_path / f"api-{n}.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "core", "api"],
                    env=environment | {"REGISTRY_LISTEN": listen},
                    stdout=log,
                    stderr=log,
                )
            found.processes.append(process)
            found.addresses.append(f"http://{listen}")
        for n, address in enumerate(found.addresses):
            _wait_ready(address, tmp_path / f"api-{n}.log")
        yield found
    finally:
        for process in found.processes:
            process.kill()
            process.wait()


def _wait_ready(address: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/readyz", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{address} is not ready: {log.read_text()[-2000:]}")
