"""What each process of the playground is: its command line and its environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.binaries import as_node_user, program
from deploy.playground import plan as places
from deploy.playground import tokens
from deploy.playground.plan import Plan, Service
from deploy.playground.state import Secrets, State

DATABASE = "registry"
PROGRAMS = ("etcd", "haproxy", "toxiproxy-server", "prometheus", "prometheus-alertmanager")
BANK = f"bank-{places.BANK_CODE}"
"""Name of the bank as a caller of our API."""
_OTHERS = ("REGISTRY_", "PATRONI_", "ETCD_", "PG", "PYTHON")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and what its environment has beyond the inherited one."""

    argv: list[str]
    environment: dict[str, str]


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep of our own environment what is not meant for us: a playground must not depend on a person's shell."""
    return {name: value for name, value in environment.items() if not name.startswith(_OTHERS)}


@dataclass(frozen=True, slots=True)
class Commands:
    """Builds the command of every service of one playground."""

    plan: Plan
    state: State
    secrets: Secrets

    def of(self, service: Service) -> Command:
        """Return the command of a service."""
        match service.kind:
            case "api" | "intake" | "settle" as kind:
                return Command(_python("core", kind), self._core(service))
            case "exchange" | "bank" | "ccer" as kind:
                return Command(_python("chaos.simulators", kind), self._simulator(service))
            case "probe":
                return Command(_python("monitoring", "probe"), self._probe(service))
            case kind:
                return Command(self._program(kind, service), {})

    def _program(self, kind: str, service: Service) -> list[str]:
        match kind:
            case "etcd":
                return self._etcd(service)
            case "patroni":
                return self._patroni(service)
            case "keeper":
                return self._keeper()
        return self._outside_program(kind, service)

    def _etcd(self, service: Service) -> list[str]:
        address = self.plan.address(service.node)
        client, peer = f"http://{address}:{places.ETCD_CLIENT}", f"http://{address}:{places.ETCD_PEER}"
        members = ",".join(f"{name}=http://{self.plan.address(name)}:{places.ETCD_PEER}" for name in places.ETCD_NODES)
        data = self.state.service(service.node, "etcd") / "data"
        return [
            str(program("etcd")),
            *("--name", service.node, "--data-dir", str(data)),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", members, "--initial-cluster-state", "new"),
            # Patroni writes a few keys a second, for ever: without this the file only grows.
            *("--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"),
            *("--log-level", "warn"),
        ]

    def _patroni(self, service: Service) -> list[str]:
        data = self.state.postgres_data(service.node)
        rest = f"{self.plan.address(service.node)}:{places.PATRONI}"
        guard = _python("ha", "guard", "--data", str(data), "--rest", rest, "--")
        return as_node_user([*guard, sys.executable, "-m", "patroni", "patroni.yaml"])

    def _keeper(self) -> list[str]:
        urls = [f"http://{self.plan.address(name)}:{places.ETCD_CLIENT}" for name in places.ETCD_NODES]
        return _python("ha", "keeper", "--home", "witness-1", *urls)

    def _outside_program(self, kind: str, service: Service) -> list[str]:
        address, port = service.listens[0]
        folder = self.state.service(service.node, kind)
        match kind:
            case "haproxy":
                return [str(program("haproxy")), "-db", "-f", "haproxy.cfg"]
            case "toxiproxy":
                listen = ["-host", address, "-port", str(port), "-config", "proxies.json"]
                return [str(program("toxiproxy-server")), *listen, "-proxy-metrics", "-runtime-metrics"]
            case "prometheus":
                return [
                    str(program("prometheus")),
                    "--config.file=prometheus.yaml",
                    f"--storage.tsdb.path={folder / 'data'}",
                    "--storage.tsdb.retention.time=31d",  # one month: the period of the promise
                    "--storage.tsdb.retention.size=1GB",  # on a laptop's disk
                    f"--web.listen-address={address}:{port}",
                    "--log.level=warn",
                ]
            case "alertmanager":
                return [
                    str(program("prometheus-alertmanager")),
                    "--config.file=alertmanager.yaml",
                    f"--storage.path={folder / 'data'}",
                    f"--web.listen-address={address}:{port}",
                    "--cluster.listen-address=",  # one of its kind: no gossip
                    "--log.level=warn",
                ]
        raise KeyError(kind)

    def write_tokens(self) -> None:
        """Leave a fresh token for each process of ours that calls the registry."""
        tokens.token_file(self.state, BANK, ["bank"])
        tokens.token_file(self.state, "probe", ["probe"])

    @property
    def app_dsn(self) -> str:
        """The services' own address of the database."""
        return self.plan.sql_uri("registry_app", self.secrets.app, DATABASE)

    @property
    def owner_dsn(self) -> str:
        """The address for migrations."""
        return self.plan.sql_uri("registry_owner", self.secrets.owner, DATABASE)

    @property
    def admin_dsn(self) -> str:
        """The superuser's address of the maintenance database."""
        return self.plan.sql_uri("postgres", self.secrets.superuser, "postgres")

    def _core(self, service: Service) -> dict[str, str]:
        lines = {
            line: {
                "fix": f"{self.plan.line_end(line)}:{places.FIX}",
                "files": f"http://{self.plan.line_end(line)}:{places.FILES}",
            }
            for line in places.LINES
        }
        host, port = service.listens[0]
        listen = "REGISTRY_LISTEN" if service.kind == "api" else "REGISTRY_METRICS_LISTEN"
        return {
            "REGISTRY_DSN": self.app_dsn,
            "REGISTRY_SITE": service.site,
            "REGISTRY_NODE": service.node,
            listen: f"{host}:{port}",
            "REGISTRY_TOKEN_PUBLIC_KEY": str(self.state.issuer_public_key),
            **({"REGISTRY_SEALING_KEY": str(self.state.sealing_key)} if service.kind == "settle" else {}),
            "REGISTRY_LINES": json.dumps(lines),
            "REGISTRY_BANKS": json.dumps({places.BANK_CODE: self._bank_url}),
            "REGISTRY_CCER": self._ccer_url,
            "REGISTRY_PLAYGROUND": "true",
        }

    def _probe(self, service: Service) -> dict[str, str]:
        host, port = service.listens[0]
        return {
            "REGISTRY_PROBE_API": self._api_endpoints,
            "REGISTRY_PROBE_TOKEN_PATH": str(self.state.token("probe")),
            "REGISTRY_PROBE_LISTEN": f"{host}:{port}",
        }

    def _simulator(self, service: Service) -> dict[str, str]:
        host, port = service.listens[0]
        memory = self.state.service(service.node, service.kind) / f"{service.kind}.journal"
        given = {"REGISTRY_SIM_STATE": str(memory)}
        if service.kind == "bank":
            return given | {
                "REGISTRY_SIM_LISTEN": f"{host}:{port}",
                "REGISTRY_SIM_BANK": places.BANK_CODE,
                "REGISTRY_SIM_API": self._api_endpoints,
                "REGISTRY_SIM_TOKEN_PATH": str(self.state.token(BANK)),
            }
        if service.kind == "ccer":
            return given | {"REGISTRY_SIM_LISTEN": f"{host}:{port}"}
        gateways = {}
        for line in places.LINES:
            at = self.plan.gateway(line)
            gateways[f"REGISTRY_SIM_GATEWAY_{line}"] = f"{at}:{places.FIX}"
            gateways[f"REGISTRY_SIM_FILES_{line}"] = f"{at}:{places.FILES}"
        return given | gateways | {"REGISTRY_SIM_CONTROL": f"{host}:{port}"}

    @property
    def _api_endpoints(self) -> str:
        return json.dumps(self.plan.endpoints(self.secrets.drill)["api"])

    @property
    def _bank_url(self) -> str:
        return f"http://{self.plan.address('bank-1')}:{places.BANK_HTTP}"

    @property
    def _ccer_url(self) -> str:
        return f"http://{self.plan.address('ccer-1')}:{places.CCER_HTTP}"


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def database_task(commands: Commands) -> Command:
    """Return the command that makes roles and tables."""
    secrets = commands.secrets
    given = {
        "REGISTRY_ADMIN_DSN": commands.admin_dsn,
        "REGISTRY_OWNER_DSN": commands.owner_dsn,
        "REGISTRY_OWNER_PASSWORD": secrets.owner,
        "REGISTRY_APP_PASSWORD": secrets.app,
        "REGISTRY_DRILL_PASSWORD": secrets.drill,
    }
    return Command(_python("core", "migrate"), given)


def environment_of(command: Command) -> dict[str, str]:
    """Return the environment of a process: ours, cleaned, plus its own."""
    return inherited(os.environ) | {"PYTHONUNBUFFERED": "1"} | command.environment
