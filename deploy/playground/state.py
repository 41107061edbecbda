"""The folder of one playground: where each file is, and the secrets made at its first start."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from ha.control import state_folder


def default_state() -> Path:
    """Return the folder of the playground a person means: the named one, else under the current folder."""
    return state_folder().absolute()


@dataclass(frozen=True, slots=True)
class Secrets:
    """One password for every role that logs in, and the token of the control socket."""

    superuser: str
    replication: str
    rewind: str
    owner: str
    app: str
    drill: str
    control: str

    @classmethod
    def new(cls) -> Secrets:
        """Draw all of them; letters that need no escaping in a URI."""
        return cls(*(secrets.token_hex(16) for _ in cls.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class State:
    """Names every file of a playground."""

    root: Path

    @property
    def control(self) -> Path:
        """Who runs, where it answers, with which token; there only while it runs."""
        return self.root / "control.json"

    @property
    def instance_file(self) -> Path:
        """The instance whose addresses the data in this folder was made with."""
        return self.root / "instance"

    @property
    def secrets_file(self) -> Path:
        """The passwords."""
        return self.root / "secrets.json"

    @property
    def issuer_key(self) -> Path:
        """The token issuer's private key."""
        return self.root / "issuer.pem"

    @property
    def issuer_public_key(self) -> Path:
        """The key that services check tokens with."""
        return self.root / "issuer.pub.pem"

    @property
    def sealing_key(self) -> Path:
        """The private key that signs the seal of each market day."""
        return self.root / "sealing.pem"

    @property
    def uptime(self) -> Path:
        """Ordered starts and stops, one JSON line each: the clock of the objectives."""
        return self.root / "uptime.jsonl"

    @property
    def runner_log(self) -> Path:
        """What warden and runner say."""
        return self.root / "runner.log"

    @property
    def error(self) -> Path:
        """Why the last start failed; there only if it did."""
        return self.root / "error.txt"

    @property
    def lock(self) -> Path:
        """Locked by the warden for as long as it lives."""
        return self.root / "lock"

    @property
    def nodes(self) -> Path:
        """The folder above every process's working folder."""
        return self.root / "nodes"

    @property
    def tokens(self) -> Path:
        """The folder of our services' tokens."""
        return self.root / "tokens"

    @property
    def own(self) -> tuple[Path, ...]:
        """Everything that a playground leaves in its folder."""
        return (
            *(self.control, self.instance_file, self.secrets_file, self.issuer_key, self.issuer_public_key),
            self.sealing_key,
            *(self.uptime, self.runner_log, self.error, self.lock, self.nodes, self.tokens),
        )

    def is_own(self, path: Path) -> bool:
        """Tell whether a playground put this here; a writer that was killed may have left its unfinished file."""
        unfinished = path.name.startswith(".") and path.suffix[1:].isdigit()
        return path in self.own or (unfinished and path.with_name(path.stem[1:]) in self.own)

    def is_somebody_elses(self) -> bool:
        """Tell whether the folder holds other things and was never a playground's: nothing may be touched there."""
        if not self.root.exists() or (self.instance_file.is_file() and self.lock.is_file()):
            return False
        return not all(self.is_own(path) for path in self.root.iterdir())

    def token(self, name: str) -> Path:
        """Where the token of a service of ours is kept."""
        return self.tokens / f"{name}.jwt"

    def node(self, node: str) -> Path:
        """Return a node's folder: the processes whose working folder is below it are that node's."""
        return self.nodes / node

    def service(self, node: str, kind: str) -> Path:
        """Return the working folder of one process."""
        return self.node(node) / kind

    def log(self, node: str, kind: str) -> Path:
        """Return where a process's output goes."""
        return self.service(node, kind) / f"{kind}.log"

    def postgres_data(self, node: str) -> Path:
        """Return a node's data directory."""
        return self.service(node, "patroni") / "data"


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner may read, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    fresh.replace(path)


def secrets_of(state: State) -> Secrets:
    """Return the passwords of this playground, made at its first start."""
    if not state.secrets_file.exists():
        write_private(state.secrets_file, json.dumps(asdict(Secrets.new()), indent=1))
    return Secrets(**json.loads(state.secrets_file.read_text(encoding="utf-8")))
