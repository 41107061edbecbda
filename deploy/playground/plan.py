"""The plan of the playground: which site has which node, which node runs what, and every address, as pure data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DEFAULT_INSTANCE = 20
PRIVATE_INSTANCES = range(30, 100)
"""Instances that private clusters choose from; the default stays free for the one a person looks at."""

REGISTRY_NODES = ("main-1", "main-2", "second-1", "second-2", "witness-1")
DATA_NODES = ("main-1", "main-2", "second-1", "second-2")
ETCD_NODES = ("main-1", "second-1", "witness-1")
ENTRY_NODES = ("main-1", "second-1")
"""Where a site's HAProxy, API and workers are."""
LINES = ("A", "B")
BANK_CODE = "B001"

POSTGRES, PATRONI, ETCD_CLIENT, ETCD_PEER, API = 5432, 8008, 2379, 2380, 8000
WRITE, READ, HTTP, HAPROXY_STATS = 5000, 5001, 8080, 8404
INTAKE_METRICS, SETTLE_METRICS, PROBE_METRICS = 9102, 9103, 9101
FIX, FILES, EXCHANGE_CONTROL, BANK_HTTP, CCER_HTTP = 9001, 8080, 8090, 8080, 8080
TOXIPROXY, PROMETHEUS, ALERTMANAGER, RUNNER = 8474, 9090, 9093, 7070

AFTER_DATABASE = frozenset({"api", "intake", "settle", "probe"})
"""Kinds that start once roles and tables are there: before that they could only fail and try again."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the plan."""

    name: str
    site: str
    address: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One process that the runner starts, with every place where it listens."""

    name: str
    kind: str
    node: str
    site: str
    listens: tuple[tuple[str, int], ...]
    url: str | None

    @property
    def after_database(self) -> bool:
        """Tell whether it waits for roles and tables."""
        return self.kind in AFTER_DATABASE


@dataclass(frozen=True, slots=True)
class Proxy:
    """One Toxiproxy proxy: the link between two addresses."""

    name: str
    listen: str
    upstream: str


_NODES = (
    ("main-1", "main", (1, 1), ("etcd", "patroni", "haproxy", "api", "intake", "settle")),
    ("main-2", "main", (1, 2), ("patroni",)),
    ("second-1", "second", (2, 1), ("etcd", "patroni", "haproxy", "api", "intake", "settle")),
    ("second-2", "second", (2, 2), ("patroni",)),
    ("witness-1", "witness", (3, 1), ("etcd", "keeper")),
    ("exchange-1", "outside", (4, 1), ("exchange",)),
    ("bank-1", "outside", (5, 1), ("bank",)),
    ("ccer-1", "outside", (6, 1), ("ccer",)),
    ("outside-1", "outside", (9, 1), ("toxiproxy", "prometheus", "alertmanager", "probe")),
)
_GATEWAYS = {"A": (4, 1), "B": (4, 2)}
_LINE_ENDS = {"A": (8, 1), "B": (8, 2)}
_CLIENT_ENDS = {"main": (9, 11), "second": (9, 12)}
_ENTRIES = {"main": "main-1", "second": "second-1"}


@dataclass(frozen=True, slots=True)
class Plan:
    """All addresses of one instance; several instances live side by side on one machine."""

    instance: int

    def host(self, x: int, y: int) -> str:
        """Return an address of this instance."""
        return f"127.{self.instance}.{x}.{y}"

    @property
    def runner(self) -> str:
        """Where the runner answers."""
        return self.host(0, 1)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, in the order they are shown."""
        return tuple(Node(name, site, self.host(*at), kinds) for name, site, at, kinds in _NODES)

    def node(self, name: str) -> Node:
        """Find a node by name; KeyError when the plan has none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def address(self, name: str) -> str:
        """Return a node's address."""
        return self.node(name).address

    @property
    def services(self) -> tuple[Service, ...]:
        """Every process, in the order they start."""
        return tuple(self._service(node, kind) for node in self.nodes for kind in node.kinds)

    def _service(self, node: Node, kind: str) -> Service:
        listens = tuple(self._listens(node, kind))
        at, first_port = listens[0] if listens else ("", 0)
        url = f"http://{at}:{first_port}" if listens else None
        return Service(f"{kind}-{node.name}", kind, node.name, node.site, listens, url)

    def _listens(self, node: Node, kind: str) -> Iterator[tuple[str, int]]:
        ports: dict[str, tuple[int, ...]] = {
            "etcd": (ETCD_CLIENT, ETCD_PEER),
            "patroni": (PATRONI, POSTGRES),
            "haproxy": (HAPROXY_STATS, HTTP, WRITE, READ),
            "api": (API,),
            "intake": (INTAKE_METRICS,),
            "settle": (SETTLE_METRICS,),
            "exchange": (EXCHANGE_CONTROL,),
            "bank": (BANK_HTTP,),
            "ccer": (CCER_HTTP,),
            "toxiproxy": (TOXIPROXY,),
            "prometheus": (PROMETHEUS,),
            "alertmanager": (ALERTMANAGER,),
            "probe": (PROBE_METRICS,),
        }
        for port in ports.get(kind, ()):
            yield node.address, port
        if kind == "exchange":
            for line in LINES:
                yield from ((self.gateway(line), FIX), (self.gateway(line), FILES))
        if kind == "toxiproxy":
            for proxy in self.proxies:
                at, _, port_text = proxy.listen.partition(":")
                yield at, int(port_text)

    def gateway(self, line: str) -> str:
        """Return the exchange's own address on a line."""
        return self.host(*_GATEWAYS[line])

    def line_end(self, line: str) -> str:
        """Return our end of a line, in front of the fault that a drill may put on it."""
        return self.host(*_LINE_ENDS[line])

    def client_end(self, site: str) -> str:
        """Return the address where clients outside reach a site's endpoint."""
        return self.host(*_CLIENT_ENDS[site])

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """Every link that passes Toxiproxy: both lines, and the way of clients to both endpoints."""
        return (*self._line_proxies(), *self._endpoint_proxies())

    def _line_proxies(self) -> Iterator[Proxy]:
        for line in LINES:
            for what, port in (("fix", FIX), ("files", FILES)):
                name = f"line-{line.lower()}-{what}"
                yield Proxy(name, f"{self.line_end(line)}:{port}", f"{self.gateway(line)}:{port}")

    def _endpoint_proxies(self) -> Iterator[Proxy]:
        for site, entry in _ENTRIES.items():
            for what, port in (("http", HTTP), ("write", WRITE), ("read", READ)):
                listen, upstream = f"{self.client_end(site)}:{port}", f"{self.address(entry)}:{port}"
                yield Proxy(f"endpoint-{site}-{what}", listen, upstream)

    def sql_uri(self, role: str, password: str, database: str) -> str:
        """Return one libpq URI with every data node in it, for the services inside."""
        hosts = ",".join(f"{self.address(node)}:{POSTGRES}" for node in DATA_NODES)
        return f"postgresql://{role}:{password}@{hosts}/{database}"

    def endpoints(self, drill_password: str) -> dict[str, object]:
        """Return what downstream uses, through the proxies; each SQL address is complete by itself."""
        ends = [self.client_end(site) for site in _ENTRIES]

        def sql(port: int) -> list[str]:
            return [f"postgresql://drill:{drill_password}@{end}:{port}/registry" for end in ends]

        outside = self.address("outside-1")
        return {
            "api": [f"http://{end}:{HTTP}" for end in ends],
            "write": sql(WRITE),
            "read": sql(READ),
            "status": f"http://{self.runner}:{RUNNER}/status",
            "prometheus": f"http://{outside}:{PROMETHEUS}",
            "toxiproxy": f"http://{outside}:{TOXIPROXY}",
        }
