"""What a drill emits while it runs, served where the playground's Prometheus looks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

PORT = 9104
"""Beside Prometheus, on the same address: a drill runs outside the cluster."""

SHOWN = CollectorRegistry()
"""Only what a drill emits: the default registry also holds, at zero, what the services of this program would emit."""

DRILL_ACTIVE = Gauge("registry_drill_active", "1 while the drill runs.", ["drill"], registry=SHOWN)
FAULT_ACTIVE = Gauge(
    "registry_drill_fault_active", "1 from the injection of a fault until it is healed.", ["fault"], registry=SHOWN
)
REQUESTS = Counter(
    "registry_drill_requests_total", "Requests of a drill's clients by their answer.", ["outcome"], registry=SHOWN
)


@contextmanager
def exported(drill: str, prometheus_url: str) -> Iterator[None]:
    """Serve the drill's metrics while inside.

    The address may be taken by another drill on the same playground: its metrics are then the ones that are seen.
    """
    serving = None
    with suppress(OSError):
        serving = start_http_server(PORT, addr=str(urlsplit(prometheus_url).hostname), registry=SHOWN)
    DRILL_ACTIVE.labels(drill).set(1)
    try:
        yield
    finally:
        DRILL_ACTIVE.labels(drill).set(0)
        if serving is not None:
            server, thread = serving
            server.shutdown()
            server.server_close()
            thread.join()
